"""Pairs of an input and a target, for methods that learn to turn one into the other.

Batches are {'input': float32 [n, height, width, input channels], 'target': float32
[n, height, width, target channels]}, both in [-1, 1] and both whole levels of 8 bits.
Augmentation (`crop` and `flip` are the jitter of pix2pix) moves both sides by one draw.

    task           input                              target
    filter         a filter of the picture            each picture under `path`
    side_by_side   the left half of each file         the right half
    two_folders    each picture under `path`          that of its name in `target_path`
    another        each picture                       another one of the same folder
    noise          uniform noise                      each picture
    downscale      the target, scaled down bicubic    each picture

With direction='BtoA' the sides change places in the first three.
"""

import collections
import os
import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import images, keys
from imggen.data import decode
from imggen.data.dataset import Dataset
from imggen.data.loaders import folder, folder_cache
from imggen.data.pairs import filters, pair_files, pairings
from imggen.errors import UserError

_FITS = (*decode.FITS, 'tiles')
TASKS = ('filter', 'side_by_side', 'two_folders', 'another', 'noise', 'downscale')
_DIRECTIONS = ('AtoB', 'BtoA')
_CHUNK = 64


class Listing(NamedTuple):
    """Which files make pairs.

    Attributes:
      files: of the inputs, or of both sides; relative to the folder.
      stamps: sizes and times of the last change of each.
      targets: of 'two_folders': the target of each file.
      alone: (file, what is wrong) of those that make none.
    """

    files: tuple[str, ...]
    stamps: tuple[tuple[int, ...], ...]
    targets: Mapping[str, str] = MappingProxyType({})
    alone: tuple[tuple[str, str], ...] = ()


def load(
    *,
    path: str,
    size: tuple[int, int],
    task: str = 'filter',
    filter: str = 'identity',
    filter_options: Mapping[str, Any] | None = None,
    cache_filter: bool = True,
    target_path: str = '',
    direction: str = 'AtoB',
    scale: int = 4,
    split: str = 'train',
    test_fraction: float = 0.0,
    test_size: tuple[int, int] | None = None,
    fit: str = 'crop',
    channels: int = 3,
    matte: tuple[int, int, int] = decode.WHITE,
    max_enlargement: float = 4.0,
    require_color: bool = False,
) -> Dataset:
    """Loads the pairs under a folder.

    Args:
      path: the folder.
      size: (height, width) of both sides in pixels, before `augment.crop`.
      task: how pairs come about; one of TASKS, see above.
      filter: of the task 'filter': one of filters.FILTERS.
      filter_options: its options.
      cache_filter: keeps what the filter made in the cache of decoded pictures; else
        it is computed whenever pictures are read.
      target_path: of 'two_folders'.
      direction: 'AtoB' or 'BtoA'.
      scale: of 'downscale': an integer that divides the size, and the crop.
      split: 'train' or 'test'.
      test_fraction: part of the files held out for 'test', chosen by their names.
      test_size: (height, width) of the pictures of 'test', which are not cropped;
        `size` by default.
      fit: 'crop', 'pad' or 'stretch' (see `decode.resize`); 'tiles' cuts each
        picture into as many as it holds.
      channels: 1 or 3, of both sides of files.
      matte: RGB in [0, 255] that shows through where a picture is transparent.
      max_enlargement: pictures that would have to be enlarged more are skipped.
      require_color: skips targets that are gray.
    """
    if isinstance(size, int) or isinstance(test_size, int):
        raise UserError('config.data.size and test_size are two numbers: give height,width.')
    size, matte = tuple(test_size if split == 'test' and test_size else size), tuple(matte)
    folder.check_split(split, test_fraction)
    decode.check_options(size=size, fit=fit, channels=channels, matte=matte, fits=_FITS)
    settings = dict(filter_options or {})
    _check(task, filter, settings, target_path, direction)
    if channels is None or scale < 1 or max_enlargement < 1:
        raise UserError(
            f'config.data.channels={channels}, scale={scale} and max_enlargement='
            f'{max_enlargement}: set the first to 1 or 3, the others to 1 or more.'
        )
    chosen = filters.make(filter, settings)
    input_channels = {
        'filter': 0 if filter == 'identity' else filters.num_channels(chosen, channels),
        'side_by_side': channels,
        'two_folders': channels,
    }.get(task, 0)  # 0: the input is made from the target within the step.
    on_the_fly = task == 'filter' and input_channels > 0 and not cache_filter

    root, target_path = folder.root_of(path), os.path.expanduser(target_path)
    listing = _list(root, target_path, task)
    options = pair_files.Options(
        layout=task if input_channels and not on_the_fly else 'picture',
        size=size,
        channels=channels if on_the_fly else input_channels + channels,
        target_channels=channels,
        fit=fit,
        matte=matte,
        max_enlargement=float(max_enlargement),
        require_color=require_color,
        filter='identity' if on_the_fly else filter,
        filter_options={} if on_the_fly else dict(sorted(settings.items())),
        target_path=target_path,
        targets=dict(listing.targets),
    )
    pictures, index = folder_cache.load_or_build(
        root, listing.files, listing.stamps, options, decode_file=pair_files.decode_pairs
    )
    skipped = (*listing.alone, *index.unreadable)
    folder.list_unreadable(root, skipped)
    if not index.files:
        raise UserError(f'None of the pictures in {root} makes a pair; the first: {skipped[0][1]}.')
    rows = _rows(root, index.files, split, test_fraction)
    names, numbers = (), None
    if task == 'another':
        rows, names, numbers = _subsets(root, index.files, rows)

    def read(selection):
        selected = pictures[rows[selection]]
        if on_the_fly:
            selected = pair_files.add_filtered(chosen, selected)
        labels = {} if numbers is None else {'label': numbers[selection]}
        return {'image': selected, **labels}

    pair = {'noise': pairings.noise(), 'downscale': pairings.downscale(scale)}.get(
        task, pairings.sides(input_channels or channels, swap=direction == 'BtoA')
    )
    num_channels = input_channels + channels
    return Dataset(
        read,
        (len(rows), *size, num_channels),
        f'{root} ({split}, {task}): {len(rows):,} pairs of {size[0]} x {size[1]} from '
        f'{len(listing.files):,} files, {len(skipped):,} skipped',
        names,
        partner=None if numbers is None else pairings.another(numbers),
        pair=pair,
        files=tuple(index.files[row] for row in rows),
    )


