"""The decoded pictures of a folder as one array on disk.

An entry of the cache is a folder. Its name is a hash of the options, of the place of the pictures
and of the names, sizes, times and inodes of the files, so that another or a changed folder gets
another entry:

    images.npy   uint8 [n, height, width, channels], read as a memory map
    index.json   the file of each image and its own size; the unreadable files with the reasons

An entry is written to a temporary folder and renamed at the end, so that it is never incomplete.
Several processes may build the same entry at once: the first one to finish wins, and none waits.
If an entry is damaged later, it is made again.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from imggen import files as files_lib
from imggen.data import decode
from imggen.errors import UserError
from imggen.progress import Progress

_FORMAT = 3  # To increase when the contents of an entry change.
_CHUNK = 256  # Files decoded between two writes.
_MANY = 1000  # Files whose decoding shows progress.
_LEFT_SECONDS = 24 * 3600.0


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of `folder.load` that change the decoded array."""

    size: tuple[int, int]
    fit: str
    channels: int | None
    matte: tuple[int, int, int]


class Index(NamedTuple):
    """Where the images came from.

    Attributes:
      files: the file of each image [n], relative to the folder; repeated for tiles.
      sizes: (height, width) of each image before it was resized.
      unreadable: (file, reason) of each file that was skipped.
    """

    files: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    unreadable: tuple[tuple[str, str], ...]


def load_or_build(
    root: pathlib.Path,
    files: tuple[str, ...],
    stamps: tuple[tuple[int, ...], ...],
    options: Any,
    *,
    decode_file: Callable[[pathlib.Path, str, Any], tuple[np.ndarray, tuple[int, int]]]
    | None = None,
) -> tuple[np.ndarray, Index]:
    """Returns the images [n, height, width, channels], a memory map, and their index.

    Args:
      root: the folder.
      files: names of the files, relative to it.
      stamps: of each file, numbers that change with its contents; see `folder.Scan`.
      options: a dataclass with `size`, `channels` and all else that changes the decoded array.
      decode_file: (root, file, options) -> the images of one file, uint8 [k, *size, channels], and
        their (height, width) before they were resized; raises `decode.DecodeError`. By default it
        decodes pictures for `Options`.

    Raises:
      UserError: the cache cannot be written, or has no room for the images.
    """
    place = str(root.resolve())
    identity = json.dumps([_FORMAT, place, dataclasses.asdict(options), files, stamps])
    entry = (
        files_lib.cache('folders')
        / hashlib.sha256(identity.encode(errors='replace')).hexdigest()[:32]
    )
    try:
        if entry.exists():
            try:
                return _read(entry)
            except PermissionError:  # Another user's, who may keep it.
                raise
            except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
                logging.warning('The cache entry %s is damaged (%s), made again.', entry, error)
                shutil.rmtree(entry)
        logging.info('Decoding %d pictures of %s into %s.', len(files), root, entry)
        _write(entry, root, files, options, decode_file or _decode)
    except OSError as error:
        raise UserError(
            f'{entry.parent} cannot be used ({error}); set XDG_CACHE_HOME to a folder of your own '
            'with room.'
        ) from error
    return _read(entry)


def _read(entry: pathlib.Path) -> tuple[np.ndarray, Index]:
    content = json.loads((entry / 'index.json').read_text())
    index = Index(
        tuple(content['files']),
        tuple((height, width) for height, width in content['sizes']),
        tuple((file, reason) for file, reason in content['unreadable']),
    )
    path = entry / 'images.npy'
    # NumPy cannot map an empty array.
    images = np.load(path, mmap_mode='r' if index.files else None, allow_pickle=False)
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(index.files):
        raise ValueError(f'images.npy does not hold the {len(index.files)} images of index.json')
    return images, index


