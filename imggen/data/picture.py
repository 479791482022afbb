"""Picture files, and what a result must keep of its picture: size, colors, alpha."""

import pathlib
from typing import NamedTuple

import numpy as np

from imggen import color as color_lib
from imggen import images
from imggen.data import decode
from imggen.errors import UserError


class Picture(NamedTuple):
    """A decoded file.

    Attributes:
      path: the file.
      rgb: uint8, or uint16 if `read` was told so, [height, width, 3]; transparent parts show
        the mean color of the others.
      alpha: [height, width] of the same type; None for an opaque picture.
      exif: the EXIF data that a result keeps, as in `decode.Decoded`.
    """

    path: pathlib.Path
    rgb: np.ndarray
    alpha: np.ndarray | None
    exif: bytes = b''


def read(path: pathlib.Path, where: str, *, deep: bool = False) -> Picture:
    """Reads a picture with its alpha, rotated as EXIF says and in sRGB.

    Transparent parts get the mean color of the others, so that a style loss sees no edge there.

    Args:
      path: the file.
      where: the option of the file, which the error message names.
      deep: whether a file of more than 8 bits gives uint16.

    Raises:
      UserError: the file cannot be read.
    """
    path = pathlib.Path(path).expanduser()
    try:
        pixels, alpha, exif = decode.read(path, deep=deep)
    except decode.DecodeError as error:
        raise UserError(f'{error}; name another file in {where}.') from error
    rgb = decode.to_channels(pixels, 3)
    if alpha is not None:
        matte = _mean_color(rgb, alpha) if alpha.any() else decode.WHITE
        rgb = decode.over(rgb, alpha, matte)
    return Picture(path, np.ascontiguousarray(rgb), alpha, exif)


class Finish(NamedTuple):
    """What a result gets after it was made.

    Attributes:
      colors: 'content' and 'luminance' take the chroma of the content, 'matched' the mean and
        covariance of the colors of `palette`; other values keep the colors of the result.
      detail: how much of the content's brightness that is finer than the result is added.
      palette: uint8 [height, width, 3]; None without 'matched'.
    """

    colors: str = 'style'
    detail: float = 0.0
    palette: np.ndarray | None = None


def restore(
    result: np.ndarray, picture: Picture, box: tuple[int, int], finish: Finish
) -> np.ndarray:
    """Gives a result the size, the alpha and, as `finish` says, colors and detail of its content.

    Args:
      result: float [height, width, 1 or 3] in [-1, 1].
      picture: the content's file.
      box: (height, width) of the content, which is in the center of `result`.
      finish: what the result gets.

    Returns:
      uint8 [height, width, 3 or 4].
    """
    top, left = ((have - want) // 2 for have, want in zip(result.shape, box, strict=False))
    result = result[top : top + box[0], left : left + box[1]]
    if finish.colors == 'matched':
        result = color_lib.match_colors(result, images.from_uint8(finish.palette))
    size = picture.rgb.shape[:2]
    large = decode.resize(images.to_uint8(result), size, fit='stretch')
    content = images.from_uint8(picture.rgb)
    if finish.detail:
        coarse = decode.resize(decode.resize(picture.rgb, box, fit='stretch'), size, fit='stretch')
        fine = color_lib.luminance(content) - color_lib.luminance(images.from_uint8(coarse))
        large = images.to_uint8(images.from_uint8(large) + finish.detail * fine)
    if finish.colors in ('content', 'luminance'):
        large = images.to_uint8(color_lib.with_chroma(images.from_uint8(large), content))
    large = decode.to_channels(large, 3)
    if picture.alpha is None:
        return large
    return np.concatenate([large, picture.alpha[..., None]], axis=-1)


def _mean_color(rgb: np.ndarray, alpha: np.ndarray) -> tuple[int, int, int]:
    """Returns the mean of the opaque parts, RGB in [0, 255]."""
    share = alpha[..., None] / alpha.sum(dtype=np.float64)
    mean = (rgb * share).sum((0, 1)) * (255.0 / np.iinfo(rgb.dtype).max)
    return tuple(int(part) for part in np.rint(mean))
