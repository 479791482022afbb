"""Boxes in pictures: turns the box of a face into the box of a portrait, and cuts it out.

Coordinates are continuous: pixel i covers [i, i + 1), and (0, 0) is the corner of the picture. The
box of a portrait has the proportions of the portrait, so that nothing is ever stretched.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from imggen.data import decode


class Box(NamedTuple):
    """A rectangle, floats in pixels."""

    top: float
    left: float
    height: float
    width: float

    @property
    def center(self) -> tuple[float, float]:
        """The (row, column) of its center."""
        return self.top + self.height / 2, self.left + self.width / 2

    @property
    def area(self) -> float:
        """The area in square pixels."""
        return self.height * self.width

    def scaled(self, factor: float) -> 'Box':
        """Returns the same box in a picture that is `factor` times as large."""
        return Box(*(factor * value for value in self))


def overlap(first: Box, second: Box) -> float:
    """Returns the intersection of two boxes divided by their union, in [0, 1]."""
    height = min(first.top + first.height, second.top + second.height) - max(first.top, second.top)
    width = min(first.left + first.width, second.left + second.width) - max(first.left, second.left)
    shared = max(height, 0.0) * max(width, 0.0)
    return shared / max(first.area + second.area - shared, 1e-9)


def portrait(
    face: Box, picture: tuple[int, int], size: tuple[int, int], *, margin_percent: float = 30.0
) -> Box:
    """Returns the box of a portrait around a face.

    The face's box gets the margin on every side and then grows to the proportions of `size`. If
    the result is larger than the picture, the margin shrinks evenly, down to none, and the box
    moves inside. A part remains outside only if the face is cut off by the edge of the picture,
    or too close to it for the proportions.

    Args:
      face: the box of the face.
      picture: (height, width) of the picture.
      size: (height, width) of the portrait.
      margin_percent: margin in percent of the face's height, above and below, and of its width,
        left and right.
    """
    wanted = _proportioned(face, 1.0 + 2.0 * margin_percent / 100.0, size)
    least = _proportioned(face, 1.0, size)
    fitting = min(1.0, picture[0] / wanted[0], picture[1] / wanted[1])
    height, width = max((wanted[0] * fitting, wanted[1] * fitting), least)
    middle = face.center
    return Box(
        _inside(middle[0] - height / 2, height, picture[0]),
        _inside(middle[1] - width / 2, width, picture[1]),
        height,
        width,
    )


def cut(picture: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Cuts a box out and resizes it, anti-aliased; outside the picture its edge is repeated.

    The box has the proportions of `size`, (height, width) in pixels. Both pictures are uint8
    [height, width, channels].
    """
    height, width, channels = picture.shape
    before = [max(0, int(np.ceil(-edge))) for edge in (box.top, box.left)]
    after = [
        max(0, int(np.ceil(edge)))
        for edge in (box.top + box.height - height, box.left + box.width - width)
    ]
    padded = np.pad(picture, (*zip(before, after, strict=True), (0, 0)), mode='edge')
    top, left = box.top + before[0], box.left + before[1]
    edges = (left, top, left + box.width, top + box.height)
    # Rounding may leave the box slightly outside.
    limits = (padded.shape[1], padded.shape[0]) * 2
    edges = tuple(min(max(edge, 0.0), limit) for edge, limit in zip(edges, limits, strict=True))
    image = Image.fromarray(padded[..., 0] if channels == 1 else padded)
    resized = image.resize((size[1], size[0]), decode.FILTER, box=edges)
    return np.asarray(resized).reshape(*size, channels)


def fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a whole picture to fit inside a size, anti-aliased, and repeats its edge around it.

    Both pictures are uint8 [height, width, channels]. `size` is (height, width) in pixels.
    """
    scale = max(length / side for length, side in zip(picture.shape, size, strict=False))
    inner = tuple(max(1, round(length / scale)) for length in picture.shape[:2])
    # Shrunk before it is padded, because a panorama padded at full size may not fit in memory.
    small = decode.resize(picture, inner, fit='stretch')
    rest = [side - length for side, length in zip(size, inner, strict=True)]
    return np.pad(small, (*((r // 2, r - r // 2) for r in rest), (0, 0)), mode='edge')


def outside(box: Box, picture: tuple[int, int]) -> float:
    """Returns the fraction of a box that is outside a picture (height, width), in [0, 1]."""
    whole = Box(0.0, 0.0, float(picture[0]), float(picture[1]))
    height = min(box.top + box.height, whole.height) - max(box.top, 0.0)
    width = min(box.left + box.width, whole.width) - max(box.left, 0.0)
    return 1.0 - max(height, 0.0) * max(width, 0.0) / box.area


def _proportioned(face: Box, growth: float, size: tuple[int, int]) -> tuple[float, float]:
    """Returns the smallest (height, width), with the size's proportions, around a grown box."""
    scale = max(face.height * growth / size[0], face.width * growth / size[1])
    return scale * size[0], scale * size[1]


def _inside(start: float, length: float, limit: float) -> float:
    """Moves an interval inside [0, limit], or centers it if it is too long."""
    if length > limit:
        return (limit - length) / 2
    return min(max(start, 0.0), limit - length)
