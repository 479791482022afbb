"""Pieces that several networks share: sizes that halve, filtered resampling."""

import functools

import jax
import jax.numpy as jnp


def halvings(
    size: tuple[int, int], *, smallest: int = 4, least: int = 0
) -> tuple[int, tuple[int, int]]:
    """Returns how often an image is halved, and the size that remains.

    Any size will do: networks work on base * 2^times, at least `size`, and cut or
    pad to it.

    Args:
      size: (height, width) of the image.
      smallest: the shorter side of what remains is at least this, if the image's is.
      least: halvings that are made all the same.

    Returns:
      times, (base height, base width).
    """
    times = least
    while min(size) >= smallest * 2 ** (times + 1):
        times += 1
    scale = 2**times
    return times, (-(-size[0] // scale), -(-size[1] // scale))


def crop(images: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Cuts the center of [n, height, width, channels] to `size`."""
    top, left = (images.shape[1] - size[0]) // 2, (images.shape[2] - size[1]) // 2
    return images[:, top : top + size[0], left : left + size[1]]


def pad_to(images: jax.Array, size: tuple[int, int], *, mode: str = 'edge') -> jax.Array:
    """Pads [n, height, width, channels] to `size` as `jnp.pad` does in `mode`; undone by `crop`.

    'edge' repeats the border, 'symmetric' mirrors the image, as often as need be.
    """
    rest = [(0, 0)]
    for have, want in zip(images.shape[1:3], size, strict=True):
        rest.append(((want - have) // 2, (want - have + 1) // 2))
    rest.append((0, 0))
    return jnp.pad(images, rest, mode=mode) if any(map(any, rest)) else images


def largest(x: jax.Array, axis: int) -> jax.Array:
    """Returns the maximum over a short axis: x's shape without it.

    The derivative of `jnp.max` asks which entries equal the maximum. XLA may compute the
    entries a second time for the question, rounded otherwise, and then none does: the gradient
    is lost. Here each comparison of two has one winner, however they were rounded, and NaN wins.
    """

    def larger(a, b):
        return jnp.where((a > b) | jnp.isnan(a), a, b)

    return functools.reduce(larger, jnp.unstack(x, axis=axis))


def max_pool(x: jax.Array) -> jax.Array:
    """Halves [n, height, width, channels] by the maximum of each 2x2; odd borders are cut.

    A windowed maximum's gradient is many times slower on a CPU.
    """
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    x = x.reshape(n, height // 2, 2, width // 2, 2, channels)
    return largest(largest(x, 4), 2)


def upsample(x: jax.Array) -> jax.Array:
    """Doubles [n, height, width, channels] with the filter [1, 3, 3, 1] / 4 on either axis.

    Beyond the border the image repeats its edge.
    """
    for axis in (1, 2):
        before, after = _neighbors(x, axis)
        pair = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape)
    return x


def downsample(x: jax.Array) -> jax.Array:
    """Halves [n, height, width, channels] with the filter [1, 3, 3, 1] / 8 on either axis.

    Height and width must be even. Beyond the border the image repeats its edge.
    """
    for axis in (1, 2):
        shape = list(x.shape)
        shape[axis : axis + 1] = [shape[axis] // 2, 2]
        pairs = x.reshape(shape)
        even = jax.lax.index_in_dim(pairs, 0, axis + 1, keepdims=False)
        odd = jax.lax.index_in_dim(pairs, 1, axis + 1, keepdims=False)
        before, _ = _neighbors(odd, axis, edge=even)
        _, after = _neighbors(even, axis, edge=odd)
        x = (before + 3.0 * (even + odd) + after) / 8.0
    return x


def _neighbors(x, axis, *, edge=None):
    """Returns x shifted by one to either side; the gap takes the edge of `edge`, by default x."""
    edge = x if edge is None else edge
    length = x.shape[axis]
    first = jax.lax.slice_in_dim(edge, 0, 1, axis=axis)
    last = jax.lax.slice_in_dim(edge, length - 1, length, axis=axis)
    before = jnp.concatenate([first, jax.lax.slice_in_dim(x, 0, length - 1, axis=axis)], axis)
    after = jnp.concatenate([jax.lax.slice_in_dim(x, 1, length, axis=axis), last], axis)
    return before, after
