"""The lock of a workdir: one training at a time."""

import contextlib
import fcntl
import os
import pathlib
import re
from collections.abc import Callable, Iterator

from imggen.errors import UserError


def refuse_remote(workdir: str | os.PathLike) -> None:
    """Raises UserError if `workdir` is an address, such as gs://bucket/run, and not a folder."""
    if re.match(r'[A-Za-z][A-Za-z0-9+.-]+:/', os.fspath(workdir)):
        raise UserError(
            f'--workdir={os.fspath(workdir)} is an address, and a run writes to folders only: '
            'mount the bucket and name its folder, or train in a local folder and copy it.'
        )


@contextlib.contextmanager
def held(workdir: pathlib.Path, *, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock of a workdir, which is made if it does not exist.

    The lock is an flock on the file `.lock`. It ends with the process, even if the process is
    killed. NFS keeps it between machines; a file system that has no locks is said.

    Raises:
      UserError: another process holds the lock, or the folder cannot be written to.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(workdir / '.lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UserError(
            f'--workdir={workdir} cannot be written to ({error.strerror}): take another folder or '
            'make room.'
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise UserError(
            f'--workdir={workdir} is in use by another training: wait until it ends, or take '
            'another folder.'
        ) from error
    except OSError as error:
        say(f'{workdir} cannot be locked ({error.strerror}): run one training in it at a time.')
    try:
        yield
    finally:
        os.close(descriptor)
