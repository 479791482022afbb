"""Pictures for style transfer: reads contents and styles, and restores the size of results.

The batch is the same at every step, float32 in [-1, 1]: 'image' [n, height, width, channels], the
contents; 'style0', 'style1', ... [n, height, width, channels], each at its own size;
'style_weight' [n, number of styles]; and, if asked for, 'initial', 'image_mask' and
'style<i>_mask'. Sides are rounded to multiples of 16, which changes the proportions slightly; the
results get the size of their files back.

Contents of several shapes are sorted by shape. 'image' then holds all of them, surrounded by their
mirror image up to one shape, and 'group0', 'group1', ... hold each group at its own shape.

All handling of colors is here: in the inputs before the method runs, and in `postprocess`
afterwards.
"""

import functools
import pathlib

import numpy as np
from absl import logging

from imggen import color as color_lib
from imggen import images
from imggen.data import decode, frame
from imggen.data.dataset import Dataset
from imggen.data.loaders import folder
from imggen.data.loaders import style_masks as masks
from imggen.data.picture import Finish, Picture, read, restore
from imggen.errors import UserError

_SIDE = 16  # Sides are multiples of it, so that no pooling layer cuts off a border.
_SMALLEST = 32
COLORS = ('style', 'matched', 'content', 'luminance', 'recolored')
FITS = ('keep', 'stretch')


def load(
    *,
    content: str,
    style: str,
    size: int = 512,
    fit: str = 'keep',
    style_scale: float = 1.0,
    style_weights: tuple[float, ...] = (),
    trim: bool = True,
    colors: str = 'style',
    detail: float = 0.0,
    initial: str = '',
    content_mask: str = '',
    style_masks: str = '',
) -> Dataset:
    """Reads contents and styles. Unreadable files of a folder are named and skipped.

    Args:
      content: a picture, several separated by commas, or a folder; they form a batch.
      style: a picture, several separated by commas, or a folder; they are blended.
      size: longer side of the images that are optimized, in pixels.
      fit: 'keep' keeps proportions; 'stretch' makes contents and styles size x size.
      style_scale: longer side of the styles divided by `size`; no style is enlarged.
      style_weights: relative weights of several styles; () for equal weights.
      trim: whether frames of the styles are cut off (see `frame.trim`). Styles with masks stay
        whole, as their masks are.
      colors: 'style' takes the colors of the style; 'matched' also gives the result the mean and
        covariance of the first style's colors; 'content' combines the brightness of the result
        with the chroma of the content; 'luminance' does the same and optimizes only brightness;
        'recolored' gives the styles the colors of the first content beforehand.
      detail: how much of the content's brightness that is finer than `size` the result gets,
        usually 0 to 1.
      initial: a picture to start from, for config.method.initial='file'.
      content_mask: a picture whose gray levels number the regions of every content, or give the
        share of one region (see `style_masks`).
      style_masks: a mask of the same kind for each style, separated by commas.

    Raises:
      UserError: an option has a wrong value, or a picture cannot be read.
    """
    _check(size, fit, style_scale, colors, detail)
    if bool(content_mask) != bool(style_masks):
        raise UserError('config.data.content_mask and config.data.style_masks go together.')
    contents = _pictures(content, 'content')
    styles = _pictures(style, 'style')
    weights = _weights(style_weights, len(styles))
    if trim and not style_masks:
        styles = [_trimmed(picture) for picture in styles]
    groups = _by_shape(contents, size, fit)
    contents = [picture for group in groups.values() for picture in group]
    shapes = [shape for shape, group in groups.items() for _ in group]
    shape = tuple(max(sides) for sides in zip(*shapes, strict=True))

    arrays = _content_arrays(groups, shape, colors)
    arrays |= _style_arrays(styles, round(size * style_scale), fit, contents[0], shapes[0], colors)
    arrays['style_weight'] = np.asarray(weights, np.float32)[None]
    if initial:
        arrays['initial'] = _initial(initial, shape, colors)
    if content_mask:
        paths = _paths(style_masks, 'style_masks')
        sizes = [arrays[f'style{index}'].shape[1:3] for index in range(len(styles))]
        arrays |= masks.load(pathlib.Path(content_mask), paths, shape, sizes)
    count = len(contents)
    for name, array in arrays.items():
        if not name.startswith('group'):
            arrays[name] = np.broadcast_to(array, (count, *array.shape[1:]))
    several = f'{count} contents' if count > 1 else contents[0].path.name
    at = ' and '.join(f'{height} x {width}' for height, width in groups)
    finish = Finish(colors, detail, styles[0].rgb if colors == 'matched' else None)
    return Dataset(
        lambda rows: {name: array[rows] for name, array in arrays.items()},
        arrays['image'].shape,
        f'{several} at {at}, {len(styles)} style{"s" * (len(styles) > 1)}',
        fixed=True,
        postprocess=functools.partial(_postprocess, contents, shapes, finish),
    )


def _postprocess(
    contents: list[Picture], boxes: list[tuple[int, int]], finish: Finish, results: np.ndarray
) -> dict[str, np.ndarray]:
    parts = zip(_names(contents), results, contents, boxes, strict=True)
    return {name: restore(result, picture, box, finish) for name, result, picture, box in parts}


