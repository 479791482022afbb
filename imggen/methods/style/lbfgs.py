"""L-BFGS with a line search for the weak Wolfe conditions, one evaluation at a time.

The search along a direction follows Lewis and Overton (2013, algorithm 2.6): a step that does not
decrease the loss enough bounds the step length from above, and a step after which the loss still
falls steeply bounds it from below. The line searches of optax run to their end within one call:
under `vmap` they evaluate both branches of every decision, and all images wait for the slowest.

The direction is -H g. The inverse Hessian H is that of the last m pairs of changes of the image
(s) and of the gradient (y), in the compact form of Byrd, Nocedal and Schnabel (1994, eq. 3.1). It
takes two products with all pairs at once, where the two-loop recursion takes 4 m small ones in a
row.
"""

import functools

import jax
import jax.numpy as jnp
from flax import struct

from imggen.methods.style.optimizer import UNBOUNDED, Optimizer, choose

_DECREASE = 1e-4  # c_1 of the Wolfe conditions.
_CURVATURE = 0.9  # c_2.
_ROUNDING = 1e-6  # Losses that differ by less, relatively, count as equal in float32.
_FIRST_MOVE = 0.05  # Root mean square change of the first trial, for pixels in [-1, 1].
_GROWTH = 4.0
_MAX_TRIALS = 12
_TINY = 1e-20


@struct.dataclass
class Memory:
    """The last m pairs (s, y), in a ring of m + 1 rows: pair number t is in row t modulo m + 1.

    Each pair is divided by the root of s^T y, which does not change H.

    Attributes:
      pairs: the rows (s_i, y_i): [m + 1, 2, pixels].
      products: s_i^T y_j, right where pair i is not newer than pair j, and y_i^T y_j:
        [2, m + 1, m + 1].
      count: number of pairs since the memory was cleared.
    """

    pairs: jax.Array
    products: jax.Array
    count: jax.Array


@struct.dataclass
class Search:
    """A search from `image` along `direction`.

    Attributes:
      image, value, gradient: the last accepted image and its loss, UNBOUNDED at the start.
      direction: the search direction; zeros before the first evaluation.
      slope: the derivative of the loss along the direction.
      length: step length of the next trial, which is image + length * direction.
      low, high: bounds of an acceptable length; `high` is UNBOUNDED at first.
      trials: number of evaluations along this direction.
      memory: past pairs.
    """

    image: jax.Array
    value: jax.Array
    gradient: jax.Array
    direction: jax.Array
    slope: jax.Array
    length: jax.Array
    low: jax.Array
    high: jax.Array
    trials: jax.Array
    memory: Memory


def make(*, memory_size: int = 10) -> Optimizer:
    """Returns the optimizer, which approximates the Hessian from `memory_size` past pairs."""

    def init(image):
        return Search(
            image=image,
            value=jnp.float32(UNBOUNDED),
            gradient=jnp.zeros_like(image),
            direction=jnp.zeros_like(image),
            slope=jnp.float32(0),
            length=jnp.float32(0),
            low=jnp.float32(0),
            high=jnp.float32(UNBOUNDED),
            trials=jnp.int32(0),
            memory=empty(memory_size, image.size),
        )

    def point(search):
        return search.image + search.length * search.direction

    def advance(search, value, gradient):
        value = jnp.where(value < UNBOUNDED, value, UNBOUNDED)  # NaN also becomes UNBOUNDED.
        # At the first evaluation the loss is unbounded and the slope 0, so both conditions hold.
        most = search.value + _DECREASE * search.length * search.slope
        falls = value <= most + _ROUNDING * jnp.abs(search.value)
        bends = jnp.vdot(gradient, search.direction) >= _CURVATURE * search.slope
        gives_up = search.trials + 1 >= _MAX_TRIALS
        accepted = (falls & bends) | (gives_up & (value < search.value))

        # After too many trials the step carries no information about the curvature: forget all.
        memory = search.memory.replace(count=jnp.where(gives_up, 0, search.memory.count))
        trial = (point(search), value, gradient)
        before = (search.image, search.value, search.gradient)
        image, value_there, gradient_there = choose(accepted, trial, before)
        update, memory = precondition(
            memory,
            (search.length * search.direction).ravel(),
            (gradient - search.gradient).ravel(),
            gradient_there.ravel(),
            when=accepted & ~gives_up & (search.value < UNBOUNDED),
        )
        new = _along(image, value_there, gradient_there, -update.reshape(image.shape), memory.count)
        new = choose(accepted | gives_up, new, _narrow(search.replace(memory=None), value, falls))
        return new.replace(memory=memory)  # A choice between two memories would copy all pairs.

    return Optimizer(init, point, advance, lambda search: search.image, lambda search: search.value)


