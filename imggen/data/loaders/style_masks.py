"""Masks: pictures whose gray levels number the regions of other pictures.

A mask with more gray levels than regions can have is soft: there are two regions, and a level is
the share of the white one.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from imggen.data import decode
from imggen.data.picture import read
from imggen.errors import UserError

_MOST_LEVELS = 8  # A mask with more levels is soft.

Size = tuple[int, int]


def load(
    content: pathlib.Path, styles: Sequence[pathlib.Path], size: Size, style_sizes: Sequence[Size]
) -> dict[str, np.ndarray]:
    """Reads masks as shares in [0, 1]: how much each pixel belongs to each of r regions.

    Args:
      content: the mask of the content.
      styles: a mask for each style. A style takes no part in a region that its mask lacks.
      size: (height, width) of the resized mask of the content.
      style_sizes: the same for the mask of each style.

    Returns:
      {'image_mask': float32 [1, *size, r], 'style0_mask': ..., ...}. If any mask is soft, r is 2
      for all: the black region and the white one.

    Raises:
      UserError: a mask cannot be read, or a region of the content is in no style.
    """
    if len(styles) != len(style_sizes):
        raise UserError(
            f'config.data.style_masks names {len(styles)} masks; name one for each of the '
            f'{len(style_sizes)} styles.'
        )
    values = [_read(content, 'config.data.content_mask')]
    values += [_read(path, 'config.data.style_masks') for path in styles]
    names = ['image_mask', *(f'style{index}_mask' for index in range(len(styles)))]
    levels = np.unique(values[0])
    if max(len(np.unique(mask)) for mask in values) > _MOST_LEVELS:
        masks = {
            name: _soft(mask, side)
            for name, mask, side in zip(names, values, (size, *style_sizes), strict=True)
        }
        levels = ('black', 'white')
    else:
        masks = {
            name: _regions(mask, levels, side)
            for name, mask, side in zip(names, values, (size, *style_sizes), strict=True)
        }
    needed = masks['image_mask'].max((0, 1, 2)) > 0
    found = np.any([masks[name].max((0, 1, 2)) > 0 for name in names[1:]], axis=0)
    if (needed & ~found).any():
        level = levels[int(np.argmax(needed & ~found))]
        raise UserError(
            f'no mask in config.data.style_masks has the gray level {level} of {content}; paint '
            'a region for it in one of them.'
        )
    return masks


def _read(path: pathlib.Path, where: str) -> np.ndarray:
    return decode.to_channels(read(path, where).rgb, 1)[..., 0]


def _regions(values: np.ndarray, levels: np.ndarray, size: Size) -> np.ndarray:
    shares = [
        decode.resize(np.uint8(255) * (values == level)[..., None], size, fit='stretch')
        for level in levels
    ]
    return np.concatenate(shares, axis=-1)[None].astype(np.float32) / 255.0


def _soft(values: np.ndarray, size: Size) -> np.ndarray:
    white = decode.resize(values[..., None], size, fit='stretch')
    return np.concatenate([255 - white, white], axis=-1)[None].astype(np.float32) / 255.0
