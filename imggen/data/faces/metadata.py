"""Facts about a picture file, for the manifest of a data set."""

import pathlib
from typing import Any

import numpy as np
from PIL import ExifTags

from imggen.data import decode, exif

# The place where a picture was taken is private, so it is left out.
_EXIF = {
    ExifTags.Base.DateTimeOriginal: 'taken',
    ExifTags.Base.DateTime: 'changed',
    ExifTags.Base.Make: 'camera_maker',
    ExifTags.Base.Model: 'camera',
    ExifTags.Base.Orientation: 'orientation',
}


def describe(path: pathlib.Path, picture: np.ndarray) -> dict[str, Any]:
    """Returns facts about a file and the picture uint8 [height, width, channels] in it, for JSON.

    Returns:
      `width` and `height` in pixels, upright; `format`, `mode` and `bytes` of the file; `gray`;
      `brightness` (mean luma) and `contrast` (its standard deviation) in [0, 255];
      `saturation`, the mean of max - min over RGB; `sharpness`, the variance of the Laplacian;
      and the times, camera and orientation from EXIF.
    """
    import cv2

    luma = decode.to_channels(picture, 1)[..., 0]
    with decode.opened(path) as image:
        facts = {'format': image.format, 'mode': image.mode, 'bytes': path.stat().st_size}
        fields = exif.fields(exif.read(image))
    return {
        'width': picture.shape[1],
        'height': picture.shape[0],
        **facts,
        'gray': decode.is_gray(picture),
        'brightness': round(float(luma.mean()), 2),
        'contrast': round(float(luma.std()), 2),
        'saturation': round(float(np.ptp(picture, axis=-1).mean()), 2),
        'sharpness': round(float(cv2.Laplacian(luma, cv2.CV_64F).var()), 2),
        **{name: _plain(fields[tag]) for tag, name in _EXIF.items() if tag in fields},
    }


def _plain(value) -> str | int:
    return value if isinstance(value, int) else str(value).strip('\0 ')
