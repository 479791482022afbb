"""Writes files atomically, finds the cache folder, and locks paths between processes."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Iterator

from imggen.errors import UserError

_MARK_BYTES = 1000  # Where `refuse_foreign` looks for a mark.


def cache(*parts: str) -> pathlib.Path:
    """Returns a path below the user's cache folder, $XDG_CACHE_HOME/imggen.

    If the variable is unset or empty, the folder is ~/.cache, as the XDG specification says.
    """
    root = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return pathlib.Path(root).expanduser().joinpath('imggen', *parts)


def refuse_address(given: str | os.PathLike) -> None:
    """Raises UserError if a path is an address, such as gs://bucket/run: a folder called `gs:`.

    `given` may also be an argument of a command: --flag=path,path.
    """
    if re.search(r'(^|[=,])[A-Za-z][A-Za-z0-9+.-]+:/', os.fspath(given)):
        raise UserError(
            f'{os.fspath(given)} is an address, and imggen reads and writes files only: mount the '
            'bucket as a folder, for example with gcsfuse or s3fs, or copy what is there before '
            'or after.'
        )


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path to write to, and renames it to `path` at the end.

    A reader never sees a partial file, and after a failure the old file is still there. Missing
    parent folders are made.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = os.fsencode(path.name)
    # A name has at most 255 bytes.
    short = path.name if len(name) < 240 else hashlib.sha256(name).hexdigest()
    partial = path.with_name(f'.{short}.partial')
    try:
        yield partial
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(partial)):
            error.filename = str(path)  # A write to a full disk names no file.
        raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file in UTF-8, atomically."""
    with writing(path) as partial:
        partial.write_text(text, encoding='utf-8')


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file, atomically."""
    with writing(path) as partial:
        partial.write_bytes(content)


def refuse_overwrite(paths: Iterable[str | os.PathLike], *, overwrite: bool) -> None:
    """Raises UserError if something exists at one of the paths, unless `overwrite` allows it."""
    there = [] if overwrite else [path for path in paths if os.path.lexists(path)]
    if there:
        more = f' and {len(there) - 1:,} more exist' if len(there) > 1 else ' exists'
        raise UserError(f'{there[0]}{more}: name another --output, or give --overwrite.')


def refuse_foreign(
    path: str | os.PathLike, *, overwrite: bool = False, mark: str | None = None
) -> None:
    """Raises UserError as `refuse_overwrite`, but not for an empty folder or a file of our own.

    A place where nothing may be written is refused, too.

    Args:
      path: what will be written: a file, or a folder to be filled.
      overwrite: whether the user said that it may be replaced.
      mark: text near the start of every file that the caller writes.
    """
    path = pathlib.Path(path)
    there = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f'{there} may not be written: name another place, or change its rights.')
    if path.is_dir():
        if mark is not None:
            raise UserError(f'{path} is a folder; name a file.')
        if not any(path.iterdir()):
            return
    if mark is not None and path.is_file():
        with path.open('rb') as file:
            if mark.encode() in file.read(_MARK_BYTES):
                return
    refuse_overwrite([path], overwrite=overwrite)


@contextlib.contextmanager
def filling(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields an empty temporary folder to fill, and renames it to `folder` at the end.

    The temporary folder is `.<name>.partial` beside `folder`. An error removes it. If the process
    is killed, the next one clears it.

    Raises:
      UserError: the folder is not empty, cannot be made, or another process is filling it.
    """
    target = folder.resolve()
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f'{folder} exists and is not empty; choose another folder or remove it.')
    if target.is_mount():
        raise UserError(f'{folder} is a mount point; choose a folder in it.')
    partial = target.with_name(f'.{target.name}.partial')
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror.lower()
        raise UserError(f'{folder} cannot be made ({reason}); choose another folder.') from error
    with locked(partial, 'is being filled by another process; wait for it or choose another.'):
        try:
            _clear(partial)
            yield partial
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


@contextlib.contextmanager
def locked(path: pathlib.Path, sentence: str) -> Iterator[None]:
    """Holds an exclusive lock on an existing file or folder.

    The lock ends with the process, even if the process is killed.

    Raises:
      UserError: another process holds the lock. The message is `path` and `sentence`.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f'{path} {sentence}') from error
        except OSError:
            pass  # Some network file systems cannot lock folders. Two processes can enter there.
        yield
    finally:
        os.close(descriptor)


def _clear(folder: pathlib.Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
