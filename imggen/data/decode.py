"""Decodes picture files of any format to uint8 arrays, and resizes them.

Decoded pictures are uint8 [height, width, channels] with 1 channel (gray) or 3 (RGB).
"""

import pathlib

import numpy as np
from PIL import Image, ImageOps

from imggen.errors import UserError

SUFFIXES = frozenset({'.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff', '.gif'})
FITS = ('crop', 'pad', 'stretch')
WHITE = (255, 255, 255)

# Pillow filters over the whole source area when it shrinks a picture (anti-aliasing).
FILTER = Image.Resampling.BICUBIC


class DecodeError(Exception):
    """A picture that cannot be read. The message names the file and the reason."""


def check_options(
    *,
    size: tuple[int, int] | None,
    fit: str,
    channels: int | None,
    matte: tuple[int, int, int] = WHITE,
    fits: tuple[str, ...] = FITS,
) -> None:
    """Raises UserError for options of a source that `decode` and `resize` do not accept."""
    if size is not None and not (
        len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)
    ):
        raise UserError(f'config.data.size is {size}; set it to (height, width) in pixels.')
    if len(matte) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in matte):
        raise UserError(
            f'config.data.matte is {matte}; set it to (red, green, blue), each 0 to 255.'
        )
    if fit not in fits:
        raise UserError(f'config.data.fit is {fit!r}; choose one of {", ".join(fits)}.')
    if channels not in (None, 1, 3):
        raise UserError(f'config.data.channels is {channels}; set it to 1, 3 or None.')


def decode(path: pathlib.Path, *, matte: tuple[int, int, int] = WHITE) -> np.ndarray:
    """Reads a picture: its first frame, rotated as EXIF says and composited over the matte.

    16-bit pictures are scaled to 8 bits; palettes, CMYK and other modes become RGB. The matte is
    the color behind transparent parts, RGB in [0, 255].

    Returns:
      uint8 [height, width, 1] for gray files, [height, width, 3] for others.

    Raises:
      DecodeError: the file cannot be read.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise DecodeError(_too_large(path))
            return _to_array(ImageOps.exif_transpose(image), matte)
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError(_too_large(path)) from error
    except Exception as error:  # Pillow's readers raise nearly anything for damaged files.
        raise DecodeError(f'{path} cannot be read ({error or type(error).__name__})') from error


def is_gray(picture: np.ndarray) -> bool:
    """Returns whether all channels of a picture are equal."""
    return bool(np.all(picture[..., 1:] == picture[..., :1]))


def to_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """Returns the picture with 1 channel (the luma of ITU-R 601) or 3."""
    if picture.shape[-1] == channels:
        return picture
    if channels == 3:
        return np.repeat(picture, 3, axis=-1)
    return np.asarray(Image.fromarray(picture).convert('L'))[..., None]


def resize(
    picture: np.ndarray,
    size: tuple[int, int],
    *,
    fit: str = 'crop',
    matte: tuple[int, int, int] = WHITE,
) -> np.ndarray:
    """Resizes a picture, anti-aliased.

    Args:
      picture: uint8 [height, width, channels].
      size: the new (height, width).
      fit: 'crop' fills the size and cuts off the excess, evenly on both sides; 'pad' fits the
        whole picture in and surrounds it with the matte; 'stretch' changes the proportions.
      matte: the color of the surroundings, RGB in [0, 255].

    Returns:
      uint8 [*size, channels].
    """
    height, width, channels = picture.shape
    if (height, width) == tuple(size):
        return picture
    box = (0.0, 0.0, float(width), float(height))
    inner = size
    if fit == 'crop':
        scale = min(height / size[0], width / size[1])
        box_height, box_width = size[0] * scale, size[1] * scale
        top, left = (height - box_height) / 2, (width - box_width) / 2
        box = (left, top, left + box_width, top + box_height)
    elif fit == 'pad':
        scale = max(height / size[0], width / size[1])
        inner = (max(1, round(height / scale)), max(1, round(width / scale)))
    image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
    # Rounding may leave the box slightly outside the picture.
    box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], width), min(box[3], height))
    small = np.asarray(image.resize((inner[1], inner[0]), FILTER, box=box)).reshape(
        *inner, channels
    )
    if inner == tuple(size):
        return small
    color = to_channels(np.asarray(matte, np.uint8)[None, None], channels)
    sheet = np.broadcast_to(color, (*size, channels)).copy()
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    sheet[top : top + inner[0], left : left + inner[1]] = small
    return sheet


def tiles(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cuts the center of a picture into tiles without scaling it, and drops the rest at the sides.

    A picture smaller than a tile is enlarged to fill one.

    Returns:
      uint8 [n, *size, channels], row by row.
    """
    height, width, channels = picture.shape
    rows, columns = height // size[0], width // size[1]
    if not rows or not columns:
        return resize(picture, size)[None]
    top, left = (height - rows * size[0]) // 2, (width - columns * size[1]) // 2
    kept = picture[top : top + rows * size[0], left : left + columns * size[1]]
    blocks = kept.reshape(rows, size[0], columns, size[1], channels)
    return blocks.swapaxes(1, 2).reshape(-1, *size, channels)


def _to_array(image: Image.Image, matte: tuple[int, int, int]) -> np.ndarray:
    if image.mode.startswith('I'):  # 'I;16' and similar modes; some readers widen them to 'I'.
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError('32-bit integers have no agreed range')
        return ((values + 128) // 257).astype(np.uint8)[..., None]
    if image.mode == 'F':
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 1):
            raise ValueError('floating-point values lie outside [0, 1]')
        return np.rint(values * 255).astype(np.uint8)[..., None]
    if image.mode in ('LA', 'La', 'PA', 'RGBA', 'RGBa') or 'transparency' in image.info:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, (*matte, 255)), image)
    if image.mode in ('1', 'L'):
        return np.asarray(image.convert('L'))[..., None]
    return np.asarray(image.convert('RGB'))


def _too_large(path: pathlib.Path) -> str:
    limit = Image.MAX_IMAGE_PIXELS // 10**6
    return f'{path} cannot be read (more than {limit} million pixels)'
