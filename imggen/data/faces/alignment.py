"""Alignment by the eyes: every face with its eyes at the same two places.

A similarity (turn, scale, shift) is fixed by two points. In complex numbers, with
eyes e_1, e_2 that shall come to t_1, t_2:

    f(z) = a z + b,    a = (t_2 - t_1) / (e_2 - e_1),    b = t_1 - a e_1

Coordinates are continuous (row, column): pixel i covers [i, i + 1).
"""

import math
from collections.abc import Sequence

import numpy as np

from imggen.data import decode

Point = tuple[float, float]


def eye_places(
    size: tuple[int, int], *, row: float = 0.42, distance: float = 0.3
) -> tuple[Point, Point]:
    """Returns where the eyes of an aligned portrait lie.

    Args:
      size: (height, width) of the portrait.
      row: of both eyes, as a fraction of the height.
      distance: between them, as a fraction of the width, or of 3/4 of the height where
        that is less; a face is about twice as high below the eyes.
    """
    height, width = size
    half = distance / 2 * min(width, 0.75 * height)
    return (row * height, width / 2 - half), (row * height, width / 2 + half)


def similarity(points: Sequence[Point], places: Sequence[Point]) -> np.ndarray:
    """Returns the matrix [2, 3] that takes two points to two places, (row, column) each."""
    (e1, e2), (t1, t2) = (
        [complex(column, row) for row, column in pair] for pair in (points, places)
    )
    if e1 == e2:
        raise ValueError('Two points that coincide fix no similarity.')
    a = (t2 - t1) / (e2 - e1)
    b = t1 - a * e1
    # On (row, column) instead of (column, row).
    return np.array([[a.real, a.imag, b.imag], [-a.imag, a.real, b.real]])


def align(
    picture: np.ndarray, eyes: Sequence[Point], size: tuple[int, int], **places: float
) -> np.ndarray:
    """Brings a face's eyes to their places; what lies outside the picture repeats its edge.

    Args:
      picture: uint8 [height, width, channels].
      eyes: (row, column) of the left and of the right one in the picture.
      size: (height, width) of the portrait.
      **places: `row` and `distance` of `eye_places`.

    Returns:
      uint8 [*size, channels].
    """
    import cv2

    targets = eye_places(size, **places)
    scale = math.dist(*targets) / math.dist(*eyes)
    if scale < 1:  # Bilinear sampling of a finer picture would alias.
        height, width, _ = picture.shape
        small = (max(1, round(height * scale)), max(1, round(width * scale)))
        picture = decode.resize(picture, small, fit='stretch')
        eyes = [(row * small[0] / height, column * small[1] / width) for row, column in eyes]
    matrix = similarity(eyes, targets)
    # OpenCV: (x, y), and pixel 0 has its middle at 0.
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
