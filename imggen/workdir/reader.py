"""Reads what runs left on disk: configs, records, measures, sample sheets.

A run is a folder that holds `config.json`; a sweep is a folder of runs with a
`sweep.json`. Nothing here writes, and nothing here needs JAX, so a report of
many runs starts at once.
"""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imggen.errors import UserError

_MISSING = object()


class Run(NamedTuple):
    """One run as it lies on disk.

    Attributes:
      path: the run's folder.
      name: the folder's path below the folder that was searched, or its own name.
      config: the whole config, nested.
      info: run.json: command, revision, versions, hardware, status; {} if missing.
      records: the lines of metrics.jsonl in order; each has a `step`.
      evaluations: the lines of evaluations.jsonl in order, one an evaluation.
      samples: (step, sheet of samples) by step.
    """

    path: pathlib.Path
    name: str
    config: dict[str, Any]
    info: dict[str, Any]
    records: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    samples: list[tuple[int, pathlib.Path]]


def read(workdir: str | os.PathLike) -> Run:
    """Reads one run; only config.json has to be there.

    Raises:
      UserError: the folder is no run, or one of its files is damaged.
    """
    workdir = pathlib.Path(workdir)
    if not (workdir / 'config.json').is_file():
        raise UserError(f'{workdir} holds no run: there is no config.json in it; name a workdir.')
    info = workdir / 'run.json'
    return Run(
        path=workdir,
        name=workdir.name or workdir.resolve().name,
        config=_read_object(workdir / 'config.json'),
        info=_read_object(info) if info.is_file() else {},
        records=_read_lines(workdir / 'metrics.jsonl'),
        evaluations=_read_lines(workdir / 'evaluations.jsonl'),
        samples=sorted(
            (int(sheet.stem), sheet)
            for sheet in (workdir / 'samples').glob('*.png')
            if sheet.stem.isascii() and sheet.stem.isdecimal()
        ),
    )


def find(path: str | os.PathLike) -> list[Run]:
    """Reads every run at or below a folder: a run, a sweep, or a folder that holds either.

    The runs of a sweep come in the sweep's order, others by name. A run of a
    sweep that has not started is left out.

    Raises:
      UserError: the folder does not exist or holds no run.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise UserError(f'{path} is not a folder; name a workdir or the folder of a sweep.')
    if (path / 'config.json').is_file():
        return [read(path)]
    names = []
    for folder, subfolders, files in os.walk(path):
        if 'config.json' in files:
            names.append(pathlib.Path(folder).relative_to(path).as_posix())
            subfolders.clear()
    if not names:
        raise UserError(f'{path} holds no run: no folder in it has a config.json; name a workdir.')
    order = {name: index for index, name in enumerate(planned(path))}
    names.sort(key=lambda name: (order.get(name, len(order)), name))
    return [read(path / name)._replace(name=name) for name in names]


def planned(path: str | os.PathLike) -> list[str]:
    """Returns the names of the runs that a sweep's folder is to hold; [] if it is no sweep."""
    sweep = pathlib.Path(path) / 'sweep.json'
    if not sweep.is_file():
        return []
    runs = _read_object(sweep).get('runs', [])
    return [str(run['name']) for run in runs if isinstance(run, dict) and 'name' in run]


def flatten(config: Mapping[str, Any], *, prefix: str = '') -> dict[str, Any]:
    """Joins nested keys with dots: {'method': {'loss': 'hinge'}} -> {'method.loss': 'hinge'}."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, prefix=f'{prefix}{key}.')
        else:
            flat[f'{prefix}{key}'] = value
    return flat


def differing(runs: Sequence[Run]) -> list[str]:
    """Returns the flat config keys whose values are not the same in all runs.

    A key that a run does not have counts as a value. Keys come in the order in
    which the configs name them.
    """
    configs = [flatten(run.config) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    return [
        key
        for key in keys
        if any(config.get(key, _MISSING) != configs[0].get(key, _MISSING) for config in configs)
    ]


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read ({error}); restore it or remove the run.') from None
    if not isinstance(value, dict):
        raise UserError(f'{path} should hold a JSON object; restore it or remove the run.')
    return value


def _read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Reads one JSON object a line; a last line that a kill tore off is dropped."""
    if not path.is_file():
        return []
    *lines, last = path.read_bytes().split(b'\n')
    records = []
    for number, line in enumerate([*lines, last], 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            if number == len(lines) + 1:
                break
            raise UserError(
                f'{path} is damaged in line {number}; remove that line and try again.'
            ) from None
        if not isinstance(record, dict) or not isinstance(record.get('step'), int):
            raise UserError(
                f'{path} holds no record with a step in line {number}; remove that line.'
            )
        records.append(record)
    return records
