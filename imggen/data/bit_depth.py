"""Files of more than 8 bits a value: scans, medical and scientific pictures, raw conversions.

Integers are scaled by the range that the file names. A file that names none has the smallest of
8, 12 and 16 bits that holds its values. Floats are in [0, 1], or in [0, 255] if one exceeds 1.
"""

import pathlib

import numpy as np
from absl import logging
from PIL import Image

_BITS_PER_SAMPLE, _PHOTOMETRIC, _LARGEST_SAMPLE = 258, 262, 281  # Tags of TIFF.
_WHITE_IS_ZERO = 0


def to_8_bits(levels: np.ndarray) -> np.ndarray:
    """Rounds uint16 to uint8, and leaves uint8 as it is."""
    if levels.dtype == np.uint8:
        return levels
    # Rounded; in 32 bits, since 65,535 + 128 exceeds 16.
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def levels(path: pathlib.Path, image: Image.Image) -> np.ndarray | None:
    """Returns what has more than 8 bits as uint16 [height, width, 1, 3 or 4], and None for others.

    Integers that are known to have 8 bits come as uint8.
    """
    tags = getattr(image, 'tag_v2', {})
    bits = max(np.atleast_1d(tags.get(_BITS_PER_SAMPLE, 0)))
    if image.mode == 'F':
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 255):
            raise ValueError('floating-point values lie outside [0, 1] and [0, 255]')
        white = 1.0 if values.max() <= 1 else 255.0
        return np.rint(values * (65535.0 / white)).astype(np.uint16)[..., None]
    if image.mode.startswith('I'):  # 'I;16' and similar modes; some readers widen them to 'I'.
        values = np.asarray(image)[..., None]
        if image.format == 'PPM':  # Pillow has scaled them.
            return values.astype(np.uint16)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError('integers above 65,535 or below 0 have no agreed range')
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and bits <= 16:  # Pillow inverts 8 bits alone.
            values = (1 << int(bits)) - 1 - values
    elif image.mode in ('RGB', 'RGBA', 'LA') and 16 in (bits, _png_depth(path, image)):
        import cv2

        # Pillow keeps 8 bits of a color.
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None or values.dtype != np.uint16 or values.shape[1::-1] != image.size:
            return None
        values = np.atleast_3d(values)
        channels = values.shape[-1]
        values = values[..., [2, 1, 0, *range(3, channels)]] if channels > 2 else values
    else:
        return None
    named = np.max(np.atleast_1d(tags.get(_LARGEST_SAMPLE, 0)))
    return _scaled(path, values, named or {12: 4095}.get(bits, 0))


def _scaled(path: pathlib.Path, values: np.ndarray, named: int) -> np.ndarray:
    """Scales integers to [0, 65535], by the `named` range, or the smallest that holds them."""
    top = int(values.max())
    white = named if top <= named <= 65535 else next(w for w in (255, 4095, 65535) if top <= w)
    if white == 65535:
        return values.astype(np.uint16)
    if not named:
        logging.log_first_n(
            logging.WARNING,
            '%s has more than 8 bits and no value above %d, and is read as %d-bit. Other files may '
            'be, too.',
            1,
            path,
            white,
            white.bit_length(),
        )
    if white == 255:
        return values.astype(np.uint8)
    return np.rint(values * (65535.0 / white)).astype(np.uint16)


def _png_depth(path: pathlib.Path, image: Image.Image) -> int:
    if image.format != 'PNG':
        return 0
    with open(path, 'rb') as file:
        return file.read(25)[24]  # The first chunk, IHDR, is at a fixed place.
