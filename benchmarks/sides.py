"""The sides of a comparison: each is a process that works for one turn when it is told to.

`started` runs `python -m benchmarks.sides FUNCTION OPTIONS PRECISION` and talks to it in lines. The
process prepares its work, and prints one JSON object of facts. It then does one turn for every line
that it reads, and prints the seconds of the turn. At the end of its input it ends. So all sides of
a row are alive at once and take turns, and a machine that slows down slows all of them.
"""

import contextlib
import importlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

_PATIENCE_SECONDS = 600.0  # For one answer.


class SideError(Exception):
    """A side failed; the message is one sentence."""


class Side:
    """The process of a side, seen from `benchmarks.run`.

    Attributes:
      facts: what the process said when it was ready.
    """

    def __init__(self, process: subprocess.Popen):
        self._process = process
        self.facts = self._answer()

    def turn(self) -> dict[str, Any]:
        """Lets the side work for one turn; returns its `seconds` and its `peak_mib` so far."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write('\n')
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        timer = threading.Timer(_PATIENCE_SECONDS, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            raise SideError(f'the process ended with status {self._process.wait()}')
        answer = json.loads(line)
        if 'failed' in answer:
            raise SideError(answer['failed'])
        return answer


@contextlib.contextmanager
def started(
    function: str,
    options: Mapping[str, Any],
    *,
    precision: str = 'float32',
    python: str = sys.executable,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Side]:
    """Starts a side; yields it when it is ready.

    Args:
      function: 'module.function', which takes its `Turns` and the options.
      options: its keyword arguments, which JSON can hold.
      precision: what the side computes in, one of `imggen.training.precision.PRECISIONS`.
      python: the interpreter.
      variables: more environment variables.

    Raises:
      SideError: it failed before it was ready.
    """
    process = subprocess.Popen(
        [python, '-m', 'benchmarks.sides', function, json.dumps(options), precision],
        env={**os.environ, **(variables or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Side(process)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


class Turns:
    """The turns of a side, seen from its process.

    Args:
      orders: one line for every turn.
      answers: takes one line of JSON for every answer.
      precision: what the side computes in.

    Attributes:
      finish: waits for a device that is still at work. A turn ends after it.
      peak_mib: returns the most memory so far. On a GPU a side replaces it by the GPU's memory.
    """

    def __init__(self, orders: TextIO, answers: TextIO, *, precision: str = 'float32'):
        self._orders, self._answers, self.precision = orders, answers, precision
        self.finish: Callable[[], None] = lambda: None
        # Without the imports, so that what a side imports beyond its needs does not count.
        self.peak_mib = lambda: max(0.0, _memory_mib('VmHWM') - self._imports_mib)
        self._begun, self._imports_mib = time.perf_counter(), _memory_mib('VmRSS')
        self._started = None

    def ready(self, worked: float, **facts) -> None:
        """Says that the side is ready.

        Args:
          worked: seconds of real work so far. The other seconds since the imports went to
            preparations: initialization, tracing, compilation.
          **facts: what the table shows: `version`, `parameters`, `flops` of a turn.
        """
        start = time.perf_counter() - self._begun - worked
        self.answer(start=max(0.0, start), **facts)  # Below 0 if the last call was a slow one.

    def wait(self) -> bool:
        """Ends a turn and waits for the next one; returns False if there is none."""
        if self._started is not None:
            self.finish()
            seconds = time.perf_counter() - self._started
            self.answer(seconds=seconds, peak_mib=self.peak_mib())
        if not self._orders.readline():
            return False
        self._started = time.perf_counter()
        return True

    def repeat(self, step: Callable[[], Any], steps: int, *, warmups: int = 1, **facts) -> None:
        """Serves all turns with `steps` calls of a function.

        Before that it is called `warmups` times, in which it compiles, and once more.
        """
        for _ in range(warmups):
            step()
        self.finish()
        begun = time.perf_counter()
        step()
        self.finish()
        self.ready((1 + warmups) * (time.perf_counter() - begun), **facts)
        while self.wait():
            for _ in range(steps):
                step()

    def answer(self, **values) -> None:
        """Sends one line."""
        print(json.dumps(values), file=self._answers, flush=True)


def _memory_mib(name: str) -> float:
    """Returns a line of /proc/self/status; unlike getrusage it leaves out the parent's memory."""
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{name}:'):
            return int(line.split()[1]) / 1024
    raise OSError(f'/proc/self/status has no {name}.')


def serve(
    function: str,
    options: Mapping[str, Any],
    orders: TextIO,
    answers: TextIO,
    *,
    precision: str = 'float32',
) -> None:
    """Runs a side in this process; an error becomes an answer."""
    module, _, name = function.rpartition('.')
    try:
        call = getattr(importlib.import_module(module), name)
        call(Turns(orders, answers, precision=precision), **options)
    except Exception as error:
        traceback.print_exc()
        first = (str(error).strip().splitlines() or [''])[0]
        print(json.dumps({'failed': f'{type(error).__name__}: {first}'}), file=answers, flush=True)


def main(function: str, options: str, precision: str) -> None:
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # What libraries print must not look like an answer.
    serve(function, json.loads(options), sys.stdin, answers, precision=precision)


if __name__ == '__main__':
    main(*sys.argv[1:])
