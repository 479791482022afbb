"""Random flips, shifts, rotations, zooms and shears, on the device, keyed per image.

Image i draws from `fold_in(key, i)` alone, so it is moved the same way in a batch
of any size. Flips and whole-pixel shifts copy pixels; everything else is one
affine map an image with bilinear sampling. An option at its default costs nothing.
"""

import jax
import jax.numpy as jnp

from imggen import keys
from imggen.errors import UserError

_PAD_MODES = {'edge': 'edge', 'reflect': 'reflect', 'black': 'constant'}
_BLACK = -1.0


def augment(
    key: jax.Array,
    images: jax.Array,
    *,
    flip: bool = False,
    shift_pixels: int = 0,
    shift: float = 0.0,
    rotation_degrees: float = 0.0,
    zoom: float = 0.0,
    shear: float = 0.0,
    fill: str = 'edge',
    crop: tuple[int, int] | None = None,
) -> jax.Array:
    """Moves each image at random.

    Args:
      key: of this step.
      images: float [n, height, width, channels] in [-1, 1].
      flip: mirrors left and right with probability 1/2.
      shift_pixels: shifts by whole pixels, uniform in [-shift_pixels, shift_pixels]
        down and across.
      shift: shifts by a fraction of height and width, uniform in [-shift, shift].
      rotation_degrees: turns by an angle uniform in [-rotation_degrees, rotation_degrees].
      zoom: enlarges by a factor log-uniform in [1 / (1 + zoom), 1 + zoom].
      shear: slants by a tangent uniform in [-shear, shear].
      fill: what comes in from outside: 'edge' repeats the border, 'reflect' mirrors
        the image, 'black' is -1.
      crop: (height, width) of a piece that is cut out, everything else done, at a
        place uniform over those where it fits; None for the whole image.

    Returns:
      Images of the same dtype in [-1, 1] and the same shape, but for the crop.
    """
    ranges = {
        'shift_pixels': shift_pixels,
        'shift': shift,
        'rotation_degrees': rotation_degrees,
        'zoom': zoom,
        'shear': shear,
    }
    for name, value in ranges.items():
        if value < 0:
            raise UserError(f'config.data.augment.{name} is {value}; set it to 0 or more.')
    if fill not in _PAD_MODES:
        raise UserError(
            f'config.data.augment.fill is {fill!r}; choose one of {", ".join(_PAD_MODES)}.'
        )
    count, height, width, _ = images.shape
    if crop is not None:
        crop = _check_crop(crop, height, width)
    draws = jax.vmap(lambda image_key: jax.random.uniform(image_key, (10,)))(
        keys.per_image(key, count)
    ).T  # One row a decision, uniform in [0, 1), the same whichever options are on.
    if flip:
        images = jnp.where(draws[0][:, None, None, None] < 0.5, images[:, :, ::-1], images)
    if shift_pixels:
        offsets = jnp.floor(draws[1:3] * (2 * shift_pixels + 1)).astype(jnp.int32)
        images = _crop(_pad(images, shift_pixels, fill), offsets, height, width)
    if shift or rotation_degrees or zoom or shear:
        down, across, turn, scale, slant = 2.0 * draws[3:8] - 1.0
        matrices = affine_matrices(
            turn * jnp.deg2rad(rotation_degrees), (1.0 + zoom) ** -scale, slant * shear
        )
        shifts = jnp.stack([down * shift * height, across * shift * width], axis=-1)
        images = warp(images, matrices, about_centre(matrices, shifts, height, width), fill=fill)
    if crop is not None:
        free = jnp.asarray([height - crop[0], width - crop[1]])[:, None]
        offsets = jnp.floor(draws[8:10] * (free + 1)).astype(jnp.int32)
        images = _crop(images, offsets, *crop)
    return images


