"""Finding faces: Haar cascades and YuNet, behind one interface.

A detector maps a picture, uint8 [height, width, 1 or 3], to its faces, the largest
first. Both err. Haar's cascade takes chests and walls for faces now and then, and
its cascade for eyes, which serves as a check, errs more often than that for faces.

Pictures are shrunk to `max_side` pixels before they are looked at; boxes and points
are in pixels of the picture as it was given. What is too small after that is not found,
whatever `min_side` says: `smallest` tells from where on.
"""

import math
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from imggen.data import decode
from imggen.data.faces.boxes import Box
from imggen.errors import UserError

_CASCADE_FOLDERS = ('/usr/share/opencv4/haarcascades', '/usr/share/opencv/haarcascades')
# Pixels of the smallest face that is found in the shrunk picture: Haar's are what the cascade
# was trained on, YuNet's where it begins to lose a face that is shrunk step by step.
SMALLEST = {'haar': 24, 'yunet': 10}
# Eyes that a face must show by default. Of 20 detections by Haar the 3 that were no face had
# none and the 17 faces one at least (results/face_detectors.md); YuNet gives every face two.
MIN_EYES = {'haar': 1, 'yunet': 0}


class Face(NamedTuple):
    """A face that was found.

    Attributes:
      box: around it.
      score: Haar: the weight of the last stage, without a bound; YuNet: in [0, 1].
      eyes: (row, column) of the eye at the left and of that at the right of the
        picture, or fewer: those that were found.
    """

    box: Box
    score: float
    eyes: tuple[tuple[float, float], ...]


Detector = Callable[[np.ndarray], list[Face]]


def haar(
    *,
    cascades: str = '',
    scale_step: float = 1.1,
    neighbors: int = 5,
    min_side: int = 48,
    max_side: int = 800,
) -> Detector:
    """Returns the Viola-Jones detector with OpenCV's cascades for frontal faces and eyes.

    Args:
      cascades: folder of the XML files; where OpenCV keeps them by default.
      scale_step: factor between two sizes that are searched for.
      neighbors: detections that must agree on a face.
      min_side: smallest face, in pixels of the picture; see `smallest`.
      max_side: pictures are shrunk to it.
    """
    import cv2

    if not hasattr(cv2, 'CascadeClassifier'):
        raise UserError(
            f'OpenCV {cv2.__version__} has no Haar cascades: install opencv-python>=4.10,<5 or '
            'choose the detector yunet.'
        )
    face_cascade = _cascade('haarcascade_frontalface_default.xml', cascades)
    eye_cascade = _cascade('haarcascade_eye.xml', cascades)

    def detect(picture):
        small, factor = _shrink(decode.to_channels(picture, 1), max_side)
        if min(small.shape[:2]) < SMALLEST['haar']:
            return []
        gray = np.ascontiguousarray(small[..., 0])
        least = max(SMALLEST['haar'], round(min_side * factor))
        boxes, _, weights = face_cascade.detectMultiScale3(
            gray,
            scaleFactor=scale_step,
            minNeighbors=neighbors,
            minSize=(least, least),
            outputRejectLevels=True,
        )
        return _largest_first(
            Face(
                Box(*map(float, (top, left, height, width))).scaled(1 / factor),
                float(weight),
                tuple(
                    ((row + top) / factor, (column + left) / factor)
                    for row, column in _eyes(
                        eye_cascade, gray[top : top + height, left : left + width]
                    )
                ),
            )
            for (left, top, width, height), weight in zip(boxes, weights, strict=True)
        )

    return detect


