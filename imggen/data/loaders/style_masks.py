"""Masks: pictures whose gray levels number the regions of other pictures."""

import pathlib
from collections.abc import Sequence

import numpy as np

from imggen.data import decode
from imggen.data.picture import read
from imggen.errors import UserError

_MOST_LEVELS = 8  # More levels come from lossy compression.

Size = tuple[int, int]


def load(
    content: pathlib.Path, styles: Sequence[pathlib.Path], size: Size, style_sizes: Sequence[Size]
) -> dict[str, np.ndarray]:
    """Reads masks as shares in [0, 1]: how much each pixel belongs to each of r regions.

    Args:
      content: the mask of the content.
      styles: a mask for each style; it must have every gray level of the content's mask.
      size: (height, width) of the resized mask of the content.
      style_sizes: the same for the mask of each style.

    Returns:
      {'image_mask': float32 [1, *size, r], 'style0_mask': ..., ...}.

    Raises:
      UserError: a mask cannot be read, has too many gray levels or lacks one.
    """
    if len(styles) != len(style_sizes):
        raise UserError(
            f'config.data.style_masks names {len(styles)} masks; name one for each of the '
            f'{len(style_sizes)} styles.'
        )
    levels = np.unique(_read(content, 'config.data.content_mask'))
    if len(levels) > _MOST_LEVELS:
        raise UserError(
            f'{content} has {len(levels)} gray levels; give a mask of at most {_MOST_LEVELS}, '
            'one for each region.'
        )
    masks = {'image_mask': _regions(_read(content, 'config.data.content_mask'), levels, size)}
    for index, (path, style_size) in enumerate(zip(styles, style_sizes, strict=True)):
        values = _read(path, 'config.data.style_masks')
        if missing := sorted(set(levels.tolist()) - set(np.unique(values).tolist())):
            raise UserError(
                f'{path} lacks the gray level {missing[0]} of {content}; paint a region for it.'
            )
        masks[f'style{index}_mask'] = _regions(values, levels, style_size)
    return masks


def _read(path: pathlib.Path, where: str) -> np.ndarray:
    return decode.to_channels(read(path, where).rgb, 1)[..., 0]


def _regions(values: np.ndarray, levels: np.ndarray, size: Size) -> np.ndarray:
    shares = [
        decode.resize(np.uint8(255) * (values == level)[..., None], size, fit='stretch')
        for level in levels
    ]
    return np.concatenate(shares, axis=-1)[None].astype(np.float32) / 255.0
