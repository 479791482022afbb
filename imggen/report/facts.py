"""How each run was made: command, status, time, versions, and how its config differs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imggen.report import tables
from imggen.report.averages import Scalars
from imggen.report.formats import duration, is_number, number
from imggen.report.groups import METRICS
from imggen.workdir.reader import Run, flatten

_FACTS = (
    *('hardware', 'platform', 'devices', 'driver', 'source', 'revision', 'changed'),
    *('versions', 'environment', 'started', 'updated'),
)


def status(run: Run) -> tuple[str, str]:
    """Returns (kind, sentence): kind is finished, running, stopped, failed or unknown."""
    kind = run.info.get('status')
    step, planned = last_step(run), run.info.get('num_steps')
    at = f'step {number(step)}' + (f' of {number(planned)}' if planned is not None else '')
    if kind == 'finished':
        return 'finished', f'finished at step {number(step)}'
    if kind == 'running':
        return 'running', f'running when last written, at {at}'
    if kind == 'failed':
        return 'failed', f'failed at {at}'
    if kind == 'stopped':
        return 'stopped', f'stopped at {at}'
    return 'unknown', f'status not recorded, at {at}'


def last_step(run: Run) -> Any:
    """Returns the step that the run reached; None if it wrote nothing."""
    if 'step' in run.info:
        return run.info['step']
    return run.records.steps[1] if run.records.steps else None


def speed(scalars: Scalars) -> float | None:
    """Returns the median of the images per second that a run recorded."""
    _, values = scalars.get('images_per_second', ((), np.empty(0)))
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None


def common(runs: Sequence[Run]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns (config, facts) that all runs share, flat."""
    return _shared([flatten(run.config) for run in runs]), _shared([_facts(run) for run in runs])


def details(
    run: Run,
    shared_config: Mapping[str, Any],
    shared_facts: Mapping[str, Any],
    *,
    images_per_second: float | None,
) -> dict[str, Any]:
    """Returns what macros.html.j2 shows of a single run: course, config and tables."""
    config, made = flatten(run.config), _facts(run)
    return {
        'course': _course(run, images_per_second),
        'error': run.info.get('error'),
        'command': run.info.get('command'),
        'config': {key: value for key, value in config.items() if key not in shared_config},
        'caption': 'Config of this run alone' if shared_config else 'Config',
        'made': {key: value for key, value in made.items() if key not in shared_facts},
        'tables': [table for table in (_evaluations(run), _last_scalars(run)) if table.rows],
    }


def _facts(run: Run) -> dict[str, Any]:
    return flatten({key: run.info[key] for key in _FACTS if run.info.get(key)})


def _shared(flat: list[dict[str, Any]]) -> dict[str, Any]:
    first, *rest = flat
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in rest)
    }


def _course(run: Run, images_per_second: float | None) -> str:
    """Says how far a run came, how long it trained and how fast."""
    _, sentence = status(run)
    parts = [sentence[0].upper() + sentence[1:]]
    sessions = run.info.get('sessions')
    if 'seconds' in run.info:
        parts.append(f'{duration(run.info["seconds"])} of training')
    if is_number(sessions) and sessions > 1:
        parts.append(f'in {number(sessions)} sessions')
    if images_per_second is not None:
        parts.append(f'{number(float(f"{images_per_second:.3g}"))} images/s (median)')
    return ', '.join(parts) + '.'


def _last_scalars(run: Run) -> tables.Table:
    rows = [
        ([tables.cell(name), tables.cell(value), tables.cell(step)], None)
        for name, (value, step) in sorted(run.records.last.items())
        if name != 'phase'
    ]
    return tables.table(['scalar', 'value', 'step'], rows, caption='Last value of each scalar')


def _evaluations(run: Run) -> tables.Table:
    """Lists every evaluation of one run, each metric in a row."""
    rows = []
    for line in run.evaluations:
        for name, value in (line.get('metrics') or {}).items():
            cells = [
                line['step'],
                METRICS.get(name, (name,))[0],
                value,
                (line.get('spread') or {}).get(name),
                (line.get('floor') or {}).get(name),
                line.get('num_generated'),
                line.get('num_reference'),
                f'{line.get("extractor", "")} {line.get("digest", "")}'.strip(),
            ]
            rows.append(([tables.cell(value) for value in cells], None))
    headers = ['step', 'metric', 'value', '±', 'floor', 'generated', 'real', 'features']
    return tables.table(headers, rows, caption='Evaluations')
