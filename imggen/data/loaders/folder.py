"""Any folder of pictures, decoded once.

The folder and its sub-folders are scanned for pictures; hidden files and folders are ignored. The
pictures are decoded by threads, resized and kept as one array in the user's cache, from which
later runs read. Unreadable files and links to folders are listed and skipped.
"""

import functools
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from imggen import skipped as skipped_files
from imggen.data import decode
from imggen.data.dataset import Dataset, count_classes
from imggen.data.loaders import folder_cache, label_file
from imggen.errors import UserError

FITS = (*decode.FITS, 'tiles')
_MOST_NAMES = 50  # Classes that a description names.
_BLURRED = 2.0  # A picture that is enlarged more than this is told of.
_CUT = 0.5  # So is one of which less than this share is left.


class Scan(NamedTuple):
    """What a folder holds.

    Attributes:
      files: sorted paths of the pictures, relative to the folder, with forward slashes.
      stamps: what changes with the contents of each: (size in bytes, times of the last change of
        the contents and of the entry in ns, inode).
      num_others: how many files are not pictures, to judge by their names.
      skipped: (folder, reason) of each sub-folder that was not looked into.
    """

    files: tuple[str, ...]
    stamps: tuple[tuple[int, ...], ...]
    num_others: int
    skipped: tuple[tuple[str, str], ...] = ()


def load(
    *,
    path: str,
    size: tuple[int, int],
    split: str = 'train',
    test_fraction: float = 0.0,
    split_by: str = 'file',
    labels: str = 'none',
    fit: str = 'crop',
    channels: int | None = None,
    alpha: bool = False,
    matte: tuple[int, int, int] = decode.WHITE,
) -> Dataset:
    """Loads the pictures under a folder.

    Args:
      path: the folder.
      size: (height, width) in pixels.
      split: 'train' or 'test'.
      test_fraction: fraction of the files that is held out for 'test', chosen by their names.
      split_by: 'file'; or 'folder', which puts all files of one folder into the same split: frames
        of one film, views of one thing.
      labels: 'folders' makes each sub-folder of `path` a class; a .csv or .json file, see
        `label_file`, names the class of each picture, and pictures that it does not name are
        skipped; 'none' gives no labels.
      fit: 'crop', 'pad' or 'stretch' (see `decode.resize`); 'tiles' cuts each picture into as
        many tiles as it holds.
      channels: 1 or 3; None for 1 if all pictures are gray, and 3 otherwise.
      alpha: whether pictures keep their opacity, as a fourth channel. The color of places that are
        fully transparent becomes black.
      matte: RGB in [0, 255] behind transparent pictures, if they do not keep their opacity.

    Raises:
      UserError: an option has a wrong value, or the split holds no readable picture.
    """
    if isinstance(size, int):
        raise UserError(f'config.data.size={size} is one number: give height,width.')
    size, matte = tuple(size), tuple(matte)
    check_split(split, test_fraction)
    decode.check_options(size=size, fit=fit, channels=channels, matte=matte, fits=FITS)
    _check_options(labels=labels, split_by=split_by, alpha=alpha, channels=channels)
    root, channels = root_of(path), 4 if alpha else channels
    found = pictures(root)
    options = folder_cache.Options(size=size, fit=fit, channels=channels, matte=matte)
    images, index = folder_cache.load_or_build(root, found.files, found.stamps, options)
    if not index.files:
        raise UserError(
            f'none of the {len(found.files)} pictures in {root} can be read; the first: '
            f'{index.unreadable[0][1]}. Set config.data.path to another folder.'
        )
    kept = _in_split(index.files, split, test_fraction, split_by)
    names, numbers, unlabeled = _labels(root, index.files, labels)
    labeled = np.ones_like(kept) if numbers is None else numbers >= 0
    num_held_out, kept = np.count_nonzero(labeled & ~kept), kept & labeled
    skipped = (*found.skipped, *index.unreadable, *unlabeled)
    list_unreadable(skipped)
    _warn_of_sizes(root, index, size, fit)
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise UserError(
            f'{root} has no pictures for the split {split!r} with config.data.test_fraction='
            f'{test_fraction}: which pictures are held out depends on their names; change the '
            'fraction, or add pictures.'
        )
    if len(rows) == 1 and split == 'train':
        _warn_once(f'{root} holds one picture to train on: a generator can only repeat it.')
    shape = (len(rows), *images.shape[1:])
    counts = () if numbers is None else count_classes(numbers[rows], names)
    if split == 'train' and 0 in counts:
        _warn_of_empty(root, names, counts)

    def read(selection):
        image = {'image': images[rows[selection]]}
        return image if numbers is None else {**image, 'label': numbers[rows[selection]]}

    held_out = f', {num_held_out:,} held out,' if num_held_out and split == 'train' else ''
    description = f'{root} ({split}): {_sizes(shape)}{held_out} from {_files(found, index)}'
    if counts:
        description += f'; {_in_words(names, counts)}'
    files = tuple(index.files[row] for row in rows)
    reasons = tuple(reason for _, reason in skipped)
    return Dataset(read, shape, description, names, counts, files=files, skipped=reasons)


