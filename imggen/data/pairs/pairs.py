"""Pairs of an input and a target, for methods that learn to turn one into the other.

Batches are {'input': float32 [n, height, width, input channels], 'target': float32
[n, height, width, target channels]}, both in [-1, 1] and both whole 8-bit levels. Augmentation
(`crop` and `flip` are the jitter of pix2pix) moves both sides of a pair in the same way.

    task           input                              target
    filter         a filter of the picture            each picture under `path`
    side_by_side   the left half of each file         the right half
    two_folders    each picture under `path`          the one of its name in `target_path`
    another        each picture                       another one from its folder
    noise          uniform noise                      each picture
    downscale      the target, scaled down bicubic,   each picture
                   with `degrade` also degraded

With direction='BtoA' the sides of the first three change places.
"""

import collections
import dataclasses
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
from imggen.data.dataset import Dataset, Pairing
from imggen.data.loaders import folder, folder_cache
from imggen.data.pairs import filters, pair_files, pairings
from imggen.errors import UserError

_DIRECTIONS = ('AtoB', 'BtoA')
_CHUNK = 64


class Pictures(NamedTuple):
    """The pictures of one split of a folder, and how to decode one of them by itself."""

    root: pathlib.Path
    task: str  # For the log.
    split: str
    test_fraction: float
    options: pair_files.Options


class _Listing(NamedTuple):
    """The files that may make pairs.

    Attributes:
      files: files of the inputs, or of both sides, relative to the folder.
      stamps: as in `folder.Scan`, of each file and of its target's file.
      targets: the target of each file, for the task 'two_folders'.
      unmatched: (file, reason) of the files that make no pair, and of what was not looked into.
    """

    files: tuple[str, ...]
    stamps: tuple[tuple[int, ...], ...]
    targets: Mapping[str, str] = MappingProxyType({})
    unmatched: tuple[tuple[str, str], ...] = ()


