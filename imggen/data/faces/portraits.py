"""Makes portraits of one size from a photograph and the faces in it."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from imggen.data.faces import alignment, boxes
from imggen.data.faces.boxes import Box
from imggen.data.faces.detectors import Face

_MOST_OUTSIDE = 0.1  # Of a face's box, in area and in the distance of an eye from the edge.


@dataclasses.dataclass(frozen=True)
class Settings:
    """How portraits are made.

    Attributes:
      size: (height, width) in pixels.
      margin_percent: margin on each side of a face, in percent of its size; see
        `boxes.portrait`.
      which: 'largest' or 'all' faces of a photograph.
      missing: what to do with a photograph without a face. 'skip' leaves it out. 'keep' takes
        all of it and repeats its edges to fill the proportions. 'refuse' raises an error.
      min_eyes: a face is left out if fewer eyes were found in it.
      align: whether to move the eyes to fixed places (`alignment`) instead of adding a margin;
        needs both eyes.
    """

    size: tuple[int, int] = (480, 360)
    margin_percent: float = 30.0
    which: str = 'largest'
    missing: str = 'skip'
    min_eyes: int = 0
    align: bool = False


class Portrait(NamedTuple):
    """One portrait.

    Attributes:
      picture: uint8 [*size, 1 or 3].
      face: the face that it shows; None if it is the whole photograph.
      box: its place in the photograph; None if it was aligned.
      outside: the fraction, in [0, 1], of it that is outside the photograph, where the edge of
        the photograph is repeated.
    """

    picture: np.ndarray
    face: Face | None
    box: Box | None
    outside: float

    def facts(self) -> dict[str, Any]:
        """Returns everything but the picture for JSON, in pixels of the photograph."""
        face = self.face
        return {
            'box': _rounded(face.box) if face else None,
            'score': round(face.score, 4) if face else None,
            'eyes': [[round(row, 1), round(column, 1)] for row, column in face.eyes]
            if face
            else [],
            'portrait': _rounded(self.box) if self.box else None,
            'outside': round(self.outside, 3),
        }


def take(picture: np.ndarray, faces: list[Face], settings: Settings) -> tuple[list[Portrait], str]:
    """Returns the portraits of a photograph and, if there are none, the reason.

    `faces` were found in it, the largest first.
    """
    shape = picture.shape[:2]
    least = max(settings.min_eyes, 2 if settings.align else 0)
    whole = [face for face in faces if not _is_cut_off(face, shape)]
    seen = [face for face in whole if len(face.eyes) >= least]
    if settings.which == 'largest':
        seen = seen[:1]
    if seen:
        make = _aligned if settings.align else _cut
        return [make(picture, face, settings) for face in seen], ''
    if min(shape) <= 1:
        return [], f'is {shape[1]} x {shape[0]} pixels, too small for a portrait'
    if settings.missing == 'keep':
        return [_whole(picture, settings.size)], ''
    if faces and not whole:
        return [], 'shows no face that its edge does not cut off'
    if faces:
        return [], f'shows no face with {least} eye{"s" * (least > 1)}'
    return [], 'shows no face'


def _is_cut_off(face: Face, shape: tuple[int, int]) -> bool:
    """Returns whether the edge of a picture (height, width) goes through a face.

    YuNet finds half faces, too, and then guesses where the other eye is.
    """
    margin = _MOST_OUTSIDE * face.box.width
    at_edge = any(
        not margin <= place <= side - margin
        for eye in face.eyes
        for place, side in zip(eye, shape, strict=True)
    )
    return at_edge or boxes.outside(face.box, shape) > _MOST_OUTSIDE


def _cut(picture: np.ndarray, face: Face, settings: Settings) -> Portrait:
    shape, size = picture.shape[:2], settings.size
    box = boxes.portrait(face.box, shape, size, margin_percent=settings.margin_percent)
    return Portrait(boxes.cut(picture, box, size), face, box, boxes.outside(box, shape))


def _aligned(picture: np.ndarray, face: Face, settings: Settings) -> Portrait:
    aligned = alignment.align(picture, face.eyes, settings.size)
    outside = _outside_aligned(face.eyes, picture.shape[:2], settings.size)
    return Portrait(aligned, face, None, outside)


def _whole(picture: np.ndarray, size: tuple[int, int]) -> Portrait:
    shape = picture.shape[:2]
    box = boxes.portrait(Box(0.0, 0.0, *map(float, shape)), shape, size, margin_percent=0.0)
    return Portrait(boxes.fit(picture, size), None, box, boxes.outside(box, shape))


def _outside_aligned(eyes, shape: tuple[int, int], size: tuple[int, int]) -> float:
    """Returns the fraction of an aligned portrait's pixel centers that are outside a picture."""
    matrix = alignment.similarity(eyes, alignment.eye_places(size))
    turn, shift = matrix[:, :2], matrix[:, 2:]
    places = np.indices(size).reshape(2, -1) + 0.5
    points = np.linalg.solve(turn, places - shift)
    limits = np.asarray(shape)[:, None]
    return 1.0 - float(np.mean(np.all((points >= 0) & (points <= limits), axis=0)))


def _rounded(box: Box) -> dict[str, float]:
    return {name: round(side, 1) for name, side in box._asdict().items()}
