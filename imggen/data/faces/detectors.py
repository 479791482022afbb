"""Face detectors: Haar cascades and YuNet, behind one interface.

A detector maps a picture, uint8 [height, width, 1 or 3], to the faces in it, the largest first.
Both detectors err. Haar's cascade sometimes mistakes chests and walls for faces. Its cascade for
eyes, which serves as a check, errs more often than the one for faces.

Pictures are shrunk to `max_side` pixels before they are searched. Boxes and points are in pixels
of the original picture. A face that is too small after shrinking is not found, whatever
`min_side` is; `smallest` returns the limit.
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
# Side, in pixels of the shrunk picture, of the smallest face that is found. Haar's is the size
# that the cascade was trained on. YuNet begins to miss faces that are smaller than its limit.
SMALLEST = {'haar': 24, 'yunet': 10}
# Number of eyes that a face must show by default. Of 20 detections by Haar, the 3 wrong ones had no
# eyes and the 17 faces had one or two (results/face_detectors.md). YuNet always gives two.
MIN_EYES = {'haar': 1, 'yunet': 0}


class Face(NamedTuple):
    """A face that was found.

    Attributes:
      box: the box around it.
      score: for Haar, the unbounded weight of the last stage; for YuNet, in [0, 1].
      eyes: (row, column) of the eyes that were found, at most two, from left to right in the
        picture.
    """

    box: Box
    score: float
    eyes: tuple[tuple[float, float], ...]


Detector = Callable[[np.ndarray], list[Face]]


def haar(*, cascades: str = '', min_side: int = 48, max_side: int = 800) -> Detector:
    """Returns the Viola-Jones detector with OpenCV's cascades for frontal faces and eyes.

    Args:
      cascades: folder of the XML files; by default OpenCV's.
      min_side: side of the smallest face, in pixels of the picture; see `smallest`.
      max_side: longest side, in pixels, to which pictures are shrunk.

    Raises:
      UserError: OpenCV or its cascades are missing.
    """
    import cv2

    if not hasattr(cv2, 'CascadeClassifier'):
        raise UserError(
            f'OpenCV {cv2.__version__} has no Haar cascades: install opencv-python>=4.14,<5 or '
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
            scaleFactor=1.1,
            minNeighbors=5,
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
      model: file of weights for OpenCV's FaceDetectorYN; by default the weights in the package
        yuface.
      min_score: least score of a face, in [0, 1].
      min_side: side of the smallest face, in pixels of the picture; see `smallest`.
      max_side: longest side, in pixels, to which pictures are shrunk.

    Raises:
      UserError: the package is missing, or the model cannot be read.
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
            # YuNet gives the index of a pixel, whose center is half a pixel further.
            eyes = sorted((x + 0.5, y + 0.5) for x, y in points[:2])
            if max(box.height, box.width) >= min_side:
                faces.append(Face(box, score, tuple((y / factor, x / factor) for x, y in eyes)))
        return _largest_first(faces)

    return detect


DETECTORS = {'haar': haar, 'yunet': yunet}


def smallest(detector: str, longest: int, max_side: int) -> int:
    """Returns the side of the smallest face that a detector finds, in pixels of a photograph.

    `longest` is the longest side of the photograph, and `max_side` that of the shrunk picture.
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
        raise UserError(f'{model} is not a file; name the ONNX file of YuNet.')
    try:
        network = cv2.FaceDetectorYN.create(model, '', (320, 320), min_score)
    except cv2.error as error:
        raise UserError(
            f'{model} cannot be read as a YuNet by OpenCV ({error.err}); name another file.'
        ) from error

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
        f'{name} is in none of {", ".join(filter(None, folders))}: install opencv-python>=4.14,<5 '
        'or name the folder of the cascades.'
    )


def _eyes(cascade, face: np.ndarray) -> list[tuple[float, float]]:
    """Returns (row, column) of the surest eye in the left and right half of a face's upper part."""
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
