"""Precision: the types in which a training step computes.

  float32         every product of matrices and every convolution in full precision
  tensorfloat32   a GPU rounds the operands of products to TensorFloat-32, and a TPU makes one
                  product of three products in bfloat16. A CPU computes as with float32.
  bfloat16        the layers of networks, forward and backward, compute in bfloat16. All else is as
                  with float32: parameters, optimizers, averages, batch statistics, losses,
                  penalties, distances and frozen networks.

The state is float32 in every precision, so a checkpoint continues in any of them. Samples, measures
and exported models do not depend on it: they apply the float32 parameters.
"""

import jax
import jax.numpy as jnp

from imggen.errors import UserError
from imggen.method import Method, StepFn
from imggen.networks import layers
from imggen.train_state import is_network

# The type that layers compute in, None for that of their operands, and the precision of the
# products of float32 matrices.
PRECISIONS = {
    'float32': (None, 'float32'),
    'tensorfloat32': (None, 'tensorfloat32'),
    'bfloat16': (jnp.bfloat16, 'float32'),
}


def check(precision: str, state) -> None:
    """Raises UserError for bfloat16 if a method with this state, or shapes, trains no network."""
    dtype, _ = PRECISIONS[precision]
    if dtype is not None and not any(map(is_network, jax.tree.leaves(state, is_leaf=is_network))):
        raise UserError(
            f'config.run.precision={precision!r} is for methods that train a network, and this '
            "one trains none: set config.run.precision='float32'."
        )


def stepping_in(precision: str, method: Method) -> Method:
    """Returns the method with steps that compute in one of PRECISIONS."""
    phases = (phase._replace(step=_stepping_in(precision, phase.step)) for phase in method.phases)
    return method._replace(phases=tuple(phases))


def _stepping_in(precision: str, step: StepFn) -> StepFn:
    dtype, products = PRECISIONS[precision]

    def step_in_precision(key, state, frozen, batch):
        with layers.computing_in(dtype), jax.default_matmul_precision(products):
            return step(key, state, frozen, batch)

    return step_in_precision
