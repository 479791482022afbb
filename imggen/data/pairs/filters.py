"""Filters: what a picture is reduced to, for a network to learn the way back.

A filter maps uint8 [height, width, channels], 1 (gray) or 3 (RGB), to uint8 of the
same height and width; how many channels come out is the filter's own. Those that
draw lines or layers do so in each color channel by itself, white on black. The
layers of several levels stand level by level: red, green and blue of the first,
then of the second.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from imggen import options
from imggen.data import decode
from imggen.errors import UserError

Filter = Callable[[np.ndarray], np.ndarray]

_GREY = 128
_WIDEST_BLUR = 100  # Pixels; OpenCV's kernel is six times as wide.


def identity(picture: np.ndarray) -> np.ndarray:
    """Returns the picture itself, for an autoencoder."""
    return picture


def gray(picture: np.ndarray) -> np.ndarray:
    """Returns the luma (ITU-R 601): 1 channel."""
    return decode.to_channels(picture, 1)


def threshold(picture: np.ndarray, *, level: int = 127) -> np.ndarray:
    """Returns one binary layer a channel: 255 where the value is above the level, else 0."""
    _check_range('level', level, 0, 254)
    return np.where(picture > level, np.uint8(255), np.uint8(0))


def contours(picture: np.ndarray, *, levels: Sequence[int] = (50, 100, 150, 200)) -> np.ndarray:
    """Draws where each channel rises above each level: channels x levels layers.

    A contour is every pixel above the level with one of its four neighbors at or
    below it: the border that OpenCV's `findContours` follows, but for the picture's
    own edge, where nothing is drawn.
    """
    import cv2

    if not levels:
        raise UserError('config.data.filter_options.levels is empty: give at least one level.')
    for level in levels:
        _check_range('levels', level, 0, 254)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    height, width, channels = picture.shape
    layers = [threshold(picture, level=level) for level in levels]
    # OpenCV's erosion takes what lies outside for white.
    inner = [cv2.erode(layer, cross).reshape(height, width, channels) for layer in layers]
    return np.concatenate([a - b for a, b in zip(layers, inner, strict=True)], axis=-1)


def canny(
    picture: np.ndarray, *, low: float = 100.0, high: float = 200.0, sigma: float = 0.0
) -> np.ndarray:
    """Draws the edges of each channel: one layer a channel.

    Args:
      picture: uint8 [height, width, channels].
      low, high: thresholds of Canny's hysteresis on the sum of absolute Sobel derivatives.
      sigma: of a Gaussian blur before, in pixels.
    """
    import cv2

    if not 0 <= low <= high or sigma < 0:
        raise UserError(
            f'config.data.filter_options: low={low}, high={high} and sigma={sigma} make no '
            'edges; give 0 <= low <= high and 0 <= sigma.'
        )
    if sigma:
        picture = blur(picture, sigma=sigma)
    layers = [cv2.Canny(np.ascontiguousarray(layer), low, high) for layer in _layers(picture)]
    return np.stack(layers, axis=-1)


def blur(picture: np.ndarray, *, sigma: float = 2.0) -> np.ndarray:
    """Blurs with a Gaussian of `sigma` pixels."""
    import cv2

    if not 0 < sigma <= _WIDEST_BLUR:
        raise UserError(
            f'config.data.filter_options.sigma is {sigma}; set it above 0 and up to {_WIDEST_BLUR}.'
        )
    return cv2.GaussianBlur(picture, (0, 0), sigma).reshape(picture.shape)


def downscale(picture: np.ndarray, *, factor: float = 4.0) -> np.ndarray:
    """Scales down and up again, both bicubic: the size stays, the detail goes."""
    if factor < 1:
        raise UserError(f'config.data.filter_options.factor is {factor}; set it to 1 or more.')
    height, width, _ = picture.shape
    small = (max(1, round(height / factor)), max(1, round(width / factor)))
    reduced = decode.resize(picture, small, fit='stretch')
    return decode.resize(reduced, (height, width), fit='stretch')


def mask(picture: np.ndarray, *, fraction: float = 0.5) -> np.ndarray:
    """Covers the middle, `fraction` of the height and of the width, with mid-gray."""
    if not 0 < fraction <= 1:
        raise UserError(
            f'config.data.filter_options.fraction is {fraction}; set it above 0 and up to 1.'
        )
    height, width, _ = picture.shape
    rows, columns = round(height * fraction), round(width * fraction)
    top, left = (height - rows) // 2, (width - columns) // 2
    masked = picture.copy()
    masked[top : top + rows, left : left + columns] = _GREY
    return masked


FILTERS = {
    'identity': identity,
    'gray': gray,
    'threshold': threshold,
    'contours': contours,
    'canny': canny,
    'blur': blur,
    'downscale': downscale,
    'mask': mask,
}


def make(name: str, settings: Mapping[str, Any], *, where: str = 'config.data') -> Filter:
    """Returns one of FILTERS with its settings.

    Raises:
      UserError: an unknown filter or setting, or a value that makes no sense.
    """
    function = options.choose(FILTERS, name, where=f'{where}.filter')
    options.check_keywords(f'{where}.filter_options', settings, function)
    for key, value in settings.items():
        usual = inspect.signature(function).parameters[key].default
        _check_kind(f'{where}.filter_options.{key}', value, usual)
    chosen = functools.partial(function, **settings)
    chosen(np.zeros((2, 2, 3), np.uint8))  # A wrong value is told now.
    return chosen


def num_channels(chosen: Filter, channels: int) -> int:
    """Returns how many channels a filter makes of a picture with `channels`."""
    return chosen(np.zeros((2, 2, channels), np.uint8)).shape[-1]


def _layers(picture: np.ndarray) -> list[np.ndarray]:
    return [picture[..., channel] for channel in range(picture.shape[-1])]


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
