"""Decodes picture files to uint8 arrays, and resizes them.

Decoded pictures are uint8 [height, width, channels] with 1 channel (gray), 3 (sRGB), or 4: sRGB and
opacity, not multiplied. The color of a place that is fully transparent is black.

`SUFFIXES` is the only list of picture formats in the project, and `opened` the only place that
opens a picture. Pillow knows more formats, and some of their readers start other programs.
"""

import contextlib
import pathlib
import stat
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from imggen.data import bit_depth, color_profile, exif
from imggen.errors import UserError

# Pillow's format by the suffix of a name. A file whose content has another of these formats than
# its suffix says is read by its content.
SUFFIXES = {
    '.png': 'PNG',
    '.jpg': 'JPEG',
    '.jpeg': 'JPEG',
    '.jfif': 'JPEG',
    '.webp': 'WEBP',
    '.avif': 'AVIF',
    '.gif': 'GIF',
    '.bmp': 'BMP',
    '.tif': 'TIFF',
    '.tiff': 'TIFF',
    '.ppm': 'PPM',
    '.pgm': 'PPM',
}
FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
FITS = ('crop', 'pad', 'stretch')
WHITE = (255, 255, 255)

# Pillow filters over the whole source area when it shrinks a picture (anti-aliasing).
FILTER = Image.Resampling.BICUBIC


class DecodeError(UserError):
    """A picture that cannot be read. The message names the file and the reason."""