def yunet(
    *, model: str = '', min_score: float = 0.5, min_side: int = 48, max_side: int = 800
) -> Detector:
    """Returns YuNet (Wu et al., Machine Intelligence Research 2023), a small convolutional network.

    Args:
      model: file of its weights for OpenCV's FaceDetectorYN; by default those that
        the package yuface brings.
      min_score: of a face, in [0, 1].
      min_side: smallest face, in pixels of the picture; see `smallest`.
      max_side: pictures are shrunk to it.
    """
    run = _open_yunet(model, min_score) if model else _yuface(min_score)

    def detect(picture):
        small, factor = _shrink(decode.to_channels(picture, 3), max_side)
        if min(small.shape[:2]) < SMALLEST['yunet']:
            return []
        faces = []
        for (left, top, width, height), points, score in run(
            np.ascontiguousarray(small[..., ::-1])
        ):
            box = Box(top, left, height, width).scaled(1 / factor)
            # Pixels are numbered by their corner, points lie in their middle.
            eyes = sorted((x + 0.5, y + 0.5) for x, y in points[:2])
            if max(box.height, box.width) >= min_side:
                faces.append(Face(box, score, tuple((y / factor, x / factor) for x, y in eyes)))
        return _largest_first(faces)

    return detect


DETECTORS = {'haar': haar, 'yunet': yunet}


def smallest(detector: str, longest: int, max_side: int) -> int:
    """Returns the side of the smallest face that a detector finds in a photograph, in its pixels.

    Args:
      detector: one of DETECTORS.
      longest: side of the photograph, in pixels.
      max_side: that it is shrunk to.
    """
    return math.ceil(SMALLEST[detector] * max(1.0, longest / max_side))


def _yuface(min_score):
    try:
        import yuface
    except ImportError as error:
        raise UserError(
            'YuNet is not installed: pip install imggen[faces], or give the file of its weights '
            'for OpenCV.'
        ) from error

    def run(picture):
        scores, boxes, points = yuface.detect(picture, conf=min_score)
        for score, box, row in zip(scores, boxes, points, strict=True):
            yield box.astype(float), row.reshape(5, 2).astype(float), float(score) / 100.0

    return run


def _open_yunet(model, min_score):
    import cv2

    if not pathlib.Path(model).is_file():
        raise UserError(f'{model} is no file; name the ONNX file of YuNet.')
    try:
        network = cv2.FaceDetectorYN.create(model, '', (320, 320), min_score)
    except cv2.error as error:
        raise UserError(f'{model} is no YuNet that OpenCV can read ({error.err}).') from error

    def run(picture):
        network.setInputSize(picture.shape[1::-1])
        _, rows = network.detect(picture)
        for row in () if rows is None else rows.astype(float):
            yield row[:4], row[4:14].reshape(5, 2), float(row[14])

    return run


def _cascade(name: str, folder: str):
    import cv2

    known = getattr(getattr(cv2, 'data', None), 'haarcascades', '')
    folders = [folder] if folder else [known, *_CASCADE_FOLDERS]
    for candidate in filter(None, folders):
        path = pathlib.Path(candidate, name)
        if path.is_file():
            cascade = cv2.CascadeClassifier(str(path))
            if not cascade.empty():
                return cascade
    raise UserError(
        f'{name} is in none of {", ".join(filter(None, folders))}: install opencv-python>=4.10,<5 '
        'or name the folder of the cascades.'
    )


def _eyes(cascade, face: np.ndarray) -> list[tuple[float, float]]:
    """Returns (row, column) of the surest eye in the left and in the right half of a face's top."""
    side = face.shape[1]
    upper = np.ascontiguousarray(face[: round(0.6 * len(face))])
    boxes, _, weights = cascade.detectMultiScale3(
        upper,
        scaleFactor=1.05,
        minNeighbors=3,
        minSize=(side // 8, side // 8),
        maxSize=(side // 2, side // 2),
        outputRejectLevels=True,
    )
    surest = {}
    for (left, top, width, height), weight in zip(boxes, weights, strict=True):
        row, column = top + height / 2, left + width / 2
        half = column > side / 2
        surest[half] = max(surest.get(half, (-np.inf,)), (float(weight), row, column))
    return [surest[half][1:] for half in (False, True) if half in surest]


def _shrink(picture: np.ndarray, max_side: int) -> tuple[np.ndarray, float]:
    height, width = picture.shape[:2]
    factor = min(1.0, max_side / max(height, width))
    if factor == 1.0:
        return picture, factor
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    return decode.resize(picture, size, fit='stretch'), factor


def _largest_first(faces) -> list[Face]:
    return sorted(faces, key=lambda face: -face.box.area)
