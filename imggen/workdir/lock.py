"""The lock of a workdir: one training at a time, and who holds it."""

import contextlib
import fcntl
import os
import pathlib
import re
import signal
from collections.abc import Callable, Iterator

from imggen.errors import UserError


@contextlib.contextmanager
def held(workdir: pathlib.Path, *, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock of a workdir, which is made if it does not exist.

    The lock is an flock on the file `.lock`. It ends with the process, even if the process is
    killed. NFS keeps it between machines; a file system that has no locks is said. The file holds
    the number of the process.

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
        with contextlib.suppress(OSError):  # On a full disk the lock still holds.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(workdir: pathlib.Path) -> int | None:
    """Returns the process of this machine that holds the lock of a workdir; None if none does.

    The number in the file is only a hint, since the process may be gone and its number given to
    another one. The kernel (Linux, /proc) must agree that the process has a lock on this file.
    """
    try:
        # It may be a pipe, which would wait for ever.
        descriptor = os.open(workdir / '.lock', os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status, pid = os.fstat(descriptor), int(os.read(descriptor, 20))
        finally:
            os.close(descriptor)
        for opened in pathlib.Path(f'/proc/{pid}/fd').iterdir():
            if os.path.samestat(status, opened.stat()):
                about = pathlib.Path(f'/proc/{pid}/fdinfo/{opened.name}').read_text()
                if re.search(r'^lock:.*\bWRITE\b', about, re.MULTILINE):
                    return pid
    except (OSError, ValueError):
        pass
    return None


def stop(workdir: pathlib.Path) -> None:
    """Sends SIGTERM to the training in a workdir, which then saves its state and ends.

    Raises:
      UserError: no process of this machine trains there, or it belongs to another user.
    """
    pid = holder(workdir)
    if pid is None:
        raise UserError(f'no process of this machine trains in {workdir}: nothing was stopped.')
    try:
        process = os.pidfd_open(pid)
        try:
            # The descriptor keeps the number from being given to another process; ask once more.
            if holder(workdir) == pid:
                signal.pidfd_send_signal(process, signal.SIGTERM)
        finally:
            os.close(process)
    except ProcessLookupError:
        pass  # It has just ended.
    except PermissionError:
        raise UserError(
            f'the training in {workdir} belongs to another user, who alone can stop it.'
        ) from None
