"""Pictures for style transfer: reads contents and styles, and restores the size of results.

The batch is the same at every step, float32 in [-1, 1]: 'image' [n, height, width, channels], the
contents; 'style0', 'style1', ... [n, height, width, channels], each at its own size;
'style_weight' [n, number of styles]; and, if asked for, 'initial', 'image_mask' and
'style<i>_mask'. Sides are rounded to multiples of 16, which changes the proportions slightly; the
results get the size of their files back.

All handling of colors is here: in the inputs before the method runs, and in `postprocess`
afterwards.
"""

import functools
import pathlib

import numpy as np

from imggen import color as color_lib
from imggen import images
from imggen.data import decode
from imggen.data.dataset import Dataset
from imggen.data.loaders import style_masks as masks
from imggen.data.picture import Picture, read, restore
from imggen.errors import UserError

_SIDE = 16  # Sides are multiples of it, so that no pooling layer cuts off a border.
_SMALLEST = 32
COLORS = ('style', 'content', 'luminance', 'recolored')
FITS = ('keep', 'stretch')


def load(
    *,
    content: str,
    style: str,
    size: int = 512,
    fit: str = 'keep',
    style_scale: float = 1.0,
    style_weights: tuple[float, ...] = (),
    colors: str = 'style',
    initial: str = '',
    content_mask: str = '',
    style_masks: str = '',
) -> Dataset:
    """Reads contents and styles.

    Args:
      content: a picture, several separated by commas, or a folder; they form a batch. Pictures
        with other proportions than the first are surrounded by their mirror image.
      style: a picture, several separated by commas, or a folder; they are blended.
      size: longer side of the images that are optimized, in pixels.
      fit: 'keep' keeps proportions; 'stretch' makes contents and styles size x size.
      style_scale: longer side of the styles divided by `size`; no style is enlarged.
      style_weights: relative weights of several styles; () for equal weights.
      colors: 'style' takes the colors of the style; 'content' combines the brightness of the
        result with the chroma of the content; 'luminance' does the same and optimizes only
        brightness; 'recolored' gives the styles the colors of the first content beforehand.
      initial: a picture to start from, for config.method.initial='file'.
      content_mask: a picture whose gray levels number the regions of every content.
      style_masks: a mask of the same kind for each style, separated by commas.

    Raises:
      UserError: an option has a wrong value, or a picture cannot be read.
    """
    _check(size, fit, style_scale, colors)
    contents = [read(path, 'config.data.content') for path in _paths(content, 'content')]
    styles = [read(path, 'config.data.style') for path in _paths(style, 'style')]
    weights = _weights(style_weights, len(styles))
    shape = _shape(contents[0].rgb, size, fit, enlarge=True)
    boxes = [_inside(picture.rgb, shape, fit) for picture in contents]

    arrays = {'image': _content_arrays(contents, boxes, shape, colors)}
    first = images.from_uint8(_resize(contents[0].rgb, boxes[0]))
    style_size = max(_SMALLEST, round(size * style_scale))
    for index, picture in enumerate(styles):
        own_shape = _shape(picture.rgb, style_size, fit, enlarge=fit == 'stretch')
        resized = images.from_uint8(_resize(picture.rgb, own_shape))
        arrays[f'style{index}'] = np.asarray(_recolored(resized, first, colors))[None]
    arrays['style_weight'] = np.asarray(weights, np.float32)[None]
    if initial:
        start = read(pathlib.Path(initial), 'config.data.initial').rgb
        start = images.from_uint8(_resize(start, shape))
        start = color_lib.luminance(start) if colors == 'luminance' else start
        arrays['initial'] = np.asarray(start)[None]
    if bool(content_mask) != bool(style_masks):
        raise UserError('config.data.content_mask and config.data.style_masks go together.')
    if content_mask:
        paths = _paths(style_masks, 'style_masks')
        sizes = [arrays[f'style{index}'].shape[1:3] for index in range(len(styles))]
        arrays |= masks.load(pathlib.Path(content_mask), paths, shape, sizes)
    count = len(contents)
    arrays = {
        name: np.broadcast_to(array, (count, *array.shape[1:])) for name, array in arrays.items()
    }
    several = f'{count} contents' if count > 1 else contents[0].path.name
    return Dataset(
        lambda rows: {name: array[rows] for name, array in arrays.items()},
        arrays['image'].shape,
        f'{several} at {shape[0]} x {shape[1]}, {len(styles)} style{"s" * (len(styles) > 1)}',
        fixed=True,
        postprocess=functools.partial(_postprocess, contents, boxes, colors),
    )