def affine_matrices(angles: jax.Array, scales: jax.Array, slants: jax.Array) -> jax.Array:
    """Returns R(angle) S(slant) scale, from output to input coordinates (row, column): [n, 2, 2].

    R = [cos  -sin]    S = [1      0]
        [sin   cos]        [slant  1]
    """
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    rows = [cos - sin * slants, -sin, sin + cos * slants, cos]
    return (scales[None] * jnp.stack(rows)).T.reshape(-1, 2, 2)


def warp(
    images: jax.Array, matrices: jax.Array, offsets: jax.Array, *, fill: str = 'edge'
) -> jax.Array:
    """Resamples images and keeps their range: `resample`, clipped to [-1, 1]."""
    return jnp.clip(resample(images, matrices, offsets, fill=fill), -1.0, 1.0)


def resample(
    images: jax.Array, matrices: jax.Array, offsets: jax.Array, *, fill: str = 'edge'
) -> jax.Array:
    """Resamples images: output[n, p] = input[n, matrices[n] p + offsets[n]], bilinear.

    Linear in the images, so that a gradient passes through everywhere.

    Args:
      images: float [n, height, width, channels].
      matrices: float [n, 2, 2], on pixel positions p = (row, column).
      offsets: float [n, 2] in pixels.
      fill: as for `augment`.

    Returns:
      Images of the same shape.
    """
    _, height, width, _ = images.shape
    rows = jnp.arange(height, dtype=images.dtype)[None, :, None, None]
    columns = jnp.arange(width, dtype=images.dtype)[None, None, :, None]
    # Written out, as a matrix product may run in a lower precision on an accelerator.
    matrices, offsets = matrices[:, None, None], offsets[:, None, None]
    positions = matrices[..., 0] * rows + matrices[..., 1] * columns + offsets
    low = jnp.floor(positions)
    weight = positions - low
    low = low.astype(jnp.int32)

    def tap(row_step, column_step):
        row, row_inside = _border(low[..., 0] + row_step, height, fill)
        column, column_inside = _border(low[..., 1] + column_step, width, fill)
        values = jax.vmap(lambda image, y, x: image[y, x])(images, row, column)
        if fill == 'black':
            values = jnp.where((row_inside & column_inside)[..., None], values, _BLACK)
        return values

    down, across = weight[..., :1], weight[..., 1:]
    top = tap(0, 0) * (1 - across) + tap(0, 1) * across
    bottom = tap(1, 0) * (1 - across) + tap(1, 1) * across
    return top * (1 - down) + bottom * down


def _check_crop(crop, height, width):
    where = f'config.data.augment.crop={crop}'
    if isinstance(crop, int) or len(crop) != 2 or min(crop) < 1:
        raise UserError(f'{where} is no size: give height,width.')
    if crop[0] > height or crop[1] > width:
        raise UserError(
            f'{where} is larger than the pictures of {height} x {width}: make it smaller, or '
            'config.data.size larger.'
        )
    return tuple(crop)


def about_centre(matrices, shifts, height, width):
    """Returns the offset that keeps the centre in place but for the shift: c - M (c + shift)."""
    centre = jnp.asarray([(height - 1) / 2, (width - 1) / 2], matrices.dtype)[None]
    source = centre + shifts
    return centre - (matrices[..., 0] * source[:, :1] + matrices[..., 1] * source[:, 1:])


def _border(index, size, fill):
    """Brings indices into [0, size); also says which were inside already."""
    inside = (index >= 0) & (index < size)
    if fill == 'reflect':
        period = max(2 * (size - 1), 1)
        index = jnp.abs((index + size - 1) % period - (size - 1))
    return jnp.clip(index, 0, size - 1), inside


def _pad(images, border, fill):
    widths = ((0, 0), (border, border), (border, border), (0, 0))
    if fill == 'black':
        return jnp.pad(images, widths, constant_values=_BLACK)
    return jnp.pad(images, widths, mode=_PAD_MODES[fill])


def _crop(images, offsets, height, width):
    channels = images.shape[-1]
    return jax.vmap(
        lambda image, row, column: jax.lax.dynamic_slice(
            image, (row, column, 0), (height, width, channels)
        )
    )(images, offsets[0], offsets[1])
