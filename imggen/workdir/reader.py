"""Reads what runs leave on disk: configs, records, evaluations, sheets of samples.

A run is a folder that holds `config.json`; a sweep is a folder of runs with a `sweep.json`.
This module only reads, and it does not import JAX, so that a report of many runs starts at
once. What it returns has the types that the writer gave it: a file in which a field has another
type is refused here, and no reader after it has to ask.
"""

import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from imggen.errors import UserError
from imggen.workdir import records

# The version of a workdir: names of files, options of configs, structure of states. config.json
# records it under 'format'.
FORMAT = 2

_MISSING = object()
_OBJECT_BYTES = 64 << 20  # The largest config.json, run.json or sweep.json that is read.
_LARGEST_BATCH = 2**31  # Values of one leaf.
_BATCH_TYPES = ('float32', 'float16', 'bfloat16', 'int32', 'uint8', 'uint32', 'bool')
_LONGEST = 1e12  # Seconds.
_DEEPEST = 50  # Levels of nesting.


class Run(NamedTuple):
    """What one run has left on disk.

    Attributes:
      name: the path of the run below the folder that was searched, or the name of its own folder.
      config: the whole config, nested.
      info: run.json, which holds command, revision, versions, hardware and status; {} if
        there is none.
      records: metrics.jsonl, by name of the scalar.
      evaluations: the lines of evaluations.jsonl in order, one for each evaluation.
      samples: (step, sheet of samples), sorted by step.
    """

    path: pathlib.Path
    name: str
    config: dict[str, Any]
    info: dict[str, Any]
    records: records.Records
    evaluations: list[dict[str, Any]]
    samples: list[tuple[int, pathlib.Path]]


def read(workdir: str | os.PathLike, *, thin: bool = False) -> Run:
    """Reads one run. Only config.json has to be there.

    Args:
      workdir: the folder of the run.
      thin: as in `records.read_records`.

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
        info=read_info(workdir),
        records=records.read_records(workdir / 'metrics.jsonl', thin=thin),
        evaluations=_read_evaluations(workdir / 'evaluations.jsonl'),
        samples=sorted(
            (int(sheet.stem), sheet)
            for sheet in (workdir / 'samples').glob('*.png')
            if sheet.stem.isascii() and sheet.stem.isdecimal() and len(sheet.stem) < 16
        ),
    )


def read_config(workdir: pathlib.Path) -> dict[str, Any] | None:
    """Reads config.json without its version; None if there is no such file.

    Raises:
      UserError: the file is damaged, or another version of imggen wrote it.
    """
    path = workdir / 'config.json'
    config = read_object(path)
    if config is None:
        return None
    version = config.pop('format', 1)
    if version != FORMAT:
        raise UserError(
            f'{workdir} was written by another version of imggen (format {version!r}, not '
            f'{FORMAT}): use that version, or train again in a new folder.'
        )
    _check(path, config, _CONFIG)
    return config


def read_info(workdir: pathlib.Path) -> dict[str, Any]:
    """Reads run.json; {} if there is no such file.

    Raises:
      UserError: the file is damaged.
    """
    path = workdir / 'run.json'
    info = read_object(path) or {}
    _check(path, info, _INFO)
    return info


def find(path: str | os.PathLike, *, thin: bool = False) -> list[Run]:
    """Reads every run at or below a folder: a run, a sweep, or a folder that holds either.

    The runs of a sweep come in the order of the sweep, others sorted by name. Runs of a sweep
    that have not started are left out. `thin` is as in `read`.

    Raises:
      UserError: the folder does not exist or holds no run.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise UserError(f'{path} is not a folder; name a workdir or the folder of a sweep.')
    if (path / 'config.json').is_file():
        return [read(path, thin=thin)]
    names = []
    for folder, subfolders, files in os.walk(path):
        if 'config.json' in files:
            names.append(pathlib.Path(folder).relative_to(path).as_posix())
            subfolders.clear()
    if not names:
        raise UserError(f'{path} holds no run: no folder in it has a config.json; name a workdir.')
    order = {name: index for index, name in enumerate(planned(path))}
    names.sort(key=lambda name: (order.get(name, len(order)), name))
    return [read(path / name, thin=thin)._replace(name=name) for name in names]


def planned(path: str | os.PathLike) -> list[str]:
    """Returns the names of all runs of a sweep, started or not; [] if the folder is not a sweep.

    Raises:
      UserError: sweep.json is damaged.
    """
    path = pathlib.Path(path) / 'sweep.json'
    sweep = read_object(path) or {}
    _check(path, sweep, {'runs': _RUNS})
    return [run['name'] for run in sweep.get('runs', [])]


