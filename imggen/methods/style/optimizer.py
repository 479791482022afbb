"""The interface of optimizers of one image, which take one evaluation at a time.

The caller evaluates the loss at `point` and passes the value and the gradient to `advance`. So a
step of the loop is exactly one evaluation: budgets count evaluations, the loss is compiled once,
and under `vmap` no image waits for the line search of another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

# Larger than every loss and step length; finite, because checkpoints must be finite.
UNBOUNDED = float(jnp.finfo(jnp.float32).max)


class Optimizer(NamedTuple):
    """Pure functions over one image [height, width, channels]; use `vmap` for a batch.

    Attributes:
      init: image -> state.
      point: state -> the image to evaluate next.
      advance: (state, value, gradient at `point`) -> state.
      result: state -> the best image so far.
      loss: state -> the loss of the current image.
    """

    init: Callable[[jax.Array], Any]
    point: Callable[[Any], jax.Array]
    advance: Callable[[Any, jax.Array, jax.Array], Any]
    result: Callable[[Any], jax.Array]
    loss: Callable[[Any], jax.Array]


def choose(condition: jax.Array, yes: Any, no: Any) -> Any:
    """Returns one of two trees of the same structure by a scalar condition."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
