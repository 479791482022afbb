"""Filters that reduce an image to something from which a network learns to restore it.

A filter maps uint8 [height, width, channels], with 1 (gray) or 3 (RGB) channels, to uint8 of
the same height and width, whose number of channels depends on the filter. Filters that draw lines
or layers treat each color channel by itself, white on black; HED sees all of them at once. If there
are several levels, the layers come level by level: red, green and blue of the first level, then of
the second.
"""

import functools
import inspect
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from imggen import images, options
from imggen.data import decode, tiling
from imggen.errors import UserError
from imggen.features import hed as hed_network

Filter = Callable[[np.ndarray], np.ndarray]

_MID_GRAY = 128
_WIDEST_BLUR = 100  # In pixels; OpenCV's kernel is six times as wide.
# In pixels. HED needs about 0.8 GiB for a tile, and sees some 110 pixels to each side.
_HED_TILE, _HED_OVERLAP = 1024, 256
_HED_LOCK = threading.Lock()


def identity(image: np.ndarray) -> np.ndarray:
    """Returns the image itself, for an autoencoder."""
    return image


def gray(image: np.ndarray) -> np.ndarray:
    """Returns the luma (ITU-R 601): 1 channel."""
    return decode.to_channels(image, 1)


def threshold(image: np.ndarray, *, level: int = 127) -> np.ndarray:
    """Returns one binary layer for each channel: 255 where a value is above the level, else 0."""
    _check_range('level', level, 0, 254)
    return np.where(image > level, np.uint8(255), np.uint8(0))


def contours(image: np.ndarray, *, levels: Sequence[int] = (50, 100, 150, 200)) -> np.ndarray:
    """Draws where each channel rises above each level, in channels x levels layers.

    A contour consists of the pixels above the level that have one of their four neighbors at or
    below it. It is the border that OpenCV's `findContours` follows, except that nothing is drawn
    at the edge of the image.
    """
    import cv2

    if not levels:
        raise UserError('config.data.filter_options.levels is empty: give at least one level.')
    for level in levels:
        _check_range('levels', level, 0, 254)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    height, width, channels = image.shape
    layers = [threshold(image, level=level) for level in levels]
    # OpenCV's erosion treats what lies outside as white.
    inner = [cv2.erode(layer, cross).reshape(height, width, channels) for layer in layers]
    return np.concatenate([a - b for a, b in zip(layers, inner, strict=True)], axis=-1)


def canny(
    image: np.ndarray, *, low: float = 100.0, high: float = 200.0, sigma: float = 0.0
) -> np.ndarray:
    """Draws the edges of each channel: one layer for each channel.

    Args:
      image: uint8 [height, width, channels].
      low, high: thresholds of Canny's hysteresis on the sum of absolute Sobel derivatives.
      sigma: standard deviation, in pixels, of a Gaussian blur beforehand.
    """
    import cv2

    if not 0 <= low <= high or sigma < 0:
        raise UserError(
            f'config.data.filter_options: low={low}, high={high} and sigma={sigma} cannot make '
            'edges; give 0 <= low <= high and 0 <= sigma.'
        )
    if sigma:
        image = blur(image, sigma=sigma)
    layers = [cv2.Canny(np.ascontiguousarray(layer), low, high) for layer in _layers(image)]
    return np.stack(layers, axis=-1)


def hed(image: np.ndarray) -> np.ndarray:
    """Returns the probability of an edge by the network HED, as 0 to 255: 1 channel.

    The edges stay as soft as they come. A picture whose side is above 1024 pixels is cut into
    overlapping tiles.

    Raises:
      UserError: the weights are not installed.
    """

    def one_tile(index, part):
        del index
        return np.asarray(apply(params, images.from_uint8(part)[None])[0])

    image = decode.to_channels(image, 3)  # Gray and color pictures of a size are compiled once.
    # Many threads decode pictures. One at a time, they compile once and hold one tile in memory.
    with _HED_LOCK:
        params, apply = _hed()
        return np.uint8(np.rint(255 * tiling.in_tiles(one_tile, image, _HED_TILE, _HED_OVERLAP)))


@functools.cache
def _hed() -> tuple[hed_network.Params, Callable]:
    return jax.device_put(hed_network.pretrained()), jax.jit(hed_network.edges)


def blur(image: np.ndarray, *, sigma: float = 2.0) -> np.ndarray:
    """Blurs with a Gaussian whose standard deviation is `sigma` pixels."""
    import cv2

    if not 0 < sigma <= _WIDEST_BLUR:
        raise UserError(
            f'config.data.filter_options.sigma is {sigma}; set it above 0 and up to {_WIDEST_BLUR}.'
        )
    return cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)


def downscale(image: np.ndarray, *, factor: float = 4.0) -> np.ndarray:
    """Scales down and up again, both bicubic: the size stays, but the detail is lost."""
    if factor < 1:
        raise UserError(f'config.data.filter_options.factor is {factor}; set it to 1 or more.')
    height, width, _ = image.shape
    small = (max(1, round(height / factor)), max(1, round(width / factor)))
    reduced = decode.resize(image, small, fit='stretch')
    return decode.resize(reduced, (height, width), fit='stretch')


def mask(image: np.ndarray, *, fraction: float = 0.5) -> np.ndarray:
    """Covers the middle with mid-gray: `fraction` of the height and of the width."""
    if not 0 < fraction <= 1:
        raise UserError(
            f'config.data.filter_options.fraction is {fraction}; set it above 0 and up to 1.'
        )
    height, width, _ = image.shape
    rows, columns = round(height * fraction), round(width * fraction)
    top, left = (height - rows) // 2, (width - columns) // 2
    masked = image.copy()
    masked[top : top + rows, left : left + columns] = _MID_GRAY
    return masked


FILTERS = {
    'identity': identity,
    'gray': gray,
    'threshold': threshold,
    'contours': contours,
    'canny': canny,
    'hed': hed,
    'blur': blur,
    'downscale': downscale,
    'mask': mask,
}


def make(name: str, settings: Mapping[str, Any]) -> Filter:
    """Returns one of FILTERS with its settings, which are its keyword arguments.

    Raises:
      UserError: the filter or a setting is unknown, or a value is out of range.
    """
    function = options.choose(FILTERS, name, where='config.data.filter')
    options.check_keywords('config.data.filter_options', settings, function)
    for key, value in settings.items():
        usual = inspect.signature(function).parameters[key].default
        _check_kind(f'config.data.filter_options.{key}', value, usual)
    chosen = functools.partial(function, **settings)
    chosen(np.zeros((2, 2, 3), np.uint8))  # It raises the errors of wrong values now.
    return chosen


def num_channels(chosen: Filter, channels: int) -> int:
    """Returns how many channels the output of a filter has for an image with `channels`."""
    return chosen(np.zeros((2, 2, channels), np.uint8)).shape[-1]


def _layers(image: np.ndarray) -> list[np.ndarray]:
    return [image[..., channel] for channel in range(image.shape[-1])]


def _check_kind(name: str, value: Any, usual: Any) -> None:
    several = isinstance(usual, Sequence)
    values = value if several and isinstance(value, Sequence) else (value,)
    numbers = not isinstance(value, str) and all(_is_number(number) for number in values)
    if not numbers or several != isinstance(value, Sequence):
        wanted = f'numbers such as {tuple(usual)}' if several else f'a number such as {usual}'
        raise UserError(f'{name} is {value!r}; set it to {wanted}.')


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UserError(
            f'config.data.filter_options.{name} is {value}; set it between {low} and {high}.'
        )
