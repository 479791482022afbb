"""Random flips, shifts, rotations, zooms, shears and crops, computed on the device.

Image i draws from `fold_in(key, i)` alone, so it is changed in the same way in a batch of any
size. Flips, crops and whole-pixel shifts copy pixels; the other changes are one affine map per
image with bilinear sampling. An option at its default costs nothing.
"""

import jax
import jax.numpy as jnp

from imggen import keys
from imggen.augmentation import affine
from imggen.errors import UserError

_PAD_MODES = {'edge': 'edge', 'reflect': 'reflect', 'black': 'constant'}


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
    """Changes each image at random.

    Args:
      key: the key of this step.
      images: float [n, height, width, channels] in [-1, 1].
      flip: whether to mirror left and right with probability 1/2.
      shift_pixels: shift by whole pixels, uniform in [-shift_pixels, shift_pixels] vertically
        and horizontally.
      shift: shift by a fraction of height and width, uniform in [-shift, shift].
      rotation_degrees: rotate by an angle uniform in [-rotation_degrees, rotation_degrees].
      zoom: enlarge by a factor log-uniform in [1 / (1 + zoom), 1 + zoom].
      shear: slant by a tangent uniform in [-shear, shear].
      fill: what surrounds an image: 'edge' repeats its border, 'reflect' mirrors the image,
        and 'black' is -1.
      crop: (height, width) of a random crop, which is taken last; None for the whole image.

    Returns:
      Images of the same dtype in [-1, 1], and of the same shape unless they are cropped.

    Raises:
      UserError: a range is negative, `fill` is unknown, or the crop does not fit.
    """
    _check(
        fill,
        shift_pixels=shift_pixels,
        shift=shift,
        rotation_degrees=rotation_degrees,
        zoom=zoom,
        shear=shear,
    )
    count, height, width, _ = images.shape
    if crop is not None:
        crop = _check_crop(crop, height, width)
    draws = jax.vmap(lambda image_key: jax.random.uniform(image_key, (10,)))(
        keys.per_image(key, count)
    ).T  # One row per decision, uniform in [0, 1), whichever options are on.
    if flip:
        images = jnp.where(draws[0][:, None, None, None] < 0.5, images[:, :, ::-1], images)
    if shift_pixels:
        offsets = jnp.floor(draws[1:3] * (2 * shift_pixels + 1)).astype(jnp.int32)
        images = _crop(_pad(images, shift_pixels, fill), offsets, height, width)
    if shift or rotation_degrees or zoom or shear:
        down, across, turn, scale, slant = 2.0 * draws[3:8] - 1.0
        matrices = affine.affine_matrices(
            turn * jnp.deg2rad(rotation_degrees), (1.0 + zoom) ** -scale, slant * shear
        )
        shifts = jnp.stack([down * shift * height, across * shift * width], axis=-1)
        offsets = affine.about_center(matrices, shifts, height, width)
        images = affine.warp(images, matrices, offsets, fill=fill)
    if crop is not None:
        free = jnp.asarray([height - crop[0], width - crop[1]])[:, None]
        offsets = jnp.floor(draws[8:10] * (free + 1)).astype(jnp.int32)
        images = _crop(images, offsets, *crop)
    return images


def _check(fill, **ranges):
    for name, value in ranges.items():
        if value < 0:
            raise UserError(f'config.data.augment.{name} is {value}; set it to 0 or more.')
    if fill not in _PAD_MODES:
        raise UserError(
            f'config.data.augment.fill is {fill!r}; choose one of {", ".join(_PAD_MODES)}.'
        )


def _check_crop(crop, height, width):
    where = f'config.data.augment.crop={crop}'
    if isinstance(crop, int) or len(crop) != 2 or min(crop) < 1:
        raise UserError(f'{where} is not a size: give height,width.')
    if crop[0] > height or crop[1] > width:
        raise UserError(
            f'{where} is larger than the images of {height} x {width}: make it smaller, or '
            'config.data.size larger.'
        )
    return tuple(crop)


def _pad(images, border, fill):
    widths = ((0, 0), (border, border), (border, border), (0, 0))
    if fill == 'black':
        return jnp.pad(images, widths, constant_values=affine.BLACK)
    return jnp.pad(images, widths, mode=_PAD_MODES[fill])


def _crop(images, offsets, height, width):
    channels = images.shape[-1]
    return jax.vmap(
        lambda image, row, column: jax.lax.dynamic_slice(
            image, (row, column, 0), (height, width, channels)
        )
    )(images, offsets[0], offsets[1])