def examples(dataset: Dataset) -> dict[str, np.ndarray]:
    """Returns all pairs of a set, unaugmented and in order, uint8 [n, height, width, channels].

    Noise and partners are those of a fixed key. Of the task 'another' there is also the
    number of each pair's subset, 'label': int32 [n].
    """
    key = keys.stream(0, 'measure')
    labels = dataset.read(slice(None))
    pictures = labels.pop('image')
    if dataset.partner is not None:
        others = dataset.partner(key, jnp.arange(len(pictures)))
        pictures = np.concatenate([pictures, pictures[np.asarray(others)]], axis=-1)
    make = jax.jit(lambda key, pictures: dataset.pair(key, images.from_uint8(pictures)))
    chunks = [
        jax.tree.map(
            images.to_uint8,
            dict(make(jax.random.fold_in(key, first), pictures[first : first + _CHUNK])),
        )
        for first in range(0, len(pictures), _CHUNK)
    ]
    return labels | {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _subsets(
    root: pathlib.Path, files: tuple[str, ...], rows: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Returns the rows in subsets of two or more, the names of these, and each row's number.

    Names and numbers are those of all files, the same for every split.
    """
    every = [pathlib.PurePosixPath(file).parent.as_posix() for file in files]
    parents = [every[row] for row in rows]
    counts = collections.Counter(parents)
    single = [
        (files[row], f'{root / files[row]} is alone in its folder')
        for row, parent in zip(rows, parents, strict=True)
        if counts[parent] == 1
    ]
    folder.list_unreadable(root, single)
    kept = np.asarray([counts[parent] > 1 for parent in parents])
    if not kept.any():
        raise UserError(f'{root} has no folder with two pictures; put those of a subset into one.')
    whole = collections.Counter(every)
    names = tuple(sorted(parent for parent, count in whole.items() if count > 1))
    numbers = [names.index(parent) for parent in parents if counts[parent] > 1]
    return rows[kept], names, np.asarray(numbers, np.int32)


def _list(root: pathlib.Path, target_path: str, task: str) -> Listing:
    found = folder.scan(root)
    if not found.files:
        suffixes = ', '.join(sorted(decode.SUFFIXES))
        raise UserError(
            f'{root} holds no pictures ({suffixes}); set config.data.path to a folder of some.'
        )
    if task != 'two_folders':
        return Listing(found.files, found.stamps)
    other = folder.scan(pathlib.Path(target_path), option='config.data.target_path')
    matched, alone = pair_files.match(found.files, other.files)
    inputs = set(found.files)
    alone = tuple(
        (file, f'{(root if file in inputs else pathlib.Path(target_path)) / file}: {reason}')
        for file, reason in alone
    )
    if not matched:
        raise UserError(f'{root} and {target_path} have no two pictures of one name.')
    own_stamps = dict(zip(found.files, found.stamps, strict=True))
    other_stamps = dict(zip(other.files, other.stamps, strict=True))
    return Listing(
        tuple(matched),
        tuple((*own_stamps[file], *other_stamps[target]) for file, target in matched.items()),
        matched,
        alone,
    )


def _rows(
    root: pathlib.Path, files: tuple[str, ...], split: str, test_fraction: float
) -> np.ndarray:
    rows = np.flatnonzero([folder.in_split(file, split, test_fraction) for file in files])
    if not len(rows):
        raise UserError(
            f'{root} has no pairs for the split {split!r} with config.data.test_fraction='
            f'{test_fraction}; change the fraction.'
        )
    return rows


def _check(
    task: str, filter: str, settings: Mapping[str, Any], target_path: str, direction: str
) -> None:
    """Raises UserError for a task that there is not, or for an option of another task."""
    if task not in TASKS:
        raise UserError(f'config.data.task is {task!r}; choose one of {", ".join(TASKS)}.')
    if direction not in _DIRECTIONS:
        raise UserError(f'config.data.direction is {direction!r}; choose one of AtoB, BtoA.')
    if task == 'two_folders' and not target_path:
        raise UserError('config.data.target_path is missing: the folder of the targets.')
    foreign = {
        'filter': filter != 'identity' and task != 'filter',
        'filter_options': bool(settings) and task != 'filter',
        'target_path': bool(target_path) and task != 'two_folders',
        'direction': direction != 'AtoB' and task in ('another', 'noise', 'downscale'),
    }
    for name, given in foreign.items():
        if given:
            raise UserError(f'config.data.{name} is no option of config.data.task={task!r}.')