class Decoded(NamedTuple):
    """What a file holds: upright, in sRGB, with its transparency apart.

    Attributes:
      pixels: uint8 or uint16 [height, width, channels], 1 channel for gray files, 3 for others.
      alpha: [height, width] of the same type; None for an opaque picture.
      exif: the EXIF data without orientation and thumbnail; b'' without any.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    exif: bytes


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


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[Image.Image]:
    """Opens a picture file with Pillow. The pixels are read later, by `load`.

    Raises:
      DecodeError: the file is no regular file, has none of FORMATS or too many pixels, or the
        body raises an error, as Pillow does for damaged files.
    """
    try:
        if not stat.S_ISREG(pathlib.Path(path).stat().st_mode):  # A pipe would wait for ever.
            raise DecodeError(f'{path} cannot be read (it is no regular file)')
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise DecodeError(_too_large(path))
            yield image
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError(_too_large(path)) from error
    except Image.UnidentifiedImageError as error:
        known = ', '.join(FORMATS)
        reason = f'its content is none of {known}, or a rare kind of one'
        raise DecodeError(f'{path} cannot be read ({reason})') from error
    except Exception as error:  # Pillow's readers raise nearly anything for damaged files.
        reason = getattr(error, 'strerror', None) or error or type(error).__name__
        raise DecodeError(f'{path} cannot be read ({reason})') from error


def read(path: pathlib.Path, *, deep: bool = False) -> Decoded:
    """Reads a picture: its first frame, rotated as EXIF says, in sRGB.

    Colors are converted from the profile in the file to sRGB; a file without one is in sRGB.
    Palettes, CMYK and other modes become RGB. `bit_depth` says how more than 8 bits are read.

    Args:
      path: the file.
      deep: whether a file of more than 8 bits gives uint16. A file with a profile other than
        sRGB does not: profiles are applied to 8 bits.

    Raises:
      DecodeError: the file cannot be read.
    """
    with opened(path) as image:
        image.load()
        profile, tags = color_profile.read(image), exif.read(image)
        levels = bit_depth.levels(path, image)
        if levels is not None and (profile or not deep):
            levels = bit_depth.to_8_bits(levels)
        if levels is None or profile:
            image = _plain(image) if levels is None else _from_array(levels)
            image = color_profile.to_srgb(image, profile) if profile else image
            image = image.convert('RGB') if image.mode == 'CMYK' else image
            levels = np.asarray(image)
            levels = levels[..., None] if levels.ndim == 2 else levels
        # TIFF is upright already: Pillow turns it and drops the tag.
        levels = exif.upright(levels, tags)
        if levels.shape[-1] < 4:
            return Decoded(levels, None, exif.kept(tags))
        pixels, alpha = levels[..., :3], levels[..., 3]
        opaque = alpha.min() == np.iinfo(alpha.dtype).max
        return Decoded(pixels, None if opaque else alpha, exif.kept(tags))


def decode(path: pathlib.Path, *, matte: tuple[int, int, int] = WHITE) -> np.ndarray:
    """Reads a picture as `read` does, and composites it over the matte.

    The matte is the color behind transparent parts, RGB in [0, 255].

    Returns:
      uint8 [height, width, 1] for gray files, [height, width, 3] for others.

    Raises:
      DecodeError: the file cannot be read.
    """
    pixels, alpha, _ = read(path)
    return np.ascontiguousarray(pixels if alpha is None else over(pixels, alpha, matte))


def decode_alpha(path: pathlib.Path) -> np.ndarray:
    """Reads a picture as `read` does, with its opacity: uint8 [height, width, 4].

    Raises:
      DecodeError: the file cannot be read.
    """
    pixels, alpha, _ = read(path)
    if alpha is None:
        alpha = np.full(pixels.shape[:2], 255, np.uint8)
    # What a file holds where it is transparent is an accident of the program that wrote it.
    color = np.where(alpha[..., None] > 0, to_channels(pixels, 3), 0)
    return np.concatenate([color, alpha[..., None]], axis=-1, dtype=np.uint8)


def over(pixels: np.ndarray, alpha: np.ndarray, matte: tuple[int, int, int]) -> np.ndarray:
    """Composites a picture [height, width, 3] over a matte, RGB in [0, 255]; both 8 or 16 bits."""
    if pixels.dtype == np.uint16:
        share, color = alpha[..., None] / 65535.0, 257.0 * np.asarray(matte)
        return np.rint(pixels * share + color * (1.0 - share)).astype(np.uint16)
    picture = Image.fromarray(np.dstack([pixels, alpha]))
    sheet = Image.new('RGBA', picture.size, (*matte, 255))
    return np.asarray(Image.alpha_composite(sheet, picture).convert('RGB'))


def is_gray(picture: np.ndarray) -> bool:
    """Returns whether all channels of a picture are equal."""
    return bool(np.all(picture[..., 1:] == picture[..., :1]))


def to_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """Returns the picture with 1 channel (the luma of ITU-R 601) or 3; uint8 or uint16."""
    if picture.shape[-1] == channels:
        return picture
    if channels == 3:
        return np.repeat(picture, 3, axis=-1)
    if picture.dtype == np.uint16:
        return np.rint(picture @ np.array([0.299, 0.587, 0.114])).astype(np.uint16)[..., None]
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
      picture: uint8 [height, width, channels]; or uint16 [height, width, 1], if it is stretched.
      size: the new (height, width).
      fit: 'crop' fills the size and cuts off the excess, evenly on both sides; 'pad' fits the
        whole picture in and surrounds it with the matte; 'stretch' changes the proportions.
      matte: the color of the surroundings, RGB in [0, 255]; those of four channels are transparent.

    Returns:
      The same type [*size, channels].
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
    color = np.zeros(4, np.uint8)  # Transparent.
    if channels < 4:
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


def _plain(image: Image.Image) -> Image.Image:
    """Brings an 8-bit picture to the mode L, RGB, RGBA or CMYK."""
    if image.mode in ('LA', 'La', 'PA', 'RGBA', 'RGBa') or 'transparency' in image.info:
        return image.convert('RGBA')
    if image.mode in ('L', 'CMYK'):
        return image
    return image.convert('L' if image.mode == '1' else 'RGB')


def _from_array(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def _too_large(path: pathlib.Path) -> str:
    limit = Image.MAX_IMAGE_PIXELS // 10**6
    return f'{path} cannot be read (more than {limit} million pixels)'
