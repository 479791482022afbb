"""L-BFGS with a line search for the weak Wolfe conditions, one evaluation at a time.

`optax.scale_by_lbfgs` gives the direction. The search along it follows Lewis and Overton (2013,
algorithm 2.6): a step that does not decrease the loss enough bounds the step length from above,
and a step after which the loss still falls steeply bounds it from below. The line searches of
optax run to their end within one call: under `vmap` they evaluate both branches of every
decision, and all images wait for the slowest.
"""

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen.methods.style.optimizer import UNBOUNDED, Optimizer, choose

_DECREASE = 1e-4  # c_1 of the Wolfe conditions.
_CURVATURE = 0.9  # c_2.
_ROUNDING = 1e-6  # Losses that differ by less, relatively, count as equal in float32.
_FIRST_MOVE = 0.05  # Root mean square change of the first trial, for pixels in [-1, 1].
_GROWTH = 4.0
_MAX_TRIALS = 12


@struct.dataclass
class Search:
    """A search from `image` along `direction`.

    Attributes:
      image, value: the last accepted image and its loss, UNBOUNDED at the start.
      direction: the search direction; zeros before the first evaluation.
      slope: the derivative of the loss along the direction.
      length: step length of the next trial, which is image + length * direction.
      low, high: bounds of an acceptable length; `high` is UNBOUNDED at first.
      trials: number of evaluations along this direction.
      memory: the state of optax.scale_by_lbfgs.
    """

    image: jax.Array
    value: jax.Array
    direction: jax.Array
    slope: jax.Array
    length: jax.Array
    low: jax.Array
    high: jax.Array
    trials: jax.Array
    memory: optax.ScaleByLBFGSState


def make(*, memory_size: int = 10) -> Optimizer:
    """Returns the optimizer, which approximates the Hessian from `memory_size` past updates."""
    precondition = optax.scale_by_lbfgs(memory_size)

    def init(image):
        return Search(
            image=image,
            value=jnp.float32(UNBOUNDED),
            direction=jnp.zeros_like(image),
            slope=jnp.float32(0),
            length=jnp.float32(0),
            low=jnp.float32(0),
            high=jnp.float32(UNBOUNDED),
            trials=jnp.int32(0),
            memory=precondition.init(image),
        )

    def point(search):
        return search.image + search.length * search.direction

    def along(image, value, gradient, memory):
        """Starts a new search from an image whose loss and gradient are known."""
        is_fresh = memory.count == 0
        update, memory = precondition.update(gradient, memory, image)
        size = jnp.sqrt(jnp.float32(image.size)) / jnp.maximum(jnp.linalg.norm(update), 1e-20)
        return Search(
            image=image,
            value=value,
            direction=-update,
            slope=-jnp.vdot(gradient, update),
            length=jnp.where(is_fresh, _FIRST_MOVE * size, 1.0),
            low=jnp.float32(0),
            high=jnp.float32(UNBOUNDED),
            trials=jnp.int32(0),
            memory=memory,
        )

    def advance(search, value, gradient):
        value = jnp.where(value < UNBOUNDED, value, UNBOUNDED)  # NaN also becomes UNBOUNDED.
        # At the first evaluation the loss is unbounded and the slope 0, so both conditions hold.
        most = search.value + _DECREASE * search.length * search.slope
        falls = value <= most + _ROUNDING * jnp.abs(search.value)
        bends = jnp.vdot(gradient, search.direction) >= _CURVATURE * search.slope
        gives_up = search.trials + 1 >= _MAX_TRIALS
        accepted = (falls & bends) | (gives_up & (value < search.value))

        # After too many trials the step carries no information about the curvature: forget all.
        memory = choose(gives_up, precondition.init(search.image), search.memory)
        trial = (point(search), value, gradient)
        before = (search.image, search.value, search.memory.updates)
        new = along(*choose(accepted, trial, before), memory)
        return choose(accepted | gives_up, new, _narrow(search, value, falls))

    return Optimizer(init, point, advance, lambda search: search.image, lambda search: search.value)


def _narrow(search: Search, value: jax.Array, falls: jax.Array) -> Search:
    """Chooses the next step length along the same direction."""
    low = jnp.where(falls, search.length, search.low)
    high = jnp.where(falls, search.high, search.length)
    # The minimum of the parabola through the loss and the slope at 0 and the loss at `high`.
    rise = value - search.value - search.length * search.slope
    parabola = -search.slope * jnp.square(search.length) / (2.0 * jnp.maximum(rise, 1e-30))
    middle = jnp.where(low > 0, (low + high) / 2.0, jnp.clip(parabola, 0.1 * high, 0.6 * high))
    length = jnp.where(high == UNBOUNDED, _GROWTH * search.length, middle)
    return search.replace(low=low, high=high, length=length, trials=search.trials + 1)
