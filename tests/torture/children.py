"""Training commands in processes of their own, forked from one that has imported everything.

A forked process does what `python -m experiments.train` does, without the seconds that the import
of JAX takes. This process must never start JAX's backend, whose threads do not survive a fork.
"""

import os
import pathlib
import resource
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable

import imggen.training.train  # noqa: F401 Imported once, for all children.


class Child:
    """A forked process. Its output goes to the file `log`."""

    def __init__(self, function: Callable[[], int | None], log: pathlib.Path):
        self.log = log
        self.status = None
        self._started = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            _become(function, log)

    def poll(self) -> int | None:
        """Returns the exit status, negative after a signal, or None while it runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, *, seconds: float = 600.0) -> int:
        """Waits for the end; after so many seconds the process is killed."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                self.send(signal.SIGKILL)
            time.sleep(0.002)
        return self.status

    def send(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def said(self) -> str:
        return self.log.read_text(errors='replace')

    def refusal(self) -> str:
        """Says what is wrong with a refusal; '' for status 1 with one sentence."""
        lines = [line for line in self.said.splitlines() if line.startswith('error: ')]
        if self.status == 1 and len(lines) == 1 and 'Traceback' not in self.said:
            return ''
        return f'status {self.status}: {self.said[-300:]!r}'


def train(
    config: pathlib.Path,
    workdir: pathlib.Path,
    *options: str,
    file_bytes: int | None = None,
    environment: dict[str, str] | None = None,
    log: pathlib.Path | None = None,
) -> Child:
    """Starts the training command. No file of it may grow beyond `file_bytes`."""

    def command():
        os.environ.update(environment or {})
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        sys.argv = ['train', f'--config={config}', f'--workdir={workdir}', *options]
        runpy.run_module('experiments.train', run_name='__main__')

    # Beside the workdir may be a full disk.
    return Child(command, log or config.parent / f'{workdir.name}.log')


def call(
    function: Callable[[], list[str]], log: pathlib.Path, *, seconds: float = 600.0
) -> list[str]:
    """Calls a function in a process of its own, and returns the lines that it returns."""

    def command():
        print('\n'.join(function()))

    child = Child(command, log)
    if child.wait(seconds=seconds):
        return [f'status {child.status}: {child.said[-300:]!r}']
    return [line for line in child.said.splitlines() if line]


def _become(function: Callable[[], int | None], log: pathlib.Path) -> None:
    """Turns a forked process into a command; never returns."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        status = function() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
