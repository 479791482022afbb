"""Colours of pictures: brightness and chroma apart, and one picture's palette on another.

Images are float [..., height, width, 3] in [-1, 1].

Brightness is the luma of ITU-R BT.601, Y = 0.299 R + 0.587 G + 0.114 B; the chroma is
what is left, RGB - Y. To exchange Y and keep RGB - Y is to exchange Y of YCbCr (or of
YIQ) and keep the other two: both are linear in RGB - Y.
"""

import jax
import jax.numpy as jnp

_LUMA = (0.299, 0.587, 0.114)
_FLOOR = 1e-4  # Variance of a colour axis, in [-1, 1]^2: below it a picture has no such colour.


def luminance(images: jax.Array) -> jax.Array:
    """Returns Y: [..., height, width, 1]; grey images [..., 1] are their own."""
    if images.shape[-1] == 1:
        return images
    return jnp.einsum('...c,c->...', images, jnp.asarray(_LUMA))[..., None]


def with_chroma(brightness: jax.Array, colored: jax.Array) -> jax.Array:
    """Gives brightness [..., 1 or 3] the chroma of `colored`: [..., 3], clipped to [-1, 1]."""
    return jnp.clip(luminance(brightness) + colored - luminance(colored), -1.0, 1.0)


def match_luminance(style: jax.Array, content: jax.Array) -> jax.Array:
    """Moves and scales the brightness of a style to the content's mean and deviation.

    Y' = (Y - mu_s) sigma_c / sigma_s + mu_c (Gatys et al. 2017, eq. 10).

    Args:
      style, content: [height, width, 1 or 3], sizes may differ.

    Returns:
      [height, width, 1], clipped to [-1, 1].
    """
    style, content = luminance(style), luminance(content)
    ratio = content.std() / jnp.maximum(style.std(), _FLOOR**0.5)
    return jnp.clip((style - style.mean()) * ratio + content.mean(), -1.0, 1.0)


def match_colors(style: jax.Array, content: jax.Array) -> jax.Array:
    """Recolours a style so that its mean and covariance over RGB are the content's.

    x' = C_c^(1/2) C_s^(-1/2) (x - mu_s) + mu_c, with symmetric roots (Gatys et al.
    2017, eq. 7 and 9). Eigenvalues of C_s have a floor, so that a grey style, whose
    covariance is singular, stays finite and does not turn its noise into colour.

    Args:
      style, content: [height, width, 3], sizes may differ.

    Returns:
      [height, width, 3], clipped to [-1, 1].
    """
    style_mean, style_root = _moments(style)
    content_mean, content_root = _moments(content)
    transform = content_root(0.5) @ style_root(-0.5)
    return jnp.clip(
        (style - style_mean[None, None]) @ transform.T + content_mean[None, None], -1, 1
    )


def _moments(image):
    """Returns the mean over RGB and a function from an exponent to the covariance's power."""
    pixels = image.reshape(-1, 3)
    mean = pixels.mean(0)
    centred = pixels - mean[None]
    values, vectors = jnp.linalg.eigh(centred.T @ centred / len(pixels))

    def power(exponent):
        floored = jnp.maximum(values, _FLOOR if exponent < 0 else 0.0)
        return (vectors * floored[None] ** exponent) @ vectors.T

    return mean, power