def _by_shape(contents: list[Picture], size: int, fit: str) -> dict[tuple[int, int], list[Picture]]:
    groups = {}
    for picture in contents:
        groups.setdefault(_shape(picture.rgb, size, fit, enlarge=True), []).append(picture)
    return groups


def _content_arrays(
    groups: dict[tuple[int, int], list[Picture]], shape: tuple[int, int], colors: str
) -> dict[str, np.ndarray]:
    """Returns 'image', uint8 [n, *shape, 1 or 3], and each group if there are several shapes."""
    arrays, padded = {}, []
    for index, (own_shape, group) in enumerate(groups.items()):
        resized = np.stack([_resize(picture.rgb, own_shape) for picture in group])
        if colors == 'luminance':
            resized = images.to_uint8(color_lib.luminance(images.from_uint8(resized)))
        padded += [_mirrored(one, shape) for one in resized]
        if len(groups) > 1:
            arrays[f'group{index}'] = np.asarray(images.from_uint8(resized))
    return {'image': np.stack(padded), **arrays}


def _style_arrays(
    styles: list[Picture],
    size: int,
    fit: str,
    content: Picture,
    content_shape: tuple[int, int],
    colors: str,
) -> dict[str, np.ndarray]:
    first, arrays = images.from_uint8(_resize(content.rgb, content_shape)), {}
    for index, picture in enumerate(styles):
        shape = _shape(picture.rgb, max(_SMALLEST, size), fit, enlarge=fit == 'stretch')
        resized = images.from_uint8(_resize(picture.rgb, shape))
        arrays[f'style{index}'] = np.asarray(_recolored(resized, first, colors))[None]
    return arrays


def _initial(path: str, shape: tuple[int, int], colors: str) -> np.ndarray:
    start = read(pathlib.Path(path), 'config.data.initial').rgb
    start = images.from_uint8(_resize(start, shape))
    return np.asarray(color_lib.luminance(start) if colors == 'luminance' else start)[None]


def _trimmed(picture: Picture) -> Picture:
    rgb, cut = frame.trim(picture.rgb)
    if any(cut):
        sides = zip(('top', 'bottom', 'left', 'right'), cut, strict=True)
        found = ', '.join(f'{side} {pixels}' for side, pixels in sides if pixels)
        logging.warning(
            '%s: cut a frame (pixels: %s); experiments.train keeps it with '
            '--config.data.trim=False.',
            picture.path,
            found,
        )
    return picture._replace(rgb=rgb)


def _check(size, fit, style_scale, colors, detail) -> None:
    if not isinstance(size, int) or size < _SMALLEST:
        raise UserError(f'config.data.size is {size!r}; set it to {_SMALLEST} pixels or more.')
    if fit not in FITS:
        raise UserError(f'config.data.fit is {fit!r}; choose one of {", ".join(FITS)}.')
    if not style_scale > 0:
        raise UserError(f'config.data.style_scale is {style_scale}; set it above 0.')
    if colors not in COLORS:
        raise UserError(f'config.data.colors is {colors!r}; choose one of {", ".join(COLORS)}.')
    if detail < 0:
        raise UserError(f'config.data.detail is {detail}; set it to at least 0.')


def _pictures(named: str, option: str) -> list[Picture]:
    """Reads the pictures of an option; those of a folder that cannot be read are skipped."""
    paths, where = _paths(named, option), f'config.data.{option}'
    root = pathlib.Path(named).expanduser()
    if not root.is_dir():
        return [read(path, where) for path in paths]
    found, skipped = [], []
    for path in paths:
        try:
            found.append(read(path, where))
        except UserError as error:
            skipped.append((path.name, str(error).split(';')[0]))
    folder.list_unreadable(skipped)
    if not found:
        raise UserError(
            f'none of the {len(paths)} pictures in {root} can be read; the first: {skipped[0][1]}.'
        )
    return found


def _paths(named: str, option: str) -> list[pathlib.Path]:
    """Returns the files that 'a.png', 'a.png,b.png' or 'folder/' names."""
    if not named:
        raise UserError(f'config.data.{option} is empty; name a picture.')
    whole = pathlib.Path(named).expanduser()
    if whole.is_dir():
        found = sorted(
            path
            for path in whole.iterdir()
            if path.suffix.lower() in decode.SUFFIXES and not path.name.startswith('.')
        )
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
    """Names results after their files.

    A result NAME is the file NAME.png and the folder NAME of its frames, and a file system may
    ignore case. A name that would meet another one gets the first free number.
    """
    stems = [picture.path.stem for picture in contents]
    first = {}  # The first picture of each stem keeps it.
    for index, stem in enumerate(stems):
        first.setdefault(stem.casefold(), index)
    taken: set[str] = set()
    names = [''] * len(stems)
    for index in sorted(range(len(stems)), key=lambda i: first[stems[i].casefold()] != i):
        number, name = 0, stems[index]
        while taken & {name.casefold(), f'{name}.png'.casefold()}:
            number += 1
            name = f'{stems[index]}_{number}'
        taken |= {name.casefold(), f'{name}.png'.casefold()}
        names[index] = name
    return names