class _Decoded(NamedTuple):
    """Decoded files.

    Attributes:
      arrays: uint8 [n, height, width, channels], a memory map.
      files: the file of each array [n].
      rows: int [k], which arrays belong to the split.
      num_files: how many files there are.
      skipped: a sentence for each file that makes no pair.
    """

    arrays: np.ndarray
    files: tuple[str, ...]
    rows: np.ndarray
    num_files: int
    skipped: tuple[str, ...]


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
    degrade: bool = False,
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
      task: how pairs come about; see the table above.
      filter: for the task 'filter', one of filters.FILTERS.
      filter_options: keyword arguments of the filter.
      cache_filter: whether to keep the filtered pictures in the cache of decoded pictures;
        otherwise the filter runs whenever pictures are read.
      target_path: for the task 'two_folders', the folder of the targets.
      direction: 'AtoB' or 'BtoA'.
      scale: for the task 'downscale', an integer that divides the size and the crop.
      degrade: for the task 'downscale', whether inputs also get the blur, the noise and the JPEG
        of pictures that people have; see data/pairs/degradation.py.
      split: 'train' or 'test'.
      test_fraction: fraction of the files that is held out for 'test', chosen by their names.
      test_size: (height, width) of the pictures of 'test', which are not cropped; `size` by
        default.
      fit: 'crop', 'pad' or 'stretch' (see `decode.resize`); 'tiles' cuts each picture into as
        many tiles as it holds.
      channels: 1 or 3, of both sides as they are read from files.
      matte: RGB in [0, 255] behind transparent pictures.
      max_enlargement: pictures that would have to be enlarged more are skipped.
      require_color: whether to skip targets that are gray.

    Raises:
      UserError: an option has a wrong value or belongs to another task, or there is no pair.
    """
    if isinstance(size, int) or isinstance(test_size, int):
        raise UserError('config.data.size and test_size are two numbers: give height,width.')
    size, matte = tuple(test_size if split == 'test' and test_size else size), tuple(matte)
    folder.check_split(split, test_fraction)
    decode.check_options(size=size, fit=fit, channels=channels, matte=matte, fits=folder.FITS)
    if channels is None or scale < 1 or max_enlargement < 1:
        raise UserError(
            f'config.data.channels={channels}, scale={scale} and max_enlargement='
            f'{max_enlargement}: set the first to 1 or 3, the others to 1 or more.'
        )
    settings, swap = dict(filter_options or {}), direction == 'BtoA'
    tasks = {
        'filter': lambda pictures: _filter(pictures, filter, settings, cache_filter, swap),
        'side_by_side': lambda pictures: _side_by_side(pictures, swap),
        'two_folders': lambda pictures: _two_folders(pictures, target_path, swap),
        'another': _another,
        'noise': lambda pictures: _single(pictures, pairings.noise()),
        'downscale': lambda pictures: _single(pictures, pairings.downscale(scale, degrade=degrade)),
    }
    if task not in tasks:
        raise UserError(f'config.data.task is {task!r}; choose one of {", ".join(tasks)}.')
    _check(task, filter, settings, target_path, direction, degrade)
    options = pair_files.Options(
        layout='picture',
        size=size,
        channels=channels,
        target_channels=channels,
        fit=fit,
        matte=matte,
        max_enlargement=float(max_enlargement),
        require_color=require_color,
    )
    return tasks[task](Pictures(folder.root_of(path), task, split, test_fraction, options))


def examples(dataset: Dataset) -> dict[str, np.ndarray]:
    """Returns all pairs of a set, not augmented and in order: uint8 [n, height, width, channels].

    Noise and partners are drawn from a fixed key. Pairs of the task 'another' also have
    'label', int32 [n]: the number of each pair's subset.
    """
    key = keys.stream(0, 'measure')
    labels = dataset.read(slice(None))
    pictures = labels.pop('image')
    if dataset.pairing.partner is not None:
        others = dataset.pairing.partner(key, jnp.arange(len(pictures)))
        pictures = np.concatenate([pictures, pictures[np.asarray(others)]], axis=-1)
    pair = jax.jit(lambda key, pictures: dataset.pairing.pair(key, images.from_uint8(pictures)))
    chunks = [
        jax.tree.map(
            images.to_uint8,
            dict(pair(jax.random.fold_in(key, first), pictures[first : first + _CHUNK])),
        )
        for first in range(0, len(pictures), _CHUNK)
    ]
    return labels | {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _filter(
    pictures: Pictures, name: str, settings: Mapping[str, Any], cache: bool, swap: bool
) -> Dataset:
    """Pairs each picture with its filtered version."""
    chosen = filters.make(name, settings)
    if name == 'identity':
        return _single(pictures, pairings.same())
    channels = pictures.options.channels
    input_channels = filters.num_channels(chosen, channels)
    pair = pairings.sides(input_channels, swap=swap)
    if cache:
        options = dataclasses.replace(
            pictures.options,
            layout='filter',
            channels=input_channels + channels,
            filter=name,
            filter_options=dict(sorted(settings.items())),
        )
        return _dataset(pictures, _decode(pictures, options), Pairing(pair))
    dataset = _single(pictures, pair)

    def read(selection):
        return {'image': pair_files.add_filtered(chosen, dataset.read(selection)['image'])}

    shape = (*dataset.shape[:-1], input_channels + channels)
    return dataset._replace(read=read, shape=shape)


def _side_by_side(pictures: Pictures, swap: bool) -> Dataset:
    """Pairs the left half of each file with its right half."""
    channels = pictures.options.channels
    options = dataclasses.replace(pictures.options, layout='side_by_side', channels=2 * channels)
    return _dataset(
        pictures, _decode(pictures, options), Pairing(pairings.sides(channels, swap=swap))
    )


def _two_folders(pictures: Pictures, target_path: str, swap: bool) -> Dataset:
    """Pairs each picture with the one of the same name in another folder."""
    channels, target_path = pictures.options.channels, os.path.expanduser(target_path)
    listing = _match_folders(pictures.root, pathlib.Path(target_path))
    options = dataclasses.replace(
        pictures.options,
        layout='two_folders',
        channels=2 * channels,
        target_path=target_path,
        targets=dict(listing.targets),
    )
    decoded = _decode(pictures, options, listing)
    return _dataset(pictures, decoded, Pairing(pairings.sides(channels, swap=swap)))


def _another(pictures: Pictures) -> Dataset:
    """Pairs each picture with a random other one of the same sub-folder, drawn at every step."""
    decoded = _decode(pictures, pictures.options)
    rows, names, numbers, alone = _subsets(pictures.root, decoded.files, decoded.rows)
    decoded = decoded._replace(rows=rows, skipped=(*decoded.skipped, *alone))
    pairing = Pairing(pairings.sides(pictures.options.channels), pairings.another(numbers))
    dataset = _dataset(pictures, decoded, pairing)

    def read(selection):
        return dataset.read(selection) | {'label': numbers[selection]}

    return dataset._replace(read=read, class_names=names)


def _single(pictures: Pictures, pair: pairings.Pair) -> Dataset:
    """Lets `pair` make both sides from each picture, within the compiled step."""
    return _dataset(pictures, _decode(pictures, pictures.options), Pairing(pair))


def _dataset(pictures: Pictures, decoded: _Decoded, pairing: Pairing) -> Dataset:
    def read(selection):
        return {'image': decoded.arrays[decoded.rows[selection]]}

    shape = (len(decoded.rows), *decoded.arrays.shape[1:])
    return Dataset(
        read,
        shape,
        f'{pictures.root} ({pictures.split}, {pictures.task}): {shape[0]:,} pairs of {shape[1]} x '
        f'{shape[2]} from {decoded.num_files:,} files, {len(decoded.skipped):,} skipped',
        pairing=pairing,
        files=tuple(decoded.files[row] for row in decoded.rows),
        skipped=decoded.skipped,
    )


def _decode(
    pictures: Pictures, options: pair_files.Options, listing: _Listing | None = None
) -> _Decoded:
    """Decodes the files of a folder, or takes them from the cache, and chooses the split."""
    root = pictures.root
    listing = listing or _list(root)
    arrays, index = folder_cache.load_or_build(
        root, listing.files, listing.stamps, options, decode_file=pair_files.decode_pairs
    )
    skipped = (*listing.unmatched, *index.unreadable)
    folder.list_unreadable(skipped)
    if not index.files:
        raise UserError(f'none of the pictures in {root} makes a pair; the first: {skipped[0][1]}.')
    rows = np.flatnonzero(
        [folder.in_split(file, pictures.split, pictures.test_fraction) for file in index.files]
    )
    if not len(rows):
        raise UserError(
            f'{root} has no pairs for the split {pictures.split!r} with config.data.test_fraction='
            f'{pictures.test_fraction}; change the fraction.'
        )
    reasons = tuple(reason for _, reason in skipped)
    return _Decoded(arrays, index.files, rows, len(listing.files), reasons)


def _list(root: pathlib.Path) -> _Listing:
    found = folder.pictures(root)
    return _Listing(found.files, found.stamps, unmatched=found.skipped)


def _match_folders(root: pathlib.Path, target_root: pathlib.Path) -> _Listing:
    """Lists the files of a folder that have a target of the same name in another one."""
    own, other = _list(root), folder.scan(target_root, option='config.data.target_path')
    matched, unmatched = pair_files.match(own.files, other.files)
    inputs = set(own.files)
    unmatched = tuple(
        (file, f'{(root if file in inputs else target_root) / file}: {reason}')
        for file, reason in unmatched
    )
    if not matched:
        raise UserError(f'{root} and {target_root} have no two pictures of the same name.')
    own_stamps = dict(zip(own.files, own.stamps, strict=True))
    other_stamps = dict(zip(other.files, other.stamps, strict=True))
    stamps = ((*own_stamps[file], *other_stamps[target]) for file, target in matched.items())
    unmatched = (*own.unmatched, *other.skipped, *unmatched)
    return _Listing(tuple(matched), tuple(stamps), matched, unmatched)


def _subsets(
    root: pathlib.Path, files: tuple[str, ...], rows: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """Finds the subsets of two or more.

    Names and their order come from all files, so that they are the same in every split.

    Returns:
      The rows in them, their names, the number of each row's subset, and a sentence for each
      file that is in none.
    """
    all_parents = [pathlib.PurePosixPath(file).parent.as_posix() for file in files]
    parents = [all_parents[row] for row in rows]
    counts = collections.Counter(parents)
    alone = [
        (files[row], f'{root / files[row]} is alone in its folder')
        for row, parent in zip(rows, parents, strict=True)
        if counts[parent] == 1
    ]
    folder.list_unreadable(alone)
    kept = np.asarray([counts[parent] > 1 for parent in parents])
    if not kept.any():
        raise UserError(
            f'{root} has no folder with two pictures; put the pictures of a subset into one.'
        )
    all_counts = collections.Counter(all_parents)
    names = tuple(sorted(parent for parent, count in all_counts.items() if count > 1))
    numbers = [names.index(parent) for parent in parents if counts[parent] > 1]
    lonely = tuple(reason for _, reason in alone)
    return rows[kept], names, np.asarray(numbers, np.int32), lonely


def _check(
    task: str,
    filter: str,
    settings: Mapping[str, Any],
    target_path: str,
    direction: str,
    degrade: bool,
) -> None:
    """Raises UserError if an option of the task is missing, or one belongs to another task."""
    if direction not in _DIRECTIONS:
        raise UserError(f'config.data.direction is {direction!r}; choose one of AtoB, BtoA.')
    if task == 'two_folders' and not target_path:
        raise UserError('config.data.target_path is missing: give the folder of the targets.')
    foreign = {
        'filter': filter != 'identity' and task != 'filter',
        'filter_options': bool(settings) and task != 'filter',
        'target_path': bool(target_path) and task != 'two_folders',
        'degrade': degrade and task != 'downscale',
        'direction': direction != 'AtoB' and task in ('another', 'noise', 'downscale'),
    }
    for name, given in foreign.items():
        if given:
            raise UserError(
                f'config.data.{name} is not an option of config.data.task={task!r}; remove it.'
            )
