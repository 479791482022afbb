"""Watches the tasks of a sweep: one line that is rewritten on a terminal, plain lines elsewhere."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from imggen.progress import clock
from imggen.sweep.local import TaskState
from imggen.sweep.plan import Task
from imggen.sweep.standing import Course, course

_PLAIN_EVERY_SECONDS = 60.0


def watch(
    launcher,
    tasks: Sequence[Task],
    *,
    num_runs: int,
    every_seconds: float = 0.5,
    out: TextIO = sys.stderr,
) -> dict[str, str]:
    """Polls until every task has ended.

    Args:
      launcher: `local.Local` or `slurm.Slurm`.
      tasks: the tasks of the launcher.
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
            line.note(states)
            for task in tasks:
                state = states[task.name]
                if state.kind != 'ended' or task.name in ended:
                    continue
                ended[task.name] = state.reason
                verdict = f'FAILED: {state.reason}' if state.reason else 'done'
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


def seconds_left(running: Sequence[Course], num_left: int) -> float | None:
    """Estimates the time to the end of a sweep from the paces of the runs at work.

    A run that has not begun takes as long as these do on average. What happens once, such as
    compiling and evaluating, does not count, nor does a run that has another phase before it.
    """
    timed = [(at.seconds, at.left[0]) for at in running if at.left and not at.left[1]]
    if not timed:
        return None
    whole = sum(done + left for done, left in timed) / len(timed)
    begun = sum(left for _, left in timed)
    return (begun + whole * (num_left - len(timed))) / len(running)


def seconds_left_after(
    finished: Sequence[float], at_work: Sequence[float], num_left: int
) -> float | None:
    """Estimates the time to the end of a sweep from its finished runs; None without any.

    Args:
      finished: seconds that each finished run took, with compiling and evaluating.
      at_work: seconds that each run at work has taken so far.
      num_left: number of runs that have not finished.
    """
    if not finished:
        return None
    whole = sum(finished) / len(finished)
    left = whole * num_left - sum(min(seconds, whole) for seconds in at_work)
    return left / max(1, len(at_work))


class _Line:
    """The progress line of the whole sweep."""

    def __init__(self, tasks: Sequence[Task], num_runs: int, out: TextIO):
        self._tasks, self._num_runs, self._out = tasks, num_runs, out
        self._is_terminal = out.isatty()
        self._shown = time.monotonic()
        self._began, self._finished = {}, []

    def note(self, states: Mapping[str, TaskState]) -> None:
        """Notes when runs begin and end."""
        now = time.monotonic()
        for name, state in states.items():
            if state.kind == 'running':
                self._began.setdefault(name, now)
            elif state.kind == 'ended' and (began := self._began.pop(name, None)) is not None:
                self._finished += [] if state.reason else [now - began]

    def show(self, states: Mapping[str, TaskState]) -> None:
        now = time.monotonic()
        if not self._is_terminal and now - self._shown < _PLAIN_EVERY_SECONDS:
            return
        self._shown = now
        over = sum(state.kind == 'ended' for state in states.values())
        parts = [f'{self._num_runs - len(self._tasks) + over} of {self._num_runs} runs']
        running = {
            task.name: course(task.workdir)
            for task in self._tasks
            if states[task.name].kind == 'running'
        }
        num_left = len(self._tasks) - over
        at_work = [now - began for began in self._began.values()]
        left = seconds_left_after(self._finished, at_work, num_left)
        if left is None:
            left = seconds_left(list(running.values()), num_left)
        if left is not None:
            parts.append(f'{clock(left)} left')
        for name, at in running.items():
            is_measured = at.num_steps and at.step >= at.num_steps
            parts.append(
                f'{name} ' + ('measuring' if is_measured else f'{at.step}/{at.num_steps or "?"}')
            )
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
