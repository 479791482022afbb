"""Tiles: windows over a large image, so that a network sees one part at a time.

The cores of the windows cover the image exactly once. A window is its core plus a margin as wide
as the network's reach, so that the activations over the core equal those of the whole image.
Windows lie inside the image: at its border the network pads a window as it pads the image.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Tiles(NamedTuple):
    """Windows of one size.

    Attributes:
      size: (height, width) of every window, in pixels.
      starts: int32 [number of windows, 2], the top left corners.
      cores: int32 [number of windows, 2, 2], (top, bottom), (left, right) of the cores.
    """

    size: tuple[int, int]
    starts: np.ndarray
    cores: np.ndarray


def plan(size: tuple[int, int], *, core: int, reach: tuple[int, int]) -> Tiles:
    """Covers an image with windows.

    Args:
      size: (height, width) of the image, multiples of the stride.
      core: side of a core in pixels, rounded up to a multiple of the stride.
      reach: (stride, pixels that an activation sees on each side) of the network.
    """
    stride, pixels = reach
    core, margin = _up(core, stride), _up(pixels, stride)
    axes = [_along(length, core, margin) for length in size]
    pairs = [(rows, columns) for rows in axes[0][1] for columns in axes[1][1]]
    starts = [(rows[0], columns[0]) for rows, columns in pairs]
    cores = [(rows[1:], columns[1:]) for rows, columns in pairs]
    return Tiles(
        (axes[0][0], axes[1][0]), np.asarray(starts, np.int32), np.asarray(cores, np.int32)
    )


def core_weight(start: jax.Array, core: jax.Array, size: tuple[int, int], stride: int) -> jax.Array:
    """Returns 1 for the activations over the core, 0 for others: [1, height, width, 1].

    Args:
      start: int32 [2], the window's top left corner in pixels.
      core: int32 [2, 2], (first, end) of rows and of columns in pixels.
      size: (height, width) of the activations.
      stride: pixels from one activation to the next.
    """
    down, across = (
        (start[axis] + stride * jnp.arange(size[axis]) >= core[axis, 0])
        & (start[axis] + stride * jnp.arange(size[axis]) < core[axis, 1])
        for axis in (0, 1)
    )
    return (down[:, None] & across[None]).astype(jnp.float32)[None, :, :, None]


def window(x: jax.Array, start: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Cuts the window [n, *size, channels] at `start` [2] out of x."""
    return jax.lax.dynamic_slice(x, (0, start[0], start[1], 0), (x.shape[0], *size, x.shape[-1]))


def _along(length: int, core: int, margin: int):
    """Returns the window length and, for each core, (window start, core start, core end)."""
    size = min(length, core + 2 * margin)
    return size, [
        (min(max(first - margin, 0), length - size), first, min(first + core, length))
        for first in range(0, length, core)
    ]


def _up(pixels: int, stride: int) -> int:
    return -(-pixels // stride) * stride
