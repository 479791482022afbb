"""Who works on a sweep: processes of one machine or of several share its runs.

All locks are flocks. NFS keeps them between machines, and they end with the process.

  .lock           held together by all processes that run the sweep
  .claims/NAME    held by the process that works on the run NAME, and by the programs that it
                  starts; the file says which process of which machine that is
  .mutex          held for a moment by the process that writes files of the whole sweep
"""

import contextlib
import fcntl
import os
import pathlib
import socket
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def sweeping(
    folder: pathlib.Path, *, begin: Callable[[], None], joins: Callable[[], bool]
) -> Iterator[None]:
    """Holds the lock of a sweep.

    Args:
      folder: the sweep's folder; made if missing.
      begin: called if no other process runs a sweep in the folder, before any other can join.
      joins: whether this process runs what the others do. If not, it waits until they have ended.
    """
    with _opened(folder / '.lock') as lock:
        if _flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            begin()
        else:
            _flock(lock, fcntl.LOCK_SH)  # Waits until the first process has begun.
            if joins():
                print(f'Joins the sweep that runs in {folder}.', file=sys.stderr, flush=True)
            else:
                print(f'Waiting for another sweep in {folder}.', file=sys.stderr, flush=True)
                _flock(lock, fcntl.LOCK_EX)
                begin()
        _flock(lock, fcntl.LOCK_SH)
        yield


def take(folder: pathlib.Path, name: str, *, wait: bool = False) -> int | None:
    """Claims a run.

    Returns:
      A file descriptor, which holds the claim until it is closed, also in programs that inherit
      it. None if another process has the claim and `wait` is False.
    """
    descriptor = _open(_path(folder, name))
    if not _flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)):
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f'{socket.gethostname()}, process {os.getpid()}'.encode(), 0)
    return descriptor


def holder(folder: pathlib.Path, name: str) -> str | None:
    """Returns 'MACHINE, process NUMBER' of the process that has claimed a run; None if none has."""
    try:
        with _path(folder, name).open('rb') as file:
            if _flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB):
                return None
            return file.read(200).decode('utf-8', 'replace')
    except OSError:
        return None


@contextlib.contextmanager
def mutex(folder: pathlib.Path) -> Iterator[None]:
    """Waits until no other process writes files of the whole sweep, and keeps others waiting."""
    with _opened(folder / '.mutex') as descriptor:
        _flock(descriptor, fcntl.LOCK_EX)
        yield


def _path(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder / '.claims' / name


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[int]:
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: pathlib.Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _flock(descriptor: int, how: int) -> bool:
    """Returns whether the lock could be had; True where the file system has no locks."""
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError:
        pass  # Then nothing tells processes apart: docs/sweeps.md says to run only one.
    return True
