"""The train state of one network, its optimizer, and the moving average of its weights."""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import PartitionSpec as P

Schedule = Callable[[jax.Array], jax.Array]  # Step (int32) -> value.

_is_sharded = contextvars.ContextVar('is_sharded', default=False)


@struct.dataclass
class TrainState:
    """The parameters of one network and the state of its optimizer.

    `batch_stats` holds the other collections of variables, such as the running statistics of
    batch normalization; {} if there are none.
    """

    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self):
        """The argument of a linen module's `apply`."""
        return {'params': self.params, **self.batch_stats}


def create(variables, optimizer: optax.GradientTransformation) -> TrainState:
    """Builds a train state from the result of `module.init`.

    The collection 'losses', which holds losses that a module sowed, is not part of the state.
    """
    params = variables['params']
    left_out = ('params', 'losses')
    batch_stats = {name: value for name, value in variables.items() if name not in left_out}
    return TrainState(params, batch_stats, optimizer.init(params))


def update(state: TrainState, gradients, optimizer, *, batch_stats=None) -> TrainState:
    """Applies one step of the optimizer; replaces the batch statistics if new ones are given."""
    gradients = whole(gradients)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    batch_stats = state.batch_stats if batch_stats is None else batch_stats
    params = optax.apply_updates(state.params, updates)
    return TrainState(whole(params), batch_stats, opt_state)


@contextlib.contextmanager
def sharded(is_sharded: bool) -> Iterator[None]:
    """Says whether the arrays of the states of steps that are traced meanwhile are split."""
    token = _is_sharded.set(is_sharded)
    try:
        yield
    finally:
        _is_sharded.reset(token)


def whole(tree):
    """Within `sharded(True)`, puts whole arrays on every device. Elsewhere it is the identity.

    Without it, XLA may move images to the parameters, which are mostly smaller.
    """
    return jax.lax.with_sharding_constraint(tree, P()) if _is_sharded.get() else tree


def is_network(node: Any) -> bool:
    """Whether a node of a state is a network with its optimizer."""
    return isinstance(node, TrainState)


def gathered(state):
    """Returns a state whose `TrainState`s have `whole` parameters; all else stays split."""

    def gather(node):
        return node.replace(params=whole(node.params)) if is_network(node) else node

    return jax.tree.map(gather, state, is_leaf=is_network)


def sees_whole(sample: Callable) -> Callable:
    """Returns a method's `sample` such that what it reads of the state is `whole`."""

    @functools.wraps(sample)
    def wrapped(image_keys, state, frozen, batch):
        return sample(image_keys, whole(state), frozen, batch)

    return wrapped


def adam(
    learning_rate: float | Schedule, *, b1: float = 0.9, b2: float | Schedule = 0.999
) -> optax.GradientTransformation:
    """Returns Adam; the learning rate and b2 may be schedules of the step."""
    if callable(b2):
        return optax.inject_hyperparams(optax.adam)(learning_rate=learning_rate, b1=b1, b2=b2)
    return optax.adam(learning_rate, b1=b1, b2=b2)


def ema_update(
    ema, new, *, images: int, half_life_images: float, step: jax.Array, axis_name: str | None
):
    """Moves an exponential moving average of variables towards their new values.

    ema <- d ema + (1 - d) new, d = 0.5^(n / h), where n is the number of images in a step and
    h the half-life, at most 5 % of the images seen so far, so that the initial values are soon
    forgotten.

    Args:
      ema, new: the average, and the variables after this step.
      images: number of images in this step on this device.
      half_life_images: h, in images.
      step: number of steps before this one.
      axis_name: the pmap axis over whose devices the batch is spread; None under jit.
    """
    if axis_name is not None:
        images *= jax.lax.axis_size(axis_name)
    half_life = jnp.minimum(half_life_images, 0.05 * (step + 1.0) * images)
    decay = 0.5 ** (images / jnp.maximum(half_life, 1e-8))
    return optax.incremental_update(new, ema, 1.0 - decay)


def mean_over(axis_name: str | None, tree):
    """Averages a tree over the devices of a pmap axis; the identity under jit."""
    return tree if axis_name is None else jax.lax.pmean(tree, axis_name)
