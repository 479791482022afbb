"""Processes large images in overlapping tiles, so that memory does not grow with the image.

In an overlap one tile fades into the next. The outer quarter of the overlap is not used at all:
there a network sees the border of its tile, although the image continues.
"""

import itertools
from collections.abc import Callable

import numpy as np

from imggen.errors import UserError

_LEAST_OVERLAP = 4


def check(tile: int, overlap: int) -> None:
    """Raises UserError if tiles of this side cannot overlap by this many pixels."""
    if not _LEAST_OVERLAP <= overlap <= tile // 2:
        raise UserError(
            f'--overlap={overlap}: give at least {_LEAST_OVERLAP} and at most half of '
            f'--tile={tile}.'
        )


def in_tiles(
    function: Callable[[int, np.ndarray], np.ndarray],
    image: np.ndarray,
    tile: int,
    overlap: int,
) -> np.ndarray:
    """Applies a function to overlapping tiles and blends what comes out.

    Args:
      function: (index of the tile, [h, w, channels]) -> float [scale * h, scale * w,
        any channels].
      image: [height, width, channels].
      tile: the largest side of a tile, in pixels of the image.
      overlap: the least number of pixels that neighboring tiles share.

    Returns:
      float64 [scale * height, scale * width, any channels].
    """
    total = weights = None
    sides = image.shape[:2]
    tiles = itertools.product(*(spans(side, tile, overlap) for side in sides))
    for index, ((top, height), (left, width)) in enumerate(tiles):
        part = function(index, image[top : top + height, left : left + width])
        scale = part.shape[0] // height
        if total is None:
            size = (scale * sides[0], scale * sides[1])
            total, weights = np.zeros((*size, part.shape[-1])), np.zeros((*size, 1))
        down = _fade(scale * height, scale * overlap, top > 0, top + height < sides[0])
        across = _fade(scale * width, scale * overlap, left > 0, left + width < sides[1])
        weight = (down[:, None] * across)[..., None]
        rows = slice(scale * top, scale * (top + height))
        columns = slice(scale * left, scale * (left + width))
        total[rows, columns] += weight * part
        weights[rows, columns] += weight
    return total / weights


def spans(side: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Returns (first, length) of the tiles along a side, evenly spread."""
    if side <= tile:
        return [(0, side)]
    count = -(-(side - overlap) // (tile - overlap))
    return [(round(first), tile) for first in np.linspace(0, side - tile, count)]


def _fade(length: int, overlap: int, at_start: bool, at_end: bool) -> np.ndarray:
    """Returns weights along a tile: 0 in the outer quarter of an overlap, then rising to 1."""
    margin = overlap / 4
    place = np.arange(length) + 0.5
    rise = np.clip((place - margin) / (overlap - 2 * margin), 0.0, 1.0)
    flat = np.ones(length)
    return (rise if at_start else flat) * (rise[::-1] if at_end else flat)
