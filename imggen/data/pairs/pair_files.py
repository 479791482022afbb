"""From files to pictures that hold both sides of a pair, one behind the other.

Where both sides come from files, or one is a filter of the other, a pair is decoded
as uint8 [height, width, input channels + target channels]. What cannot make a pair
raises `decode.DecodeError` with a sentence that names the file; it is listed and
skipped like any file that cannot be read.
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
    """What decides the decoded arrays, besides the files.

    Attributes:
      layout: one of LAYOUTS.
      size: (height, width) of each side.
      channels: of both sides together.
      target_channels: of the target, 1 or 3.
      fit: 'crop', 'pad', 'stretch' or 'tiles'; see `folder.load`.
      matte: RGB in [0, 255] behind transparent pictures.
      max_enlargement: a picture that would have to be enlarged more is refused.
      require_color: refuses targets that are gray.
      filter, filter_options: of the layout 'filter'.
      target_path: folder of the targets, of the layout 'two_folders'.
      targets: the target of each input there.
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


def decode_pairs(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    """Returns the pairs of one file, uint8 [k, *size, options.channels]; several are tiles."""
    return LAYOUTS[options.layout](root, file, options)


def match(
    inputs: tuple[str, ...], targets: tuple[str, ...]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Matches the files of two folders by their names without the ending.

    Returns:
      The target of each input, and (file, what is wrong) of the inputs without one
      target, of the targets without an input, and of those with several.
    """
    sides = [_by_stem(files) for files in (inputs, targets)]
    matched, alone = {}, []
    for stem in sorted(sides[0].keys() | sides[1].keys()):
        own, other = (side.get(stem, []) for side in sides)
        if len(own) == 1 == len(other):
            matched[own[0]] = other[0]
        elif not other:
            alone += [(file, f'no picture {stem}.* in the folder of the targets') for file in own]
        elif not own:
            alone += [(file, f'no picture {stem}.* in the folder of the inputs') for file in other]
        else:
            alone.append((own[0], f'{len(own)} inputs and {len(other)} targets are named {stem}.*'))
    return matched, alone


def _by_stem(files: tuple[str, ...]) -> Mapping[str, list[str]]:
    stems = {}
    for file in files:
        stems.setdefault(pathlib.PurePosixPath(file).with_suffix('').as_posix(), []).append(file)
    return stems


def _picture(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    picture = decode.decode(root / file, matte=options.matte)
    _check_target(root / file, picture, options)
    return _fit(root / file, picture, options, options.target_channels)


def _filtered(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    chosen = filters.make(options.filter, options.filter_options)
    return add_filtered(chosen, _picture(root, file, options))


def add_filtered(chosen: filters.Filter, pictures: np.ndarray) -> np.ndarray:
    """Puts what a filter makes of pictures [k, height, width, channels] before them."""
    return np.concatenate([np.stack([chosen(picture) for picture in pictures]), pictures], axis=-1)


def _side_by_side(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    picture = decode.decode(root / file, matte=options.matte)
    width = picture.shape[1]
    if width % 2:
        raise DecodeError(
            f'{root / file} is {width} pixels wide, an odd number: it is no pair side by side'
        )
    left, right = picture[:, : width // 2], picture[:, width // 2 :]
    _check_target(root / file, right, options)
    channels = (options.channels - options.target_channels, options.target_channels)
    sides = [
        _fit(root / file, side, options, count)
        for side, count in zip((left, right), channels, strict=True)
    ]
    return np.concatenate(sides, axis=-1)


def _two_folders(root: pathlib.Path, file: str, options: Options) -> np.ndarray:
    paths = root / file, pathlib.Path(options.target_path, options.targets[file])
    left, right = (decode.decode(path, matte=options.matte) for path in paths)
    (height, width), (other_height, other_width) = left.shape[:2], right.shape[:2]
    # But for half a pixel of rounding: the sides would be cut differently.
    larger = max(height + width, other_height + other_width)
    if abs(height * other_width - width * other_height) > larger / 2:
        raise DecodeError(
            f'{paths[0]} is {width} x {height} and {paths[1]} {other_width} x {other_height}: '
            'the sides of a pair need one shape'
        )
    if options.fit == 'tiles' and left.shape[:2] != right.shape[:2]:
        raise DecodeError(f'{paths[0]} and {paths[1]} differ in size, so their tiles do not match')
    _check_target(paths[1], right, options)
    channels = (options.channels - options.target_channels, options.target_channels)
    sides = [
        _fit(path, side, options, count)
        for path, side, count in zip(paths, (left, right), channels, strict=True)
    ]
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
        raise DecodeError(f'{path} is gray where color is needed')


def _fit(path: pathlib.Path, picture: np.ndarray, options: Options, channels: int) -> np.ndarray:
    """Brings one side to size: uint8 [k, *size, channels]."""
    _check_size(path, picture, options)
    picture = decode.to_channels(picture, channels)
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
