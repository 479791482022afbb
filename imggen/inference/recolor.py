"""Colors that were predicted at a small size, joined with a picture's lightness at full size.

The eye resolves color less finely than lightness. And a network that has learned from small
pictures colors only pictures of their size: the smallest map of its U-Net was a single pixel there.
At other sizes its colors turn into a tint with spots.
"""

from collections.abc import Callable

import cv2
import jax
import numpy as np

from imggen import color

# Variance of the lightness in a window, in [-1, 1], above which the window holds an edge.
_EPSILON = 0.01
_RADIUS = 2  # Of a window, in pixels of the small picture.

_lightness = jax.jit(color.lightness_input)
_recombined = jax.jit(color.recombined)


def colored(
    network: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Colors a picture that is stretched to one size, and joins the colors with the full size.

    Args:
      network: float32 [*size, channels] in [-1, 1] -> [*size, 3] in [-1, 1].
      inputs: float32 [height, width, 1 or 3] in [-1, 1].
      size: the height and width that the network has learned.

    Returns:
      float32 [height, width, 3] in [-1, 1], with the lightness of `inputs`.
    """
    small = _resized(inputs, size, cv2.INTER_AREA)
    colors, guide = jax.device_get(_parts(network(small), small))
    lightness = np.asarray(_lightness(inputs))
    return np.asarray(_recombined(lightness, guided(colors, guide, lightness)))


def guided(values: np.ndarray, guide: np.ndarray, full_guide: np.ndarray) -> np.ndarray:
    """Resizes values so that their edges lie on those of a guide (He and Sun 2015).

    In each window, values = a guide + b with the smallest squared error and a small `a`. The means
    of `a` and `b` are resized, and the result is a full_guide + b.

    Args:
      values: float32 [h, w, channels].
      guide: float32 [h, w, 1], about as large as [-1, 1].
      full_guide: float32 [height, width, 1].

    Returns:
      float32 [height, width, channels].
    """
    mean_guide, mean_values = _mean(guide), _mean(values)
    covariance = _mean(guide * values) - mean_guide * mean_values
    slope = covariance / (_mean(guide * guide) - mean_guide**2 + _EPSILON)
    offset = mean_values - slope * mean_guide
    size = full_guide.shape[:2]
    slope, offset = (_resized(_mean(part), size, cv2.INTER_LINEAR) for part in (slope, offset))
    return slope * full_guide + offset


@jax.jit
def _parts(colored, inputs):
    return color.color_target(colored), color.lightness_input(inputs)


def _mean(x: np.ndarray) -> np.ndarray:
    """Returns the mean over the window around each pixel."""
    window = (2 * _RADIUS + 1, 2 * _RADIUS + 1)
    return cv2.blur(x, window, borderType=cv2.BORDER_REFLECT).reshape(x.shape)


def _resized(x: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    return cv2.resize(x, size[::-1], interpolation=interpolation).reshape(*size, x.shape[-1])
