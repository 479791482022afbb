"""Bicubic resizing as MATLAB's imresize does it, on which published super-resolution rests."""

import numpy as np


def imresize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a picture with the cubic kernel of Keys (1981), a = -1/2.

    Where the picture shrinks, the kernel is stretched by the scale (anti-aliasing). Pixels beyond
    the border mirror those inside; Pillow and `jax.image.resize` leave them out, and so differ
    near the border.

    Args:
      picture: [height, width, channels], of any dtype and range.
      size: the new (height, width).

    Returns:
      float64 [*size, channels]. Edges overshoot, so values may leave the range.
    """
    rows, columns = (_weights(old, new) for old, new in zip(picture.shape, size, strict=False))
    return np.einsum('yh,hwc,xw->yxc', rows, picture, columns, optimize=True)


def _weights(old: int, new: int) -> np.ndarray:
    """Returns the weight of each old pixel in each new one, float64 [new, old]; rows sum to 1."""
    scale = new / old
    stretch = min(scale, 1.0)
    centers = (np.arange(new) + 0.5) / scale - 0.5
    reach = 2 / stretch
    taps = np.floor(centers - reach)[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    values = _cubic((centers[:, None] - taps) * stretch)
    values /= values.sum(1, keepdims=True)
    mirrored = np.concatenate([np.arange(old), np.arange(old)[::-1]])
    weights = np.zeros((new, old))
    np.add.at(weights, (np.arange(new)[:, None], mirrored[taps.astype(int) % (2 * old)]), values)
    return weights


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
