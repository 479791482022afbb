"""Decodes files into arrays that hold both sides of a pair.

If both sides come from files, or if one side is the filtered other one, a pair is decoded as uint8
[height, width, input channels + target channels]. A file that cannot make a pair raises
`decode.DecodeError` with a sentence that names it. It is listed and skipped like any file that
cannot be read.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from imggen.data import decode
from imggen.data.decode import DecodeError
from imggen.data.pairs import filters


@dataclasses.dataclass(frozen=True)
class Options:
    """The options that change the decoded arrays.

    Attributes:
      layout: one of LAYOUTS.
      size: (height, width) of each side.
      channels: number of channels of both sides together.
      target_channels: number of channels of the target, 1 or 3.
      fit: 'crop', 'pad', 'stretch' or 'tiles'; see `folder.load`.
      matte: RGB in [0, 255] behind transparent pictures.
      max_enlargement: a picture that would have to be enlarged more is refused.
      require_color: whether gray targets are refused.
      filter, filter_options: for the layout 'filter', the filter that makes the input.
      target_path: for the layout 'two_folders', the folder of the targets.
      targets: for the layout 'two_folders', the target of each input.
    """

    layout: str
    size: tuple[int, int]
    channels: int
    target_channels: int
    fit: str = 'crop'
    matte: tuple[int, int, int] = decode.WHITE
    max_enlargement: float = 4.0
    require_color: bool = False
    filter: str = 'identity'
    filter_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    target_path: str = ''
    targets: Mapping[str, str] = dataclasses.field(default_factory=dict)


def decode_pairs(
    root: pathlib.Path, file: str, options: Options
) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns the pairs of one file, uint8 [k, *size, options.channels], and their size.

    A file has several pairs if it is cut into tiles. The size is `options.size`: pictures that are
    much smaller are refused, so nobody needs their own.
    """
    return LAYOUTS[options.layout](root, file, options), options.size


def match(
    inputs: tuple[str, ...], targets: tuple[str, ...]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Matches the files of two folders by their names without the suffix.

    Returns:
      The target of each input; and (file, reason) of each input without a target, each target
      without an input, and each name that several files of one folder share.
    """
    sides = [_by_stem(files) for files in (inputs, targets)]
    matched, unmatched = {}, []
    for stem in sorted(sides[0].keys() | sides[1].keys()):
        own, other = (side.get(stem, []) for side in sides)
        if len(own) == 1 == len(other):
            matched[own[0]] = other[0]
        elif not other:
            unmatched += [(file, f'the folder of the targets has no {stem}.*') for file in own]
        elif not own:
            unmatched += [(file, f'the folder of the inputs has no {stem}.*') for file in other]
        else:
            reason = f'{len(own)} inputs and {len(other)} targets are named {stem}.*'
            unmatched.append((own[0], reason))
    return matched, unmatched


def _by_stem(files: tuple[str, ...]) -> Mapping[str, list[str]]:
    stems = {}
    for file in files:
        stems.setdefault(pathlib.PurePosixPath(file).with_suffix('').as_posix(), []).append(file)
    return stems


def _picture(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    picture = decode.decode(root / file, matte=options.matte)
    _check_target(root / file, picture, options)
    return _fit(root / file, picture, options)


def _filtered(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    chosen = filters.make(options.filter, options.filter_options)
    return add_filtered(chosen, _picture(root, file, options))


def add_filtered(chosen: filters.Filter, pictures: np.ndarray) -> np.ndarray:
    """Puts the channels of filtered pictures [k, height, width, channels] before their own."""
    return np.concatenate([np.stack([chosen(picture) for picture in pictures]), pictures], axis=-1)


def _side_by_side(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    picture = decode.decode(root / file, matte=options.matte)
    width = picture.shape[1]
    if width % 2:
        raise DecodeError(
            f'{root / file} is {width} pixels wide, an odd number, so it has no two halves'
        )
    left, right = picture[:, : width // 2], picture[:, width // 2 :]
    _check_target(root / file, right, options)
    return np.concatenate([_fit(root / file, side, options) for side in (left, right)], axis=-1)


def _two_folders(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    paths = root / file, pathlib.Path(options.target_path, options.targets[file])
    left, right = (decode.decode(path, matte=options.matte) for path in paths)
    (height, width), (other_height, other_width) = left.shape[:2], right.shape[:2]
    # Sides of other proportions would be cut differently. Half a pixel may come from rounding.
    larger = max(height + width, other_height + other_width)
    if abs(height * other_width - width * other_height) > larger / 2:
        raise DecodeError(
            f'{paths[0]} is {width} x {height} and {paths[1]} {other_width} x {other_height}: '
            'the sides of a pair need the same proportions'
        )
    if options.fit == 'tiles' and left.shape[:2] != right.shape[:2]:
        raise DecodeError(f'{paths[0]} and {paths[1]} differ in size, so their tiles do not match')
    _check_target(paths[1], right, options)
    sides = [_fit(path, side, options) for path, side in zip(paths, (left, right), strict=True)]
    return np.concatenate(sides, axis=-1)


LAYOUTS = {
    'picture': _picture,
    'filter': _filtered,
    'side_by_side': _side_by_side,
    'two_folders': _two_folders,
}


def _check_target(path: pathlib.Path, picture: np.ndarray, options: Options) -> None:
    _check_size(path, picture, options)
    if options.require_color and decode.is_gray(picture):
        raise DecodeError(f'{path} is gray, but config.data.require_color is set')


def _fit(path: pathlib.Path, picture: np.ndarray, options: Options) -> np.ndarray:
    """Resizes one side: uint8 [k, *size, target channels]."""
    _check_size(path, picture, options)
    picture = decode.to_channels(picture, options.target_channels)
    if options.fit == 'tiles':
        return decode.tiles(picture, options.size)
    return decode.resize(picture, options.size, fit=options.fit, matte=options.matte)[None]


def _check_size(path: pathlib.Path, picture: np.ndarray, options: Options) -> None:
    height, width = picture.shape[:2]
    enlargement = max(options.size[0] / height, options.size[1] / width)
    if enlargement > options.max_enlargement:
        raise DecodeError(
            f'{path} is {width} x {height} pixels, too small for {options.size[1]} x '
            f'{options.size[0]} with config.data.max_enlargement={options.max_enlargement:g}'
        )
