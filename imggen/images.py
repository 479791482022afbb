"""Images as arrays: float32 NHWC in [-1, 1] inside the package, uint8 outside."""

import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from imggen import files
from imggen.errors import UserError

_GAP = 2  # White pixels between two images of a sheet.
_SQUARE = 8  # Pixels. Side of the squares behind transparent images.
_VISIBLE = 32  # Pixels. Smaller images are enlarged on a sheet by a whole factor.


def from_uint8(levels: jax.Array | np.ndarray) -> jax.Array:
    """Scales 8-bit levels, of any dtype and shape, to float32 in [-1, 1].

    0 becomes -1 and 255 becomes 1, both exactly.
    """
    # Sums of integers are exact, so compiled and plain code agree to the bit. XLA compiles
    # x / 127.5 - 1 to a product with a rounded reciprocal, which exceeds 1.
    return (2.0 * jnp.asarray(levels, jnp.float32) - 255.0) / 255.0


def to_uint8(images: jax.Array | np.ndarray) -> np.ndarray:
    """Rounds floats of any shape to uint8, on the host; values outside [-1, 1] are clipped."""
    scaled = np.asarray(images, np.float32) * 127.5 + 127.5
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def from_uint16(levels: np.ndarray) -> np.ndarray:
    """Scales 16-bit levels, of any shape, to float32 in [-1, 1], on the host."""
    return ((2.0 * levels - 65535.0) / 65535.0).astype(np.float32)


def to_uint16(images: jax.Array | np.ndarray) -> np.ndarray:
    """Rounds floats of any shape to uint16, on the host; values outside [-1, 1] are clipped."""
    scaled = np.asarray(images, np.float32) * 32767.5 + 32767.5
    return np.clip(np.rint(scaled), 0, 65535).astype(np.uint16)


def grid(images: np.ndarray, *, columns: int | None = None) -> np.ndarray:
    """Lays images out row by row on a white sheet. Images below 32 pixels a side are enlarged.

    Args:
      images: uint8 [n, height, width, channels]. A fourth channel is opacity; such images lie on a
        checkerboard.
      columns: number of images in a row; by default the square root of n, rounded up.

    Returns:
      uint8 [sheet height, sheet width, channels], with 3 channels for 4.

    Raises:
      UserError: the images have another rank or dtype.
    """
    images = _checked(images, 4)
    factor = _enlargement(images.shape[1:3])
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    if images.shape[-1] == 4:
        images = over(images, _checkerboard(*images.shape[1:3]))
    count, height, width, channels = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    shape = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels)
    sheet = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + _GAP), (index % columns) * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def over(images: np.ndarray, background: np.ndarray | int) -> np.ndarray:
    """Composites images with a fourth channel, opacity, over a background.

    Args:
      images: uint8 [..., height, width, 4], colors not multiplied by the opacity.
      background: levels from 0 to 255 that broadcast to [..., height, width, 3].

    Returns:
      uint8 [..., height, width, 3].
    """
    color, opacity = images[..., :3].astype(np.float32), images[..., 3:].astype(np.float32) / 255
    return np.rint(background + (color - background) * opacity).astype(np.uint8)


def _checkerboard(height: int, width: int) -> np.ndarray:
    """Returns light gray and white squares, uint8 [height, width, 1]."""
    rows, columns = np.ogrid[:height, :width]
    odd = (rows // _SQUARE + columns // _SQUARE) % 2
    return np.where(odd, 255, 204).astype(np.uint8)[..., None]


def cut(sheet: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cuts a sheet of `grid` into its images again, row by row.

    Args:
      sheet: uint8 [sheet height, sheet width, channels].
      size: (height, width) of an image before it was enlarged.

    Returns:
      uint8 [n, height, width, channels]; places of the last row without an image are white.

    Raises:
      UserError: the sheet has another rank or dtype.
    """
    sheet = _checked(sheet, 3)
    factor = _enlargement(size)
    (height, width), (full_height, full_width) = (factor * side for side in size), sheet.shape[:2]
    tops = range(0, full_height - height + 1, height + _GAP)
    lefts = range(0, full_width - width + 1, width + _GAP)
    return np.stack(
        [
            sheet[top : top + height : factor, left : left + width : factor]
            for top in tops
            for left in lefts
        ]
    )


def _enlargement(size: tuple[int, int]) -> int:
    return max(1, _VISIBLE // max(size))


def visible(layers: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """Turns any number of layers into a gray or color image.

    Args:
      layers: [..., k], a NumPy or JAX array.

    Returns:
      The same kind of array, [..., 3] if k is a multiple of three: the layers are red, green
      and blue in turn, and the brightest of each color is kept. Otherwise [..., 1], the
      brightest layer.
    """
    count = layers.shape[-1]
    if count in (1, 3):
        return layers
    colors = 1 if count % 3 else 3
    return layers.reshape(*layers.shape[:-1], count // colors, colors).max(-2)


def downscale(images: jax.Array, scale: int) -> jax.Array:
    """Divides height and width by `scale`, bicubic (a = -1/2), anti-aliased, rounded to 8 bits.

    Images are float32 [n, height, width, channels] in [-1, 1], before and after.

    Raises:
      UserError: height or width is not a multiple of `scale`.
    """
    count, height, width, channels = images.shape
    if height % scale or width % scale:
        raise UserError(
            f'images of {height} x {width} cannot be divided by config.data.scale={scale}; '
            'change config.data.size or config.data.augment.crop.'
        )
    shape = (count, height // scale, width // scale, channels)
    small = jax.image.resize(images, shape, 'bicubic', antialias=True)
    return from_uint8(jnp.clip(jnp.round(small * 127.5 + 127.5), 0.0, 255.0))


def write_png(path: str | pathlib.Path, image: np.ndarray) -> None:
    """Writes an image, uint8 [height, width, 1, 3 or 4], as PNG, atomically. Makes missing folders.

    Raises:
      UserError: the image has another rank or dtype.
    """
    image = _checked(image, 3)
    with files.writing(path) as partial:
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        picture.save(partial, format='PNG')


def _checked(array: np.ndarray, rank: int) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim != rank or array.dtype != np.uint8:
        raise UserError(
            f'An array of {array.dtype} and shape {array.shape} was given in place of uint8 with '
            f'{rank} axes: images.to_uint8 rounds images in [-1, 1].'
        )
    return array