def _postprocess(
    contents: list[Picture], boxes: list[tuple[int, int]], colors: str, results: np.ndarray
) -> dict[str, np.ndarray]:
    parts = zip(_names(contents), results, contents, boxes, strict=True)
    return {name: restore(result, picture, box, colors) for name, result, picture, box in parts}


def _content_arrays(
    contents: list[Picture], boxes: list[tuple[int, int]], shape: tuple[int, int], colors: str
) -> np.ndarray:
    """Returns the contents, padded to one shape by mirroring: uint8 [n, *shape, 1 or 3]."""
    arrays = [
        _mirrored(_resize(picture.rgb, box), shape)
        for picture, box in zip(contents, boxes, strict=True)
    ]
    if colors == 'luminance':
        return images.to_uint8(color_lib.luminance(images.from_uint8(np.stack(arrays))))
    return np.stack(arrays)


def _check(size, fit, style_scale, colors) -> None:
    if not isinstance(size, int) or size < _SMALLEST:
        raise UserError(f'config.data.size is {size!r}; set it to {_SMALLEST} pixels or more.')
    if fit not in FITS:
        raise UserError(f'config.data.fit is {fit!r}; choose one of {", ".join(FITS)}.')
    if not style_scale > 0:
        raise UserError(f'config.data.style_scale is {style_scale}; set it above 0.')
    if colors not in COLORS:
        raise UserError(f'config.data.colors is {colors!r}; choose one of {", ".join(COLORS)}.')


def _paths(named: str, option: str) -> list[pathlib.Path]:
    """Returns the files that 'a.png', 'a.png,b.png' or 'folder/' names."""
    if not named:
        raise UserError(f'config.data.{option} is empty; name a picture.')
    whole = pathlib.Path(named).expanduser()
    if whole.is_dir():
        found = sorted(path for path in whole.iterdir() if path.suffix.lower() in decode.SUFFIXES)
        if not found:
            raise UserError(f'{whole} holds no pictures; name another in config.data.{option}.')
        return found
    if whole.exists() or ',' not in named:
        return [whole]
    return [pathlib.Path(part.strip()) for part in named.split(',')]


def _weights(given, count: int) -> tuple[float, ...]:
    weights = tuple(given) or (1.0,) * count
    if len(weights) != count or min(weights) < 0 or sum(weights) <= 0:
        raise UserError(
            f'config.data.style_weights is {weights}; give each of the {count} styles a number of '
            'at least 0, and not all 0.'
        )
    return weights


def _shape(rgb: np.ndarray, size: int, fit: str, *, enlarge: bool) -> tuple[int, int]:
    """Returns (height, width) in multiples of 16; `size` limits, or sets, the longer side."""
    if fit == 'stretch':
        return (_multiple(size), _multiple(size))
    height, width = rgb.shape[:2]
    longer = size if enlarge else min(size, max(height, width))
    return tuple(_multiple(side * longer / max(height, width)) for side in (height, width))


def _multiple(side: float) -> int:
    return max(_SMALLEST, round(side / _SIDE) * _SIDE)


def _inside(rgb: np.ndarray, shape: tuple[int, int], fit: str) -> tuple[int, int]:
    """Returns the size at which a picture fits into `shape`; `shape` if they differ by rounding."""
    if fit == 'stretch':
        return shape
    height, width = rgb.shape[:2]
    scale = min(shape[0] / height, shape[1] / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    close = all(want - have < _SIDE for have, want in zip(inner, shape, strict=True))
    return shape if close else inner


def _mirrored(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pads uint8 [height, width, 3] with its mirror image to `shape`."""
    sides = []
    for have, want in zip(pixels.shape, shape, strict=False):
        sides.append(((want - have) // 2, want - have - (want - have) // 2))
    return np.pad(pixels, (*sides, (0, 0)), mode='symmetric')


def _resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return decode.resize(pixels, size, fit='stretch')


def _recolored(style, content, colors: str):
    if colors == 'recolored':
        return color_lib.match_colors(style, content)
    if colors == 'luminance':
        return color_lib.match_luminance(style, content)
    return style


def _names(contents: list[Picture]) -> list[str]:
    """Names results after their files; repeated names get a number."""
    stems = [picture.path.stem for picture in contents]
    return [
        f'{stem}_{stems[:index].count(stem)}' if stem in stems[:index] else stem
        for index, stem in enumerate(stems)
    ]
