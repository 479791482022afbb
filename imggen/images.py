"""Images at the border: float32 NHWC in [-1, 1] inside, uint8 in [0, 255] outside."""

import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from imggen.errors import UserError


def from_uint8(images):
    """Scales uint8 [..., height, width, channels] to float32 in [-1, 1]."""
    # Halves and sums of integers are exact, so compiled and plain code agree to the bit;
    # x / 127.5 - 1 is compiled to a product with a rounded reciprocal and passes 1.
    return (2.0 * jnp.asarray(images, jnp.float32) - 255.0) / 255.0


def to_uint8(images) -> np.ndarray:
    """Rounds float [..., height, width, channels] in [-1, 1] to uint8; clips what is outside."""
    scaled = np.asarray(images, np.float32) * 127.5 + 127.5
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def grid(images, *, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Lays images out row by row on a white sheet.

    Args:
      images: uint8 [n, height, width, channels], 1 or 3 channels.
      columns: images a row; the square root of n, rounded up, by default.
      gap: white pixels between two images.

    Returns:
      uint8 [sheet height, sheet width, channels].
    """
    images = np.asarray(images)
    count, height, width, channels = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    sheet = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8
    )
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def cut(sheet, size: tuple[int, int], *, gap: int = 2) -> np.ndarray:
    """Cuts what `grid` laid out into images again, row by row, those of the last row included.

    Args:
      sheet: uint8 [sheet height, sheet width, channels].
      size: (height, width) of an image.
      gap: white pixels between two images.

    Returns:
      uint8 [n, height, width, channels]; places without an image are white.
    """
    (height, width), (full_height, full_width) = size, sheet.shape[:2]
    tops = range(0, full_height - height + 1, height + gap)
    lefts = range(0, full_width - width + 1, width + gap)
    return np.stack(
        [sheet[top : top + height, left : left + width] for top in tops for left in lefts]
    )


def visible(layers):
    """Returns any number of layers [..., k] as something to look at: [..., 1] or [..., 3].

    Layers that come by threes are red, green and blue, the brightest of each color;
    others become one, the brightest. Takes NumPy and JAX arrays alike.
    """
    count = layers.shape[-1]
    if count in (1, 3):
        return layers
    colors = 1 if count % 3 else 3
    return layers.reshape(*layers.shape[:-1], count // colors, colors).max(-2)


def downscale(images: jax.Array, scale: int) -> jax.Array:
    """Divides height and width by `scale`: bicubic (a = -1/2) with antialiasing, rounded to 8 bits.

    Args:
      images: float [n, height, width, channels] in [-1, 1].
      scale: the divisor of height and width.

    Returns:
      float32 [n, height / scale, width / scale, channels] in [-1, 1].

    Raises:
      UserError: height or width is not a multiple of `scale`.
    """
    count, height, width, channels = images.shape
    if height % scale or width % scale:
        raise UserError(
            f'pictures of {height} x {width} do not divide by config.data.scale={scale}; '
            'change config.data.size or config.data.augment.crop.'
        )
    shape = (count, height // scale, width // scale, channels)
    small = jax.image.resize(images, shape, 'bicubic', antialias=True)
    return from_uint8(jnp.clip(jnp.round(small * 127.5 + 127.5), 0.0, 255.0))


def write_png(path: str | pathlib.Path, image) -> None:
    """Writes uint8 [height, width, channels] as PNG; a reader never sees half a file."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.asarray(image)
    partial = path.with_name(f'.{path.name}.partial')
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(partial, format='PNG')
    partial.replace(path)
