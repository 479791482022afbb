"""Writes picture files: 8 or 16 bits a value, in sRGB, with EXIF data."""

import pathlib

import numpy as np
from PIL import Image

from imggen import files
from imggen.data import bit_depth, color_profile, decode
from imggen.errors import UserError

# Pillow's options by suffix. All but JPEG are lossless.
OPTIONS = {
    '.png': {},
    '.webp': {'lossless': True, 'exact': True},  # Colors of transparent pixels, too.
    '.tif': {},
    '.tiff': {},
    '.bmp': {},
    '.jpg': {},
    '.jpeg': {},
    '.jfif': {},
}
WITH_ALPHA = ('.png', '.webp', '.tif', '.tiff')
_WITH_16_BITS = ('.png', '.tif', '.tiff')
_MAX_EXIF_BYTES = 65_000  # JPEG has no room for more.


def write(path: pathlib.Path, pixels: np.ndarray, *, exif: bytes = b'', quality: int = 95) -> None:
    """Writes a picture atomically, in the format of the path's suffix, which is one of OPTIONS.

    PNG and TIFF keep 16 bits; other formats get 8. Color pictures get a profile of sRGB. TIFF of
    16 bits and color gets neither profile nor EXIF data, and BMP never does.

    Args:
      path: the file.
      pixels: uint8 or uint16 [height, width, 1, 3 or 4], in sRGB.
      exif: EXIF data; left out if a JPEG could not hold them.
      quality: of JPEG, from 1 to 100.

    Raises:
      UserError: the format cannot hold the picture.
      OSError: the file cannot be written.
    """
    suffix, is_color = path.suffix.lower(), pixels.shape[-1] > 1
    if suffix not in _WITH_16_BITS:
        pixels = bit_depth.to_8_bits(pixels)
    exif = exif if len(exif) <= _MAX_EXIF_BYTES else b''
    with files.writing(path) as partial:
        if is_color and pixels.dtype == np.uint16:
            partial.write_bytes(_deep_color(suffix, pixels, exif))
            return
        options = {'quality': quality, 'exif': exif, **OPTIONS[suffix]}
        if is_color:
            options['icc_profile'] = color_profile.srgb()
        image = Image.fromarray(pixels if is_color else pixels[..., 0])
        try:
            image.save(partial, format=decode.SUFFIXES[suffix], **options)
        except (ValueError, OSError) as error:
            if getattr(error, 'errno', None) is not None:  # The disk's.
                raise
            raise UserError(f'{path} cannot be written ({error}): name a PNG.') from error


def _deep_color(suffix: str, pixels: np.ndarray, exif: bytes) -> bytes:
    """Encodes uint16 colors, for which Pillow has no mode."""
    import cv2

    pixels = np.ascontiguousarray(pixels[..., [2, 1, 0, *range(3, pixels.shape[-1])]])
    if suffix != '.png':
        return cv2.imencode(suffix, pixels)[1].tobytes()
    parts = {cv2.IMAGE_METADATA_ICCP: color_profile.srgb()}
    if exif:
        parts[cv2.IMAGE_METADATA_EXIF] = exif.removeprefix(b'Exif\0\0')
    contents = [np.frombuffer(content, np.uint8)[None] for content in parts.values()]
    return cv2.imencodeWithMetadata(suffix, pixels, list(parts), contents)[1].tobytes()