def _sizes(shape: tuple[int, ...]) -> str:
    return f'{shape[0]:,} images of {shape[1]} x {shape[2]} x {shape[3]}'


def _files(found: Scan, index: folder_cache.Index) -> str:
    others = f'{found.num_others:,} other file{"" if found.num_others == 1 else "s"}'
    return f'{len(found.files):,} files, {len(index.unreadable):,} unreadable, {others}'


def _check_options(*, labels: str, split_by: str, alpha: bool, channels: int | None) -> None:
    if labels not in ('none', 'folders') and not labels.lower().endswith(('.csv', '.json')):
        raise UserError(
            f'config.data.labels is {labels!r}; choose none, folders, or a .csv or .json file.'
        )
    if alpha and channels is not None:
        raise UserError(
            f'config.data.alpha=True means four channels, and config.data.channels is {channels}. '
            'Leave alpha out where the config starts from a run without it, as :pretrained does; '
            'configs/gan_folder.py keeps it. Otherwise leave channels out.'
        )
    if split_by not in ('file', 'folder'):
        raise UserError(f'config.data.split_by is {split_by!r}; choose one of file, folder.')


def _in_split(files: Sequence[str], split: str, test_fraction: float, split_by: str) -> np.ndarray:
    """Returns for each file whether it, or the folder that holds it, belongs to the split."""
    if split_by == 'folder':
        files = [pathlib.PurePosixPath(file).parent.as_posix() for file in files]
    return np.asarray([in_split(name, split, test_fraction) for name in files])


def root_of(path: str) -> pathlib.Path:
    """Returns the folder of config.data.path; raises UserError if the option is empty."""
    if not path:
        raise UserError('config.data.path is missing: give --config.data.path=FOLDER.')
    return pathlib.Path(path).expanduser()


def pictures(root: pathlib.Path) -> Scan:
    """Lists the pictures under the folder of config.data.path; raises UserError without any."""
    found = scan(root)
    if not found.files:
        suffixes = ', '.join(sorted(decode.SUFFIXES))
        raise UserError(
            f'{root} holds no pictures ({suffixes}); set config.data.path to a folder of pictures.'
        )
    return found


def scan(root: pathlib.Path, *, option: str = 'config.data.path') -> Scan:
    """Lists the pictures under a folder; raises UserError, which names `option`, if it is none."""
    if not root.is_dir():
        raise UserError(f'{root} is not a folder; set {option} to one.')
    stamps, num_others, skipped = {}, 0, {}

    def note(error):
        name = os.path.relpath(error.filename, root)
        skipped[name] = f'{error.filename} cannot be listed ({error.strerror})'

    for parent, folders, names in os.walk(root, onerror=note):
        folders[:] = [name for name in folders if not name.startswith('.')]
        for link in (pathlib.Path(parent, name) for name in folders):
            if link.is_symlink():  # It may lead to a folder above.
                skipped[link.relative_to(root).as_posix()] = f'{link} is a link to a folder'
        for name in names:
            file = pathlib.Path(parent, name)
            if name.startswith('.'):
                continue
            if file.suffix.lower() not in decode.SUFFIXES:
                num_others += 1
                continue
            stamps[file.relative_to(root).as_posix()] = _stamp(file)
    files = tuple(sorted(stamps))
    listed = tuple(stamps[file] for file in files)
    return Scan(files, listed, num_others, tuple(sorted(skipped.items())))


