"""How the runs of a sweep stand, read from their folders alone: on any machine, at any time."""

import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from imggen import progress
from imggen.errors import UserError
from imggen.report.formats import is_number, number, time_left
from imggen.report.groups import METRICS
from imggen.sweep import claims, logs, slurm
from imggen.sweep.plan import Plan, read_info, read_plan
from imggen.workdir import lock, reader, records


class Course(NamedTuple):
    """How far a run has come.

    Attributes:
      step: the step that it has reached.
      num_steps: its number of steps; 0 if that is not known yet.
      seconds: how long its steps have taken; 0 if no record tells.
      left: as `progress.time_left` estimates it.
      measure: name and value of what was measured last; None if nothing was.
    """

    step: int
    num_steps: int
    seconds: float
    left: tuple[float, str] | None
    measure: tuple[str, float] | None


class Standing(NamedTuple):
    """How a run stands.

    Attributes:
      name: the run.
      state: 'done', 'failed', 'running', 'measuring', 'queued', 'stopped', 'died' (a run that
        was killed, or whose machine went down) or 'waiting'.
      course: how far it has come.
      note: why it failed, or who works on it.
    """

    name: str
    state: str
    course: Course
    note: str


def course(workdir: pathlib.Path) -> Course:
    """Reads how far a run has come from the ends of its files, whatever their length."""
    info, lines = read_info(workdir), list(_records(workdir / 'metrics.jsonl'))
    timed = [(line['step'], line['seconds']) for line in lines if is_number(line.get('seconds'))]
    steps, seconds = zip(*timed, strict=True) if timed else ((), ())
    return Course(
        max([info.get('step', 0), *(line['step'] for line in lines[-1:])]),
        info.get('num_steps', 0),
        seconds[-1] if seconds else 0.0,
        progress.time_left(info, steps, seconds),
        _measure(_evaluations(workdir)) or _measure(lines),
    )


def standings(folder: pathlib.Path) -> list[Standing]:
    """Returns how every run of a sweep stands, in the order of the sweep.

    Raises:
      UserError: the folder holds no sweep, or one of its own files is damaged.
    """
    failed, queued = reader.failures(folder), slurm.queued(folder)
    return [_standing(folder, name, failed, name in queued) for name in read_plan(folder).runs]


def report(folder: pathlib.Path) -> str:
    """Writes one line for each run, and one for the sweep.

    Raises:
      UserError: as `standings`.
    """
    found = standings(folder)
    rows = [_cells(each) for each in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ['  '.join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return '\n'.join([*lines, _summary(found, read_plan(folder))])


def _standing(
    folder: pathlib.Path, name: str, failed: Mapping[str, str], is_queued: bool
) -> Standing:
    workdir = folder / name
    info = read_info(workdir)
    status = info.get('status')
    works = claims.holder(folder, name)
    if works is None and (pid := lock.holder(workdir)):
        works = f'this machine, process {pid}'
    if works is not None:
        state, note = 'measuring' if status == 'finished' else 'running', works
    elif name in failed or status == 'failed':
        state, note = 'failed', failed.get(name) or info.get('error', '')
    else:
        # Nobody works on a run that says that it is running.
        states = {'finished': 'done', 'stopped': 'stopped', 'running': 'died'}
        state, note = states.get(status, 'waiting'), ''
        if is_queued and state != 'done':
            state = 'queued'
    return Standing(name, state, course(workdir), ' '.join(note.split()))


def _cells(each: Standing) -> tuple[str, ...]:
    course, runs = each.course, each.state == 'running'
    measure = ''
    if course.measure:
        measure = f'{course.measure[0]} {number(course.measure[1])}'
    left = time_left(course.left) if runs and course.left else ''
    steps = f'{course.step}/{course.num_steps or "?"}' if course != _NOT_BEGUN else ''
    return each.name, each.state, steps, measure, left, each.note


def _summary(found: list[Standing], plan: Plan) -> str:
    states = [each.state for each in found]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    runs = 'run' if len(found) == 1 else 'runs'
    line = f'{len(found)} {runs}: ' + ', '.join(
        f'{count} {state}' for state, count in counts.items()
    )
    if counts.keys() <= {'done'} or counts.keys() & {'running', 'measuring', 'queued'}:
        return line
    return f'{line}; nobody works on them, and the same command goes on:\n{plan.command}'


_NOT_BEGUN = Course(0, 0, 0.0, None, None)


def _records(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Yields the last records of metrics.jsonl without damaged lines."""
    for line in logs.tail(path).split(b'\n'):
        try:
            record = json.loads(line)
            if records.is_step(record['step']):
                yield record
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # The line is incomplete, empty, or cut at the start of the tail.


def _evaluations(workdir: pathlib.Path) -> list[Mapping[str, Any]]:
    try:
        lines = records.read_lines(workdir / 'evaluations.jsonl')
    except UserError:  # A shared file system may not be able to read it now.
        return []
    return [line['metrics'] for line in lines if isinstance(line.get('metrics'), dict)]


def _measure(lines: list[Mapping[str, Any]]) -> tuple[str, float] | None:
    """Returns the newest value of a known metric, or else of any metric of an evaluation."""
    for line in reversed(lines):
        numbers = {name: value for name, value in line.items() if type(value) in (int, float)}
        for name in (*METRICS, *(() if 'step' in line else numbers)):
            if name in numbers:
                return name, numbers[name]
    return None
