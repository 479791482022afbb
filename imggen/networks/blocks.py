"""Functions that several networks share: sizes, padding, pooling and filtered resampling."""

import functools

import jax
import jax.numpy as jnp

_SMALLEST = 4  # The shorter side at the end of all halvings is at least this.


def halvings(size: tuple[int, int], *, least: int = 0) -> tuple[int, tuple[int, int]]:
    """Returns how often a network halves images of a size, and the size at the end.

    Networks work on the size base * 2^times, which is at least `size`, and pad or crop to it.

    Args:
      size: (height, width) of the images.
      least: the smallest number of halvings. More are made while the shorter side stays at least
        4 pixels.

    Returns:
      times, (base height, base width).
    """
    times = least
    while min(size) >= _SMALLEST * 2 ** (times + 1):
        times += 1
    scale = 2**times
    return times, (-(-size[0] // scale), -(-size[1] // scale))


def crop(images: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns the center of [n, height, width, channels], of `size` (height, width)."""
    top, left = (images.shape[1] - size[0]) // 2, (images.shape[2] - size[1]) // 2
    return images[:, top : top + size[0], left : left + size[1]]


def pad_to(images: jax.Array, size: tuple[int, int], *, mode: str = 'edge') -> jax.Array:
    """Pads [n, height, width, channels] to `size` by a `mode` of `jnp.pad`; `crop` inverts it.

    'edge' repeats the border, 'symmetric' mirrors the image.
    """
    rest = [(0, 0)]
    for have, want in zip(images.shape[1:3], size, strict=True):
        rest.append(((want - have) // 2, (want - have + 1) // 2))
    rest.append((0, 0))
    return jnp.pad(images, rest, mode=mode) if any(map(any, rest)) else images


def largest(x: jax.Array, axis: int) -> jax.Array:
    """Returns the maximum over a short axis, which is removed.

    The derivative of `jnp.max` compares all entries with the maximum. XLA may compute the entries
    again for the comparison and round them differently; then none is equal and the gradient is
    lost. Here one of every two compared entries wins, however they are rounded, and NaN wins.
    """

    def larger(a, b):
        return jnp.where((a > b) | jnp.isnan(a), a, b)

    return functools.reduce(larger, jnp.unstack(x, axis=axis))


def max_pool(x: jax.Array) -> jax.Array:
    """Halves [n, height, width, channels] by the maximum of each 2x2; odd borders are cropped.

    On a CPU the gradient of a windowed maximum would be many times slower.
    """
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    x = x.reshape(n, height // 2, 2, width // 2, 2, channels)
    return largest(largest(x, 4), 2)


def upsample(x: jax.Array) -> jax.Array:
    """Doubles [n, height, width, channels] with the filter [1, 3, 3, 1] / 4 along both axes.

    Outside its border the image repeats its edge.
    """
    for axis in (1, 2):
        before, after = _neighbors(x, axis)
        pair = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape)
    return x


def downsample(x: jax.Array) -> jax.Array:
    """Halves [n, height, width, channels] with the filter [1, 3, 3, 1] / 8 along both axes.

    Height and width must be even. Outside its border the image repeats its edge.
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
    """Returns x shifted by one to both sides; gaps are filled with the edge of `edge` or of x."""
    edge = x if edge is None else edge
    length = x.shape[axis]
    first = jax.lax.slice_in_dim(edge, 0, 1, axis=axis)
    last = jax.lax.slice_in_dim(edge, length - 1, length, axis=axis)
    before = jnp.concatenate([first, jax.lax.slice_in_dim(x, 0, length - 1, axis=axis)], axis)
    after = jnp.concatenate([jax.lax.slice_in_dim(x, 1, length, axis=axis), last], axis)
    return before, after