def _stamp(file: pathlib.Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:  # A dangling link, which decoding reports.
        return -1, -1, -1, -1
    # The last two differ where a file was replaced by one of the same size and time.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def in_split(name: str, split: str, test_fraction: float) -> bool:
    """Returns whether a file, or a folder, belongs to a split, which its name alone decides."""
    digest = hashlib.sha256(os.fsencode(name)).digest()
    is_test = int.from_bytes(digest[:8], 'big') < test_fraction * 2**64
    return is_test == (split == 'test')


def _labels(
    root: pathlib.Path, files: Sequence[str], labels: str
) -> tuple[tuple[str, ...], np.ndarray | None, tuple[tuple[str, str], ...]]:
    """Returns the names of the classes, the number of each file's, and (file, reason) of the rest.

    A file without a class has the number -1. There are no numbers if `labels` is 'none'.
    """
    if labels == 'none':
        return (), None, ()
    classes = _classes(root, files, labels)
    names = label_file.names(filter(None, classes))
    by_name = {name: number for number, name in enumerate(names)} | {'': -1}
    numbers = np.asarray([by_name[name] for name in classes], np.int32)
    why = 'is in no sub-folder' if labels == 'folders' else f'has no label in {labels}'
    unlabeled = tuple(
        (files[row], f'{root / files[row]} {why}') for row in np.flatnonzero(numbers < 0)
    )
    return names, numbers, unlabeled


def _classes(root: pathlib.Path, files: tuple[str, ...], labels: str) -> list[str]:
    """Returns the name of each file's class; '' for a file without one."""
    if labels != 'folders':
        own = pathlib.Path(labels).expanduser()
        by_file = label_file.read(own if own.is_file() else root / own)
        if strange := sorted(by_file.keys() - set(files)):
            _warn_once(
                f'{labels} names files that are no readable pictures of {root} '
                f'({len(strange):,}; the first: {skipped_files.printable(strange[0])})'
            )
        classes = [by_file.get(file, '') for file in files]
        if not any(classes):
            raise UserError(
                f'{labels} names no picture of {root}, such as {files[0]}: write files relative to '
                'the folder.'
            )
        return classes
    classes = [file.split('/', 1)[0] if '/' in file else '' for file in files]
    if not any(classes):
        raise UserError(
            f'{root / files[0]} is in no sub-folder, nor is another picture: make a sub-folder for '
            "each class, or set config.data.labels to 'none'."
        )
    return classes


def _warn_of_empty(root: pathlib.Path, names: tuple[str, ...], counts: tuple[int, ...]) -> None:
    empty = [name for name, count in zip(names, counts, strict=True) if not count]
    shown = skipped_files.printable(empty[0])
    _warn_once(
        f'{root}: all pictures of {len(empty)} of the {len(names)} classes are held out, so '
        f'nothing is learned of them; the first of these classes is {shown}'
    )


def _warn_of_sizes(root: pathlib.Path, index: folder_cache.Index, size, fit: str) -> None:
    """Logs how many pictures are blurred because they are small, or lose most to the crop."""
    ratios = np.asarray(size) / np.asarray(index.sizes)
    enlargements = ratios.min(1) if fit == 'pad' else ratios.max(1)
    shares = ratios.min(1) / ratios.max(1)
    height, width = size

    def warn(broken, worst, what):
        if broken.any():
            (own_height, own_width), file = index.sizes[worst], index.files[worst]
            _warn_once(
                f'{root}: {broken.sum():,} of {len(broken):,} pictures {what}; the worst is '
                f'{skipped_files.printable(file)}, {own_height} x {own_width}'
            )

    warn(
        enlargements > _BLURRED,
        enlargements.argmax(),
        f'are smaller than half of {height} x {width} and are blurred by being enlarged',
    )
    if fit == 'crop':
        warn(
            shares < _CUT,
            shares.argmin(),
            f'lose more than half where they are cut to {height} x {width} '
            '(config.data.fit=pad keeps the whole of each)',
        )


def _in_words(names: tuple[str, ...], counts: tuple[int, ...]) -> str:
    """Returns the classes with their numbers of images."""
    shown = ', '.join(f'{name} ({count:,})' for name, count in zip(names, counts, strict=True))
    if len(names) > _MOST_NAMES:
        shown = f'{names[0]} to {names[-1]}, with {min(counts):,} to {max(counts):,} images each'
    return f'{len(names)} classes: {skipped_files.printable(shown)}'


def list_unreadable(unreadable: Sequence[tuple[str, str]]) -> None:
    """Logs the first skipped files of a folder, given as (file, reason)."""
    for line in skipped_files.lines([reason for _, reason in unreadable]):
        _warn_once(line)


@functools.cache
def _warn_once(line: str) -> None:
    # Both splits read the whole folder, and would say the same.
    logging.warning('%s', line)


def check_split(split: str, test_fraction: float) -> None:
    """Raises UserError unless split and fraction are valid."""
    if split not in ('train', 'test'):
        raise UserError(f'config.data.split is {split!r}; choose one of train, test.')
    if not 0 <= test_fraction < 1:
        raise UserError(
            f'config.data.test_fraction is {test_fraction}; set it to 0 or more and below 1.'
        )