def failures(path: str | os.PathLike) -> dict[str, str]:
    """Returns why runs of a sweep failed, by name, as its last command left it in failed.json.

    Raises:
      UserError: failed.json is damaged.
    """
    path = pathlib.Path(path) / 'failed.json'
    found = read_object(path) or {}
    _check(path, found, dict.fromkeys(found, _TEXT))
    return found


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
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > _OBJECT_BYTES:
            raise ValueError(f'it has more than {_OBJECT_BYTES >> 20} MiB')
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f'{path} cannot be read ({error}); restore it or move the run away.'
        ) from None
    if not _is_object(value):
        raise UserError(f'{path} should hold a JSON object; restore it or move the run away.')
    return value


def _read_evaluations(path: pathlib.Path) -> list[dict[str, Any]]:
    lines = records.read_lines(path)
    for line in lines:
        _check(path, line, _EVALUATION)
    return lines


class _Kind(NamedTuple):
    """A type of a JSON value: its name in an error, and the test for it."""

    name: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(records.is_step, value))


def _is_shape(value: Any) -> bool:
    return _are_counts(value) and len(value) <= 8


def _are_shapes(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(one, list)
        and len(one) == 2
        and _is_shape(one[0])
        and math.prod(one[0]) < _LARGEST_BATCH
        and one[1] in _BATCH_TYPES
        for one in value.values()
    )


def _is_phase(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {'name', 'begin', 'end'}
        and isinstance(value['name'], str)
        and records.is_step(value['begin'])
        and records.is_step(value['end'])
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and _depth(value) <= _DEEPEST


def _are_runs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(run, dict) and isinstance(run.get('name'), str) for run in value
    )


_TEXT = _Kind('text', lambda value: isinstance(value, str))
_COUNT = _Kind('a count', records.is_step)
_OBJECT = _Kind('an object', _is_object)
_RUNS = _Kind('a list of runs with names', _are_runs)
_NAMES = _Kind(
    'a list of names',
    lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
)
_MEASURES = _Kind(
    'an object of numbers',
    lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
)
_CONFIG = {
    'seed': _Kind('a whole number', lambda value: type(value) is int),
    'method': _OBJECT,
    'data': _OBJECT,
    'run': _OBJECT,
}
_INFO = {
    **dict.fromkeys(('step', 'num_steps', 'sessions', 'devices'), _COUNT),
    **dict.fromkeys(('status', 'error', 'warning', 'command', 'revision', 'source'), _TEXT),
    **dict.fromkeys(('hardware', 'platform', 'driver', 'started', 'updated'), _TEXT),
    'seconds': _Kind('a time', lambda value: _is_number(value) and 0 <= value < _LONGEST),
    **dict.fromkeys(('versions', 'environment'), _OBJECT),
    **dict.fromkeys(('sets', 'changed', 'class_names'), _NAMES),
    **dict.fromkeys(('class_counts', 'lengthened'), _Kind('a list of counts', _are_counts)),
    'batch': _Kind('shapes and types by name', _are_shapes),
    'phase': _Kind('a name, a begin and an end', _is_phase),
}
_EVALUATION = {
    **dict.fromkeys(('metrics', 'spread', 'floor'), _MEASURES),
    **dict.fromkeys(('extractor', 'digest', 'reference', 'note'), _TEXT),
    **dict.fromkeys(('num_images', 'num_generated', 'num_reference'), _COUNT),
    'num_floor': _Kind('a list of counts', _is_shape),
}


def _check(path: pathlib.Path, value: Mapping[str, Any], kinds: Mapping[str, _Kind]) -> None:
    """Refuses a file in which a field has another type than the writer gave it."""
    for name, kind in kinds.items():
        if name in value and not kind.holds(value[name]):
            shown = repr(value[name])
            shown = shown if len(shown) <= 60 else f'{shown[:60]}...'
            raise UserError(
                f'{path} has {name}={shown}, which is not {kind.name}; restore it or move the run '
                'away.'
            )


def _depth(value: Any) -> int:
    """Returns how deeply a JSON value is nested."""
    depth, layer = 0, [value]
    while layer:
        depth += 1
        nodes = (node.values() if isinstance(node, dict) else node for node in layer)
        layer = [child for node in nodes for child in node if isinstance(child, dict | list)]
    return depth
