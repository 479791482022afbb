"""One picture file with all that has to come back: its own size, its colors, its alpha."""

import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from imggen import color as color_lib
from imggen import images
from imggen.data import decode
from imggen.errors import UserError


class Picture(NamedTuple):
    """A file as it is.

    Attributes:
      path: where it lies.
      rgb: uint8 [height, width, 3], over its mean color where it is transparent.
      alpha: uint8 [height, width]; None where it is opaque.
    """

    path: pathlib.Path
    rgb: np.ndarray
    alpha: np.ndarray | None


def read(path: pathlib.Path, where: str) -> Picture:
    """Reads a picture, turned as EXIF says, with its alpha.

    What is transparent gets the mean of what is not: a color that no style loss sees
    as an edge.

    Raises:
      UserError: it cannot be read; names the option `where` it came from.
    """
    path = pathlib.Path(path).expanduser()
    try:
        rgb, alpha = decode.decode(path), _alpha(path)
        if alpha is not None and alpha.any():
            rgb = decode.decode(path, matte=_mean_color(path, alpha))
    except decode.DecodeError as error:
        raise UserError(f'{error}; name another file in {where}.') from error
    return Picture(path, decode.to_channels(rgb, 3), alpha)


def restore(result: np.ndarray, picture: Picture, box: tuple[int, int], colors: str) -> np.ndarray:
    """Brings a result to its content's own size, colors and alpha.

    Args:
      result: float [height, width, 1 or 3] in [-1, 1].
      picture: the content's file.
      box: (height, width) that the content fills in the middle of `result`.
      colors: 'content' and 'luminance' keep the content's chroma; others the result's.

    Returns:
      uint8 [height, width, 3 or 4].
    """
    top, left = ((have - want) // 2 for have, want in zip(result.shape, box, strict=False))
    result = result[top : top + box[0], left : left + box[1]]
    large = decode.resize(images.to_uint8(result), picture.rgb.shape[:2], fit='stretch')
    if colors in ('content', 'luminance'):
        chroma = images.from_uint8(picture.rgb)
        large = images.to_uint8(color_lib.with_chroma(images.from_uint8(large), chroma))
    large = decode.to_channels(large, 3)
    if picture.alpha is None:
        return large
    return np.concatenate([large, picture.alpha[..., None]], axis=-1)


def _alpha(path: pathlib.Path) -> np.ndarray | None:
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        is_transparent = 'A' in image.getbands() or 'transparency' in image.info
        alpha = np.asarray(image.convert('RGBA').getchannel('A')) if is_transparent else None
    return None if alpha is None or alpha.min() == 255 else alpha


def _mean_color(path: pathlib.Path, alpha: np.ndarray) -> tuple[int, int, int]:
    with Image.open(path) as image:
        rgba = np.asarray(ImageOps.exif_transpose(image).convert('RGBA'), np.float64)
    share = alpha[..., None] / alpha.sum()
    return tuple(int(part) for part in np.rint((rgba[..., :3] * share).sum((0, 1))))
