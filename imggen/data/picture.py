"""Picture files, and what a result must keep of its picture: size, colors, alpha."""

import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from imggen import color as color_lib
from imggen import images
from imggen.data import decode
from imggen.errors import UserError


class Picture(NamedTuple):
    """A decoded file.

    Attributes:
      path: the file.
      rgb: uint8 [height, width, 3]; transparent parts show the mean color of the others.
      alpha: uint8 [height, width]; None for an opaque picture.
    """

    path: pathlib.Path
    rgb: np.ndarray
    alpha: np.ndarray | None


def read(path: pathlib.Path, where: str) -> Picture:
    """Reads a picture with its alpha, rotated as EXIF says.

    Transparent parts get the mean color of the others, so that a style loss sees no edge there.

    Raises:
      UserError: the file cannot be read. The message names `where`, the option of the file.
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
    """Gives a result the size, the alpha and, if `colors` says so, the colors of its content.

    Args:
      result: float [height, width, 1 or 3] in [-1, 1].
      picture: the content's file.
      box: (height, width) of the content, which is in the center of `result`.
      colors: 'content' and 'luminance' take the chroma of the content; other values keep that
        of the result.

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
