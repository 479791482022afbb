"""Colors of images: luma and chroma, CIELAB, and palettes transferred between images.

Images are float [..., height, width, 3] in [-1, 1], sRGB.

Brightness is the luma of ITU-R BT.601, Y = 0.299 R + 0.587 G + 0.114 B, and chroma is the rest,
RGB - Y. Replacing Y and keeping RGB - Y is the same as replacing the Y of YCbCr (or YIQ) and
keeping its other two channels, because these are linear in RGB - Y.

Lab consists of the lightness L in [0, 100] and the opponent colors a (green to red) and b (blue
to yellow), which are within about [-86, 98] and [-108, 94] for sRGB. The white point is D65 for
the 2 degree observer.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError

_LUMA = (0.299, 0.587, 0.114)
_FLOOR = 1e-4  # The least variance along a color axis, for values in [-1, 1].
# IEC 61966-2-1: from linear RGB to XYZ, and the XYZ of white.
_TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
_EPSILON = (6 / 29) ** 3
_SLOPE = (29 / 6) ** 2 / 3
_OFFSET = 4 / 29
_COLOR_SCALE = 110.0


def luminance(images: jax.Array) -> jax.Array:
    """Returns the luma of gray or color images [..., 1 or 3] in [-1, 1]: [..., 1].

    Raises:
      UserError: the images have another number of channels.
    """
    _check(images, 1, 3)
    if images.shape[-1] == 1:
        return images
    return jnp.einsum('...c,c->...', images, jnp.asarray(_LUMA))[..., None]


def with_chroma(brightness: jax.Array, colored: jax.Array) -> jax.Array:
    """Combines the brightness of one image with the chroma of another.

    Args:
      brightness: [..., 1 or 3] in [-1, 1].
      colored: [..., 3] in [-1, 1], of the same height and width.

    Returns:
      [..., 3], clipped to [-1, 1].
    """
    _check(colored, 3)
    return jnp.clip(luminance(brightness) + colored - luminance(colored), -1.0, 1.0)


def match_luminance(style: jax.Array, content: jax.Array) -> jax.Array:
    """Shifts and scales the luma of a style to the mean and standard deviation of a content's.

    Y' = (Y - mu_s) sigma_c / sigma_s + mu_c (Gatys et al. 2017, eq. 10).

    Args:
      style, content: [height, width, 1 or 3] in [-1, 1]; their sizes may differ.

    Returns:
      [height, width, 1], clipped to [-1, 1].
    """
    style, content = luminance(style), luminance(content)
    ratio = content.std() / jnp.maximum(style.std(), _FLOOR**0.5)
    return jnp.clip((style - style.mean()) * ratio + content.mean(), -1.0, 1.0)


def match_colors(style: jax.Array, content: jax.Array) -> jax.Array:
    """Recolors a style so that its mean and covariance over RGB are the content's.

    x' = C_c^(1/2) C_s^(-1/2) (x - mu_s) + mu_c, with symmetric roots (Gatys et al. 2017, eq. 7
    and 9). The eigenvalues of C_s have a floor. Without it, a gray style, whose covariance is
    singular, would give infinities, or its noise would turn into color.

    Args:
      style, content: [height, width, 3] in [-1, 1]; their sizes may differ.

    Returns:
      [height, width, 3], clipped to [-1, 1].
    """
    _check(style, 3)
    _check(content, 3)
    style_mean, style_root = _moments(style)
    content_mean, content_root = _moments(content)
    transform = content_root(0.5) @ style_root(-0.5)
    return jnp.clip(
        (style - style_mean[None, None]) @ transform.T + content_mean[None, None], -1, 1
    )


def rgb_to_lab(images: jax.Array) -> jax.Array:
    """Converts sRGB [..., 3] in [-1, 1] to Lab [..., 3].

    L = 116 f(Y) - 16, a = 500 (f(X) - f(Y)), b = 200 (f(Y) - f(Z)), where X, Y and Z are relative
    to white and f is the cube root, with a straight line near black.
    """
    _check(images, 3)
    linear = _linear((images + 1.0) / 2.0)
    f = _compress(_product(linear, _TO_XYZ / _WHITE[:, None]))
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return jnp.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def lab_to_rgb(lab: jax.Array) -> jax.Array:
    """Converts Lab [..., 3] to sRGB [..., 3] in [-1, 1]; colors out of gamut are clipped."""
    _check(lab, 3)
    y = (lab[..., 0] + 16.0) / 116.0
    f = jnp.stack([y + lab[..., 1] / 500.0, y, y - lab[..., 2] / 200.0], axis=-1)
    linear = _product(_expand(f), np.linalg.inv(_TO_XYZ) * _WHITE)
    return 2.0 * _companded(jnp.clip(linear, 0.0, 1.0)) - 1.0


def hsv_to_rgb(hsv: jax.Array) -> jax.Array:
    """Converts hue (periodic, period 1), saturation and value in [0, 1] to sRGB in [-1, 1].

    A channel is v - v s max(0, min(k, 4 - k, 1)) with k = (n + 6 h) mod 6, where n is 5 for red,
    3 for green and 1 for blue; [..., 3] before and after.
    """
    hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = jnp.mod(offset + 6.0 * hue, 6.0)
        ramp = jnp.clip(jnp.minimum(k, 4.0 - k), 0.0, 1.0)
        channels.append(2.0 * value * (1.0 - saturation * ramp) - 1.0)
    return jnp.stack(channels, axis=-1)


def lightness(images: jax.Array) -> jax.Array:
    """Returns L of gray or sRGB images [..., 1 or 3] in [-1, 1]: [..., 1] in [0, 100]."""
    _check(images, 1, 3)
    if images.shape[-1] == 1:
        # All three channels of a gray are equal, so its luminance is its linear value.
        return 116.0 * _compress(_linear((images + 1.0) / 2.0)) - 16.0
    return rgb_to_lab(images)[..., :1]


def lightness_input(images: jax.Array) -> jax.Array:
    """Returns the lightness of gray or sRGB images, scaled for networks: [..., 1] in [-1, 1]."""
    return lightness(images) / 50.0 - 1.0


def color_target(images: jax.Array) -> jax.Array:
    """Returns a and b of sRGB images [..., 3], scaled for networks: [..., 2] in [-1, 1]."""
    return rgb_to_lab(images)[..., 1:] / _COLOR_SCALE


def recombined(lightness_input: jax.Array, colors: jax.Array) -> jax.Array:
    """Returns the sRGB images [..., 3] whose `lightness_input` and `color_target` are given."""
    parts = [50.0 * (lightness_input + 1.0), _COLOR_SCALE * colors]
    return lab_to_rgb(jnp.concatenate(parts, axis=-1))


def _check(images: jax.Array, *channels: int) -> None:
    if images.shape[-1] not in channels:
        allowed = ' or '.join(map(str, channels))
        raise UserError(f'An array of shape {images.shape} must have {allowed} channels, last.')


def _moments(image):
    """Returns the mean color, and a function from an exponent to that power of the covariance."""
    pixels = image.reshape(-1, 3)
    mean = pixels.mean(0)
    centered = pixels - mean[None]
    values, vectors = jnp.linalg.eigh(centered.T @ centered / len(pixels))

    def power(exponent):
        floored = jnp.maximum(values, _FLOOR if exponent < 0 else 0.0)
        return (vectors * floored[None] ** exponent) @ vectors.T

    return mean, power


def _product(x, matrix):
    return jnp.matmul(x, np.float32(matrix.T), precision=jax.lax.Precision.HIGHEST)


# Both branches of a `where` are differentiated, so each is given values in its own domain.


def _linear(unit):
    curved = ((jnp.maximum(unit, 0.04045) + 0.055) / 1.055) ** 2.4
    return jnp.where(unit > 0.04045, curved, unit / 12.92)


def _companded(linear):
    curved = 1.055 * jnp.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return jnp.where(linear > 0.0031308, curved, linear * 12.92)


def _compress(t):
    return jnp.where(t > _EPSILON, jnp.cbrt(jnp.maximum(t, _EPSILON)), _SLOPE * t + _OFFSET)


def _expand(f):
    return jnp.where(f > 6 / 29, f**3, (f - _OFFSET) / _SLOPE)
