"""How each run was made: command, status, time, versions, what its config sets apart."""

import statistics
from collections.abc import Sequence
from typing import Any

from imggen.report import tables
from imggen.report.groups import MEASURES
from imggen.report.markup import Markup, duration, element, is_number, number
from imggen.workdir import reader as runs_lib

_FACTS = ('hardware', 'platform', 'devices', 'source', 'revision', 'versions', 'started', 'updated')


def status(run: runs_lib.Run) -> tuple[str, str]:
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


def last_step(run: runs_lib.Run) -> Any:
    """Returns the step that the run got to; None if it wrote nothing."""
    if 'step' in run.info:
        return run.info['step']
    return run.records[-1]['step'] if run.records else None


def chip(run: runs_lib.Run) -> Markup:
    """Writes the status as a colored word with the sentence behind it."""
    kind, sentence = status(run)
    return element('span', kind, class_=f'chip {kind}', title=sentence)


def speed(run: runs_lib.Run) -> float | None:
    """Returns the median of the recorded images per second."""
    values = [record.get('images_per_second') for record in run.records]
    values = [value for value in values if is_number(value)]
    return statistics.median(values) if values else None


def common(runs: Sequence[runs_lib.Run]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns (config, facts) that all runs share, flat."""
    return _shared([runs_lib.flatten(run.config) for run in runs]), _shared(
        [_facts(run) for run in runs]
    )


def _facts(run: runs_lib.Run) -> dict[str, Any]:
    return runs_lib.flatten({key: run.info[key] for key in _FACTS if key in run.info})


def _shared(tables_: list[dict[str, Any]]) -> dict[str, Any]:
    first, *rest = tables_
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in rest)
    }


def course(run: runs_lib.Run) -> Markup:
    """Writes status, error, command and timing of one run."""
    _, sentence = status(run)
    sentence = sentence[0].upper() + sentence[1:]
    sessions = run.info.get('sessions')
    rate = speed(run)
    spent = [
        f'{duration(run.info.get("seconds"))} of training' if 'seconds' in run.info else None,
        f'in {number(sessions)} sessions' if is_number(sessions) and sessions > 1 else None,
        f'{number(float(f"{rate:.3g}"))} images/s (median)' if rate is not None else None,
    ]
    error = run.info.get('error')
    return element(
        'div',
        element('p', ', '.join([sentence, *(part for part in spent if part)]) + '.'),
        element('pre', error, class_='error') if error else None,
        element('pre', run.info['command'], class_='command') if 'command' in run.info else None,
    )


def details(
    run: runs_lib.Run, shared_config: dict[str, Any], shared_facts: dict[str, Any]
) -> list[Markup]:
    """Writes what one run does not share with the others, its evaluations, its last scalars."""
    parts = [course(run)]
    config = runs_lib.flatten(run.config)
    own = {key: value for key, value in config.items() if key not in shared_config}
    made = {key: value for key, value in _facts(run).items() if key not in shared_facts}
    caption = 'Config of this run alone' if shared_config else 'Config'
    parts.append(setting(own, made, caption=caption))
    if run.evaluations:
        parts.append(_evaluations(run))
    last = {}
    for record in run.records:
        last |= {key: (value, record['step']) for key, value in record.items()}
    rows = [
        ([tables.cell(name), tables.cell(value), tables.cell(step)], {})
        for name, (value, step) in sorted(last.items())
        if name not in ('step', 'phase')
    ]
    if rows:
        caption = 'Last value of each scalar'
        parts.append(tables.table(['scalar', 'value', 'step'], rows, caption=caption))
    return parts


def setting(config: dict[str, Any], made: dict[str, Any], *, caption: str) -> Markup:
    """Writes config and circumstances beside each other."""
    return element(
        'div',
        tables.pairs(config, caption=caption) if config else None,
        tables.pairs(made, caption='Made with') if made else None,
        class_='beside',
    )


def _evaluations(run: runs_lib.Run) -> Markup:
    """Lists every evaluation of one run, each measure in a row."""
    rows = []
    for line in run.evaluations:
        for name, value in (line.get('metrics') or {}).items():
            extractor = f'{line.get("extractor", "")} {line.get("digest", "")}'.strip()
            cells = [
                line['step'],
                MEASURES.get(name, (name,))[0],
                value,
                (line.get('spread') or {}).get(name),
                (line.get('floor') or {}).get(name),
                line.get('num_generated'),
                line.get('num_reference'),
                extractor,
            ]
            rows.append(([tables.cell(value) for value in cells], {}))
    headers = ['step', 'measure', 'value', '±', 'floor', 'generated', 'real', 'features']
    return tables.table(headers, rows, caption='Evaluations')
