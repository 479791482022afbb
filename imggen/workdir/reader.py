"""Reads what runs leave on disk: configs, records, evaluations, sheets of samples.

A run is a folder that holds `config.json`; a sweep is a folder of runs with a `sweep.json`.
This module only reads, and it does not import JAX, so that a report of many runs starts at
once.
"""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imggen.errors import UserError

# The version of a workdir: names of files, options of configs, structure of states. config.json
# records it under 'format'.
FORMAT = 2

_MISSING = object()


class Run(NamedTuple):
    """What one run has left on disk.

    Attributes:
      name: the path of the run below the folder that was searched, or the name of its own folder.
      config: the whole config, nested.
      info: run.json, which holds command, revision, versions, hardware and status; {} if
        there is none.
      records: the lines of metrics.jsonl in order; each has a `step`.
      evaluations: the lines of evaluations.jsonl in order, one for each evaluation.
      samples: (step, sheet of samples), sorted by step.
    """

    path: pathlib.Path
    name: str
    config: dict[str, Any]
    info: dict[str, Any]
    records: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    samples: list[tuple[int, pathlib.Path]]


def read(workdir: str | os.PathLike) -> Run:
    """Reads one run. Only config.json has to be there.

    Raises:
      UserError: the folder holds no run, another version of imggen wrote it, or one of its
        files is damaged.
    """
    workdir = pathlib.Path(workdir)
    config = read_config(workdir)
    if config is None:
        raise UserError(f'{workdir} holds no run: there is no config.json in it; name a workdir.')
    return Run(
        path=workdir,
        name=workdir.name or workdir.resolve().name,
        config=config,
        info=read_object(workdir / 'run.json') or {},
        records=read_lines(workdir / 'metrics.jsonl'),
        evaluations=read_lines(workdir / 'evaluations.jsonl'),
        samples=sorted(
            (int(sheet.stem), sheet)
            for sheet in (workdir / 'samples').glob('*.png')
            if sheet.stem.isascii() and sheet.stem.isdecimal()
        ),
    )


def read_config(workdir: pathlib.Path) -> dict[str, Any] | None:
    """Reads config.json without its version; None if there is no such file.

    Raises:
      UserError: the file is damaged, or another version of imggen wrote it.
    """
    config = read_object(workdir / 'config.json')
    if config is None:
        return None
    version = config.pop('format', 1)
    if version != FORMAT:
        raise UserError(
            f'{workdir} was written by another version of imggen (format {version!r}, not '
            f'{FORMAT}): use that version, or train again in a new folder.'
        )
    return config


def find(path: str | os.PathLike) -> list[Run]:
    """Reads every run at or below a folder: a run, a sweep, or a folder that holds either.

    The runs of a sweep come in the order of the sweep, others sorted by name. Runs of a sweep
    that have not started are left out.

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
    """Returns the names of all runs of a sweep, started or not; [] if the folder is not a sweep."""
    sweep = read_object(pathlib.Path(path) / 'sweep.json') or {}
    runs = sweep.get('runs', [])
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
    """Returns the flat config keys whose values differ between runs.

    A missing key counts as a value of its own. Keys come in the order of the configs.
    """
    configs = [flatten(run.config) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    return [
        key
        for key in keys
        if any(config.get(key, _MISSING) != configs[0].get(key, _MISSING) for config in configs)
    ]


def read_object(path: pathlib.Path) -> dict[str, Any] | None:
    """Reads a JSON object; None if there is no such file.

    Raises:
      UserError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise UserError(
            f'{path} cannot be read ({error}); restore it or move the run away.'
        ) from None
    if not isinstance(value, dict):
        raise UserError(f'{path} should hold a JSON object; restore it or move the run away.')
    return value


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Reads one JSON object with a `step` from each line; [] if there is no such file.

    An incomplete last line, which a killed process leaves, is ignored.

    Raises:
      UserError: another line is damaged.
    """
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
            raise UserError(f'{path} has no record with a step in line {number}; remove that line.')
        records.append(record)
    return records
