"""sRGB and CIELAB, both ways, for pictures in [-1, 1].

Lab is lightness L in [0, 100] and the opponent colours a (green to red) and b (blue to
yellow), within about [-86, 98] and [-108, 94] for sRGB. White is D65, seen under 2 degrees.
"""

import jax
import jax.numpy as jnp
import numpy as np

# IEC 61966-2-1: linear RGB to XYZ, and XYZ of its white.
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


def from_rgb(images: jax.Array) -> jax.Array:
    """Turns sRGB [..., 3] in [-1, 1] into Lab [..., 3].

    L = 116 f(Y) - 16, a = 500 (f(X) - f(Y)), b = 200 (f(Y) - f(Z)), with X, Y and Z those
    of the white and f the cube root, straight near black.
    """
    linear = _linear((images + 1.0) / 2.0)
    f = _compress(_product(linear, _TO_XYZ / _WHITE[:, None]))
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return jnp.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def to_rgb(lab: jax.Array) -> jax.Array:
    """Turns Lab [..., 3] into sRGB [..., 3] in [-1, 1]; colours out of gamut are clipped."""
    y = (lab[..., 0] + 16.0) / 116.0
    f = jnp.stack([y + lab[..., 1] / 500.0, y, y - lab[..., 2] / 200.0], axis=-1)
    linear = _product(_expand(f), np.linalg.inv(_TO_XYZ) * _WHITE)
    return 2.0 * _companded(jnp.clip(linear, 0.0, 1.0)) - 1.0


def lightness(images: jax.Array) -> jax.Array:
    """Returns L of grey [..., 1] or sRGB [..., 3] images in [-1, 1]: [..., 1] in [0, 100]."""
    if images.shape[-1] == 1:
        # The luminance of a grey is its linear value: all three channels are the same.
        return 116.0 * _compress(_linear((images + 1.0) / 2.0)) - 16.0
    return from_rgb(images)[..., :1]


def lightness_input(images: jax.Array) -> jax.Array:
    """Returns the lightness of grey or sRGB images as networks see it: [..., 1] in [-1, 1]."""
    return lightness(images) / 50.0 - 1.0


def color_target(images: jax.Array) -> jax.Array:
    """Returns a and b of sRGB images [..., 3] as networks make them: [..., 2] in [-1, 1]."""
    return from_rgb(images)[..., 1:] / _COLOR_SCALE


def recombined(lightness_input: jax.Array, colors: jax.Array) -> jax.Array:
    """Returns sRGB [..., 3] of what `lightness_input` and `color_target` return."""
    parts = [50.0 * (lightness_input + 1.0), _COLOR_SCALE * colors]
    return to_rgb(jnp.concatenate(parts, axis=-1))


def _product(x, matrix):
    return jnp.matmul(x, np.float32(matrix.T), precision=jax.lax.Precision.HIGHEST)


# Both branches of a `where` are differentiated: each is given a value that it can take.


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
