"""Metrics of an image against a reference image: MAE, PSNR and SSIM.

Images are float32 [n, height, width, channels] in [-1, 1]. `data_range` is the largest minus
the smallest possible value, which is 2 for them. Every function returns one value for each
image, float32 [n], so that a standard error can be printed.

Images of several sizes share one array, and one compiled program, if they are padded at the bottom
and on the right. `sizes`, int [n, 2], then holds their heights and widths, and the values are
those of the images without their padding.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError
from imggen.features.layers import mean_inside

_RADIUS = 5  # 11 taps.
MIN_SIDE = 2 * _RADIUS + 1  # Of images that SSIM can compare.
_SIGMA = 1.5


def _check(images, references) -> None:
    if images.ndim != 4 or images.shape != references.shape:
        raise UserError(
            f'Images {images.shape} and references {references.shape} must have one shape '
            '[n, height, width, channels].'
        )
    for array in (images, references):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise UserError(f'Images must be float, not {array.dtype}: images.from_uint8 scales.')


@jax.jit
def mae(images: jax.Array, references: jax.Array, *, sizes: jax.Array | None = None) -> jax.Array:
    """Returns the mean absolute error of every image, in the unit of the images: [n]."""
    _check(images, references)
    return mean_inside(jnp.abs(images - references), sizes)


@jax.jit
def psnr(
    images: jax.Array,
    references: jax.Array,
    *,
    data_range: float = 2.0,
    sizes: jax.Array | None = None,
) -> jax.Array:
    """Returns 10 log10(range^2 / mean squared error) of every image in decibels: [n].

    It is infinite for an image that equals its reference. Average the decibels over images,
    as published tables do, not the squared errors.
    """
    _check(images, references)
    error = mean_inside(jnp.square(images - references), sizes)
    return 10 * jnp.log10(data_range**2 / error)


def _window() -> np.ndarray:
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    return weights / weights.sum()


def _blur(images, axis):
    """Convolves with the window along one axis, only where it fits; the axis loses 10 pixels."""
    length = images.shape[axis] - 2 * _RADIUS
    return sum(
        float(weight) * jax.lax.slice_in_dim(images, first, first + length, axis=axis)
        for first, weight in enumerate(_window())
    )


@jax.jit
def ssim(
    images: jax.Array,
    references: jax.Array,
    *,
    minimum: float = -1.0,
    data_range: float = 2.0,
    sizes: jax.Array | None = None,
) -> jax.Array:
    """Returns the mean structural similarity of every image, at most 1: [n].

    Wang et al. (2004) with a Gaussian window of 11 taps and sigma 1.5, K = (0.01, 0.03) and
    population covariances, only where the window fits, averaged over channels:

      SSIM = (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2))

    The means m are measured from black. If an image in [-1, 1] were used without this shift, its
    means would lie around 0 and it would score lower than in a published table.

    Args:
      images, references: float32 [n, height, width, channels].
      minimum: the value of black; 0 if values are in [0, data_range].
      data_range: the value of white minus the value of black.
      sizes: height and width of each image, both at least MIN_SIDE.

    Raises:
      UserError: the arrays are smaller than the window.
    """
    _check(images, references)
    if min(images.shape[1:3]) < MIN_SIDE:
        raise UserError(
            f'SSIM needs images of at least {MIN_SIDE} pixels a side, '
            f'not {images.shape[1]} x {images.shape[2]}.'
        )

    products = [images * images, references * references, images * references]
    stack = jnp.stack([images, references, *products])
    mean_x, mean_y, square_x, square_y, product = _blur(_blur(stack, 2), 3)
    variances = square_x - mean_x**2 + square_y - mean_y**2
    covariance = product - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    # Variances do not depend on the value of black, and are more exact for values around 0.
    mean_x, mean_y = mean_x - minimum, mean_y - minimum
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return mean_inside(luminance * structure, None if sizes is None else sizes - 2 * _RADIUS)


def luma(images: jax.Array) -> jax.Array:
    """Returns Y of RGB images in [-1, 1]: float32 [n, height, width, 1] in [16, 235].

    It follows ITU-R BT.601 as MATLAB's rgb2ycbcr does, which published tables of
    super-resolution use. Measure it with minimum=0 and data_range=255.
    """
    weights = jnp.array([65.481, 128.553, 24.966])
    unit = (images + 1) / 2
    return jnp.tensordot(unit, weights, 1, precision=jax.lax.Precision.HIGHEST)[..., None] + 16