def _write(
    entry: pathlib.Path,
    root: pathlib.Path,
    files: tuple[str, ...],
    options: Options,
    decode_file: Callable,
) -> None:
    """Builds an entry in a temporary folder and renames it."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(entry.parent)
    _check_room(entry.parent, len(files), options)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=entry.parent, prefix='.partial-'))
    try:
        _build(scratch, root, files, options, decode_file)
        # mkdtemp lets nobody else in, but several users may share a cache.
        scratch.chmod(entry.parent.stat().st_mode & 0o777)
        try:
            scratch.rename(entry)
        except OSError:  # Another process was faster; its entry is the same.
            if not entry.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_room(folder: pathlib.Path, num_files: int, options: Options) -> None:
    """Raises UserError if a folder has no room for an image of each file."""
    height, width = options.size
    needed = num_files * height * width * (options.channels or 3)
    if needed > (free := shutil.disk_usage(folder).free):
        raise UserError(
            f'{num_files:,} pictures of {height} x {width} need {needed / 1e9:,.1f} GB in '
            f'{folder}, which has {free / 1e9:,.1f} GB: lower config.data.size, or set '
            'XDG_CACHE_HOME to a folder with room.'
        )


def _remove_left(folder: pathlib.Path) -> None:
    """Removes what killed processes began to decode, a day or more after their last write."""
    for scratch in folder.glob('.partial-*'):
        with contextlib.suppress(OSError):  # Another process has finished it, or another user's.
            newest = max(path.stat().st_mtime for path in (scratch, *scratch.iterdir()))
            if newest < time.time() - _LEFT_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)


def _build(
    folder: pathlib.Path,
    root: pathlib.Path,
    files: tuple[str, ...],
    options: Options,
    decode_file: Callable,
) -> None:
    def attempt(file):
        try:
            images, size = decode_file(root, file, options)
        except decode.DecodeError as error:
            return error
        return images, size, decode.is_gray(images)

    origins, sizes, unreadable, all_gray = [], [], [], True
    shape = (*options.size, options.channels or 3)
    progress = Progress(len(files), unit='file', active=len(files) >= _MANY)
    with (
        open(folder / 'images.npy', 'wb') as target,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor,
    ):
        _write_header(target, (0, *shape))
        for first in range(0, len(files), _CHUNK):
            chunk = files[first : first + _CHUNK]
            results = executor.map(attempt, chunk)
            for file, result in zip(chunk, results, strict=True):
                if isinstance(result, decode.DecodeError):
                    unreadable.append((file, str(result)))
                    continue
                images, size, gray = result
                all_gray &= gray
                origins += [file] * len(images)
                sizes += [size] * len(images)
                target.write(images.tobytes())
            progress.advance(first + len(chunk))
        target.seek(0)
        _write_header(target, (len(origins), *shape))
        target.flush()
        os.fsync(target.fileno())
    progress.close()
    if options.channels is None and all_gray and origins:
        _drop_color(folder / 'images.npy')
    index = {'files': origins, 'sizes': sizes, 'unreadable': unreadable}
    (folder / 'index.json').write_text(json.dumps(index))


def _decode(root: pathlib.Path, file: str, options: Options) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns the images of one file, uint8 [n, height, width, channels], and its own size."""
    if options.channels == 4:
        picture = decode.decode_alpha(root / file)
    else:
        picture = decode.decode(root / file, matte=options.matte)
        picture = decode.to_channels(picture, options.channels or 3)
    if options.fit == 'tiles':
        images = decode.tiles(picture, options.size)
    else:
        images = decode.resize(picture, options.size, fit=options.fit, matte=options.matte)[None]
    return images, picture.shape[:2]


def _write_header(target, shape: tuple[int, ...]) -> None:
    # NumPy leaves room for the first dimension to grow, so the length stays the same.
    np.lib.format.write_array_header_1_0(
        target, {'descr': '|u1', 'fortran_order': False, 'shape': shape}
    )


def _drop_color(path: pathlib.Path) -> None:
    """Rewrites an array of three equal channels as one channel."""
    color = np.load(path, mmap_mode='r', allow_pickle=False)
    narrow = path.with_suffix('.gray')
    with open(narrow, 'wb') as target:
        _write_header(target, (*color.shape[:-1], 1))
        for first in range(0, len(color), _CHUNK):
            target.write(color[first : first + _CHUNK, ..., :1].tobytes())
        target.flush()
        os.fsync(target.fileno())
    narrow.replace(path)
