"""Watches the tasks of a sweep: one line that is rewritten on a terminal, plain lines elsewhere."""

import json
import os
import pathlib
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from imggen.progress import clock
from imggen.sweep.local import TaskState, log_path
from imggen.sweep.plan import Task, read_info

_PLAIN_EVERY_SECONDS = 60.0
_TAIL_BYTES = 65_536


def watch(
    launcher,
    tasks: Sequence[Task],
    folder: pathlib.Path,
    *,
    num_runs: int,
    every_seconds: float = 0.5,
    out: TextIO = sys.stderr,
) -> dict[str, str]:
    """Polls until every task has ended.

    Args:
      launcher: `local.Local` or `slurm.Slurm`.
      tasks: the tasks of the launcher.
      folder: the sweep's folder.
      num_runs: number of runs of the whole sweep; those without a task count as finished.
      every_seconds: seconds between two polls.
      out: where the lines go.

    Returns:
      The reason of each failed task, by name.

    Raises:
      KeyboardInterrupt: after `launcher.stop()`.
    """
    line = _Line(tasks, num_runs, out)
    ended = {}
    try:
        while len(ended) < len(tasks):
            states = launcher.poll()
            for task in tasks:
                state = states[task.name]
                if state.kind != 'ended' or task.name in ended:
                    continue
                ended[task.name] = state.reason and explain(task, folder, state.reason)
                verdict = f'FAILED: {state.reason and ended[task.name]}' if state.reason else 'done'
                line.say(f'{task.name}: {verdict}')
            line.show(states)
            if len(ended) < len(tasks):
                time.sleep(every_seconds)
    except KeyboardInterrupt:
        line.say('Stopping.')
        launcher.stop()
        raise
    finally:
        line.close()
    return {name: reason for name, reason in ended.items() if reason}


def explain(task: Task, folder: pathlib.Path, reason: str) -> str:
    """Adds to a reason the last line of the task's output that looks like an error."""
    log = log_path(folder, task.name)
    found = _last_error(log)
    return f'{reason}; {found} (see {log})' if found else f'{reason} (see {log})'


class _Line:
    """The progress line of the whole sweep."""

    def __init__(self, tasks: Sequence[Task], num_runs: int, out: TextIO):
        self._tasks, self._num_runs, self._out = tasks, num_runs, out
        self._is_terminal = out.isatty()
        self._started = self._shown = time.monotonic()
        self._initial = None

    def show(self, states: Mapping[str, TaskState]) -> None:
        now = time.monotonic()
        if not self._is_terminal and now - self._shown < _PLAIN_EVERY_SECONDS:
            return
        steps = {task.name: _step(task.workdir) for task in self._tasks}
        fractions = {
            name: 1.0 if states[name].kind == 'ended' else step / max(total, 1)
            for name, (step, total) in steps.items()
        }
        done = sum(fractions.values())
        if self._initial is None:
            self._initial = done
        self._shown = now
        over = sum(state.kind == 'ended' for state in states.values())
        parts = [f'{self._num_runs - len(self._tasks) + over} of {self._num_runs} runs']
        if done > self._initial:
            left = (now - self._started) * (len(self._tasks) - done) / (done - self._initial)
            parts.append(f'{clock(left)} left')
        parts += [
            f'{name} {step}/{total or "?"}'
            for name, (step, total) in steps.items()
            if states[name].kind == 'running'
        ]
        self._print(' | '.join(parts), rewritten=True)

    def say(self, text: str) -> None:
        self._print(text, rewritten=False)

    def close(self) -> None:
        if self._is_terminal:
            self._out.write('\r\x1b[K')
            self._out.flush()

    def _print(self, text: str, *, rewritten: bool) -> None:
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._out.write(f'\r\x1b[K{text[:width]}' if rewritten else f'\r\x1b[K{text}\n')
        else:
            self._out.write(f'{text}\n')
        self._out.flush()


def _step(workdir: pathlib.Path) -> tuple[int, int]:
    """Returns the step that a run has reached, and its number of steps (0 if not known yet)."""
    info = read_info(workdir)
    step = info.get('step', 0)
    for line in reversed(_tail(workdir / 'metrics.jsonl').split(b'\n')):
        try:
            step = max(step, json.loads(line)['step'])
            break
        except (ValueError, TypeError, KeyError):
            continue  # The line is incomplete, empty, or cut at the start of the tail.
    return step, info.get('num_steps', 0)


def _last_error(log: pathlib.Path) -> str:
    """Returns the line that says what went wrong in the last command of a log.

    JAX may add remarks after a traceback, so the last line that looks like an error is preferred
    to the last line.
    """
    text = _tail(log).decode('utf-8', 'replace')
    lines = [line.strip() for line in re.split(r'^\$ ', text, flags=re.M)[-1].splitlines()[1:]]
    lines = [line for line in lines if line]
    errors = [line for line in lines if re.match(r'error: |[\w.]*(Error|Exception|Exit)\b', line)]
    return (errors or lines or [''])[-1][:500]


def _tail(path: pathlib.Path) -> bytes:
    try:
        with path.open('rb') as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            return file.read()
    except OSError:
        return b''
