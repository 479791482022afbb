"""EXIF data: how a picture is turned, and what a picture made from it keeps."""

from typing import Any

import numpy as np
from PIL import ExifTags, Image

_Tag = ExifTags.Base
# What a photograph tells about itself. Orientation, thumbnails and the layout of the file are
# left out, since they are true of the original file only.
_KEPT_TAGS = (
    _Tag.ImageDescription,
    _Tag.Make,
    _Tag.Model,
    _Tag.XResolution,
    _Tag.YResolution,
    _Tag.ResolutionUnit,
    _Tag.Software,
    _Tag.DateTime,
    _Tag.Artist,
    _Tag.Copyright,
    _Tag.ExifOffset,
    _Tag.GPSInfo,
)


def upright(levels: np.ndarray, exif: Image.Exif) -> np.ndarray:
    """Undoes the orientation of EXIF 2.32, 4.6.4: 5 to 8 are transposed, some are mirrored."""
    orientation = exif.get(_Tag.Orientation, 1)
    if orientation in (5, 6, 7, 8):
        levels = levels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        levels = levels[::-1]
    if orientation in (2, 3, 6, 7):
        levels = levels[:, ::-1]
    return levels


def read(image: Image.Image) -> Image.Exif:
    """Returns the EXIF data of a loaded picture, empty if they are damaged."""
    try:
        return image.getexif()
    except Exception:  # A picture is whole without them.
        return Image.Exif()


def fields(exif: Image.Exif) -> dict[int, Any]:
    """Returns what EXIF data say about the file and the photograph, by the number of the tag."""
    try:
        return {**exif, **exif.get_ifd(_Tag.ExifOffset)}
    except Exception:  # As above.
        return {}


def kept(exif: Image.Exif) -> bytes:
    """Returns the EXIF data that also holds for another picture of the same scene."""
    kept = Image.Exif()
    try:
        for tag in _KEPT_TAGS:
            if tag in exif:
                is_folder = tag in (_Tag.ExifOffset, _Tag.GPSInfo)
                kept[tag] = dict(exif.get_ifd(tag)) if is_folder else exif[tag]
        return kept.tobytes() if len(kept) else b''
    except Exception:  # As above.
        return b''
