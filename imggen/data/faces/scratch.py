"""Folders that are there whole or not at all.

What fills a folder works in `.<name>.partial` beside it, which takes the folder's place
in one step when all is done and is removed when something goes wrong. A run that was
killed leaves it behind; the next one into the same folder clears it and starts anew.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
from collections.abc import Iterator

from imggen.errors import UserError


@contextlib.contextmanager
def beside(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives an empty folder to fill, which becomes `folder` at the end.

    Args:
      folder: not there yet, or empty.

    Raises:
      UserError: a folder that holds something, that cannot be made, or that another
        run is filling.
    """
    target = folder.resolve()
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f'{folder} is there and not empty; choose another folder or remove it.')
    if target.is_mount():
        raise UserError(f'{folder} is where a file system is mounted; choose a folder in it.')
    partial = target.with_name(f'.{target.name}.partial')
    try:
        partial.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_RDONLY)
    except OSError as error:
        reason = error.strerror.lower()
        raise UserError(f'{folder} cannot be made ({reason}); choose another folder.') from error
    try:
        _lock(descriptor, partial)
        try:
            _clear(partial)
            yield partial
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)


def _lock(descriptor: int, partial: pathlib.Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            f'{partial} is being filled by another run; wait for its end or choose another folder.'
        ) from error
    except OSError:
        pass  # Some network file systems lock no folders: there nobody watches for a second run.


def _clear(folder: pathlib.Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
