"""How runs stand, read from their workdirs: status, time left, newest sheet, curves."""

import pathlib
import threading
from collections.abc import Sequence
from typing import Any

from imggen import progress
from imggen.errors import UserError
from imggen.explore.render import render
from imggen.report import curves, facts, groups, plots, sheets
from imggen.report.formats import time_left
from imggen.workdir import lock, reader
from imggen.workdir.reader import Run

_FILES = ('config.json', 'run.json', 'metrics.jsonl', 'evaluations.jsonl', 'samples', '.lock')


class Watch:
    """A workdir, or a folder of many, such as a sweep.

    Args:
      path: the folder. Runs that appear below it later are found.

    Raises:
      UserError: the folder holds no run.
    """

    def __init__(self, path: pathlib.Path):
        self._path = path
        self._runs = reader.find(path, thin=True)
        self._lock = threading.Lock()
        self._seen, self._text = None, ''

    @property
    def runs(self) -> list[Run]:
        """The runs as they were read last."""
        return self._runs

    def html(self) -> str:
        """Returns what the page shows, made anew if a file has changed.

        Raises:
          UserError: a run cannot be read.
        """
        with self._lock:
            if (seen := self._stamps()) != self._seen:
                self._runs = reader.find(self._path, thin=True)
                self._text = self._render()
                self._seen = seen
            return self._text

    def stop(self, name: str) -> None:
        """Stops the training of one of the runs.

        Raises:
          UserError: there is no such run, or no process of this machine trains it.
        """
        paths = {run.name: run.path for run in self._runs}
        if name not in paths:
            raise UserError(f'there is no run {name!r:.200} here.')
        lock.stop(paths[name])

    def _render(self) -> str:
        runs = self._runs
        grouped, scalars = groups.group(runs), [run.records.scalars for run in runs]
        order = range(len(grouped))
        colors = {index: index for index in order[: plots.NUM_COLORS]}
        planned, failures = reader.planned(self._path), reader.failures(self._path)
        names = {run.name for run in runs}
        return render(
            'watch.html.j2',
            runs=[_standing(run, failures.get(run.name)) for run in runs],
            waiting=len(set(planned) - names - failures.keys()),
            lost={name: why for name, why in failures.items() if name not in names},
            curves=curves.section(runs, scalars, grouped, order, colors),
        )

    def _stamps(self) -> list[tuple[int, int] | None]:
        """Returns when the files of the runs changed, and which process trains each."""
        paths = [run.path / name for run in self._runs for name in _FILES]
        paths += [self._path, self._path / 'failed.json']
        return [*map(_stamp, paths), *(lock.holder(run.path) for run in self._runs)]


def _standing(run: Run, failure: str | None) -> dict[str, Any]:
    """Returns what watch.html.j2 shows of one run."""
    kind, sentence = facts.status(run)
    if failure is not None and kind != 'finished':
        kind = 'failed'
    trains = lock.holder(run.path) is not None
    if trains:
        left = progress.time_left(run.info, *run.records.scalars.get('seconds', ((), ())))
        sentence += f', {time_left(left)}' if left else ''
    elif kind == 'running':
        kind, sentence = 'unknown', f'{sentence}; no process of this machine trains it'
    return {
        'name': run.name,
        'status': (kind, sentence),
        'trains': trains,
        'step': facts.last_step(run) or 0,
        'num_steps': run.info.get('num_steps') or 0,
        'error': failure or run.info.get('error') if kind == 'failed' else None,
        'measures': _measures(run),
        'sheet': _newest(run.samples),
    }


def _measures(run: Run) -> list[tuple[str, float]]:
    """Returns the last value of each metric and loss, with the names that the report gives."""
    values = {name: value for name, (value, _) in run.records.last.items()}
    for line in run.evaluations[-1:]:
        values |= line.get('metrics') or {}
    kept = [name for name in values if name in groups.METRICS or 'loss' in name.lower()]
    kept += [name for name in ('images_per_second',) if name in values]
    return [(groups.METRICS.get(name, (name,))[0], values[name]) for name in kept]


def _newest(samples: Sequence[tuple[int, pathlib.Path]]) -> sheets.Frame | None:
    if not samples:
        return None
    step, path = samples[-1]
    frame = sheets.still(path)
    return frame and frame._replace(step=step)


def _stamp(path: pathlib.Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