def empty(size: int, pixels: int) -> Memory:
    """Returns a memory for `size` pairs."""
    rows = size + 1
    return Memory(jnp.zeros((rows, 2, pixels)), jnp.zeros((2, rows, rows)), jnp.int32(0))


def precondition(
    memory: Memory, s: jax.Array, y: jax.Array, gradient: jax.Array, *, when: jax.Array
) -> tuple[jax.Array, Memory]:
    """Adds a pair to the memory and multiplies the gradient g by H.

    With the rows s_i of S and y_i of Y from the oldest pair to the newest, R the upper triangle of
    S Y^T, whose diagonal is 1, and gamma = 1 / |y_m|^2,

        H g = gamma g + S^T a - gamma Y^T u,
        u = R^-1 S g,    a = R^-T ((1 + gamma Y Y^T) u - gamma Y g).

    Args:
      memory: past pairs. If it is empty and stays so, H is the identity.
      s, y: the new pair, each [pixels].
      gradient: g, [pixels].
      when: whether the pair is added. It is left out, too, if s^T y is not positive.

    Returns:
      H g, and the memory with the pair.
    """
    rows, product = len(memory.pairs), jnp.vdot(s, y)
    when &= product > _TINY
    pair = jnp.where(when, jnp.stack([s, y]) * jax.lax.rsqrt(jnp.maximum(product, _TINY)), 0.0)
    row, count = memory.count % rows, memory.count + when
    order = (count + 1 + jnp.arange(rows - 1)) % rows  # From the oldest pair to the newest.
    used = jnp.arange(rows - 1) >= rows - 1 - count

    # The products read the pairs before the new one is in its row: XLA would copy all of them to
    # read and write in turn.
    matmul = functools.partial(jnp.matmul, precision='highest')
    flat, vectors = memory.pairs.reshape(2 * rows, -1), jnp.stack([pair[1], gradient], axis=1)
    dots = matmul(flat, vectors).reshape(rows, 2, 2).at[row].set(matmul(pair, vectors))
    products = memory.products.at[:, :, row].set(dots[..., 0].T).at[1, row].set(dots[:, 1, 0])

    steps, curvatures = products[:, order][:, :, order] * (used[:, None] & used[None])[None]
    along, across = dots[order, :, 1].T * used[None]
    gamma = jnp.where(used[-1], 1.0 / jnp.maximum(curvatures[-1, -1], _TINY), 1.0)
    solve = functools.partial(
        jax.scipy.linalg.solve_triangular, jnp.eye(rows - 1) + jnp.triu(steps, 1)
    )
    u = solve(along)
    a = solve(u + gamma * (matmul(curvatures, u) - across), trans=1)
    weights = jnp.zeros((rows, 2)).at[order].set(jnp.stack([a, -gamma * u], axis=1))
    change = matmul(weights[row], pair) + matmul(weights.at[row].set(0.0).reshape(-1), flat)
    found = gamma * gradient + change

    # The write must follow all reads, so it depends on their result. Then XLA writes in place.
    pair = jnp.where(jnp.isfinite(jnp.vdot(found, gradient)), pair, 0.0)
    return found, Memory(memory.pairs.at[row].set(pair), products, count)


def _along(image, value, gradient, direction, num_pairs) -> Search:
    """Starts a search from an image whose loss and gradient are known; it lacks its memory."""
    size = jnp.sqrt(jnp.float32(image.size)) / jnp.maximum(jnp.linalg.norm(direction), _TINY)
    return Search(
        image=image,
        value=value,
        gradient=gradient,
        direction=direction,
        slope=jnp.vdot(gradient, direction),
        length=jnp.where(num_pairs == 0, _FIRST_MOVE * size, 1.0),
        low=jnp.float32(0),
        high=jnp.float32(UNBOUNDED),
        trials=jnp.int32(0),
        memory=None,
    )


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
