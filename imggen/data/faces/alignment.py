"""Alignment of faces: the eyes of every face are moved to the same two places.

Two points determine a similarity (rotation, scale, shift). In complex numbers, if the eyes e_1
and e_2 are to be moved to t_1 and t_2:

    f(z) = a z + b,    a = (t_2 - t_1) / (e_2 - e_1),    b = t_1 - a e_1

Coordinates are continuous (row, column): pixel i covers [i, i + 1).
"""

import math
from collections.abc import Sequence

import numpy as np

from imggen.data import decode

Point = tuple[float, float]

_ROW = 0.42  # Row of both eyes, as a fraction of the height.
# Distance of the eyes, as a fraction of the width, or of 3/4 of the height if that is less.
_DISTANCE = 0.3


def eye_places(size: tuple[int, int]) -> tuple[Point, Point]:
    """Returns the (row, column) of both eyes in an aligned portrait of a size (height, width)."""
    height, width = size
    half = _DISTANCE / 2 * min(width, 0.75 * height)
    return (_ROW * height, width / 2 - half), (_ROW * height, width / 2 + half)


def similarity(points: Sequence[Point], places: Sequence[Point]) -> np.ndarray:
    """Returns the matrix [2, 3] that maps two points to two places, each (row, column)."""
    (e1, e2), (t1, t2) = (
        [complex(column, row) for row, column in pair] for pair in (points, places)
    )
    if e1 == e2:
        raise ValueError('Two points that coincide determine no similarity.')
    a = (t2 - t1) / (e2 - e1)
    b = t1 - a * e1
    # On (row, column) instead of (column, row).
    return np.array([[a.real, a.imag, b.imag], [-a.imag, a.real, b.real]])


def align(picture: np.ndarray, eyes: Sequence[Point], size: tuple[int, int]) -> np.ndarray:
    """Moves a face's eyes to their places; outside the picture its edge is repeated.

    Args:
      picture: uint8 [height, width, channels].
      eyes: (row, column) of the eye at the left of the picture, then of the one at the right.
      size: (height, width) of the portrait.

    Returns:
      uint8 [*size, channels].
    """
    import cv2

    targets = eye_places(size)
    scale = math.dist(*targets) / math.dist(*eyes)
    if scale < 1:  # Bilinear sampling of a finer picture would alias.
        height, width, _ = picture.shape
        small = (max(1, round(height * scale)), max(1, round(width * scale)))
        picture = decode.resize(picture, small, fit='stretch')
        eyes = [(row * small[0] / height, column * small[1] / width) for row, column in eyes]
    matrix = similarity(eyes, targets)
    # OpenCV uses (x, y) and puts the center of pixel 0 at 0.
    turn, shift = matrix[::-1, 1::-1], matrix[::-1, 2]
    shift = shift + turn @ [0.5, 0.5] - 0.5
    warped = cv2.warpAffine(
        picture,
        np.column_stack([turn, shift]),
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return warped.reshape(*size, picture.shape[-1])
