"""Training time until a metric first reaches a target, without the time of evaluations."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from imggen.errors import UserError
from imggen.report.formats import markdown_table
from imggen.workdir.reader import Run, differing, flatten


def seconds_to(records: Sequence[Mapping[str, Any]], metric: str, value: float) -> float | None:
    """Returns the training seconds until a metric was first at most `value`; None if never.

    Args:
      records: the lines of metrics.jsonl. A metric's line has a `step`, and the training record
        of the same step has its `seconds`.
      metric: name of the metric; less is better.
      value: the target.
    """
    at = {record['step']: record['seconds'] for record in records if 'seconds' in record}
    reached = [
        at[record['step']]
        for record in records
        if metric in record and record[metric] <= value and record['step'] in at
    ]
    return min(reached, default=None)


def table(runs: Sequence[Run], metric: str, values: Sequence[float]) -> str:
    """Returns Markdown: one row per variant (a config without its seed), one column per target.

    A cell holds the median of the seconds over the seeds that reached the target and, if some did
    not, how many did.

    Raises:
      UserError: no run has recorded the metric.
    """
    if not any(metric in record for run in runs for record in run.records):
        raise UserError(f'no run has measured {metric!r}: set config.run.measure_every_steps.')
    names = [name for name in differing(runs) if name != 'seed']
    variants: dict[str, list[Run]] = {}
    for run in runs:
        flat = flatten(run.config)
        label = ', '.join(f'{name}={flat.get(name)}' for name in names) or 'all'
        variants.setdefault(label, []).append(run)
    rows = []
    for label, members in variants.items():
        times = [[seconds_to(run.records, metric, value) for run in members] for value in values]
        rows.append([label, *map(_cell, times)])
    return markdown_table(['variant', *(f'{metric} {value:g}' for value in values)], rows)


def _cell(times: Sequence[float | None]) -> str:
    reached = [time for time in times if time is not None]
    if not reached:
        return 'never'
    text = f'{statistics.median(reached):.0f} s'
    return text if len(reached) == len(times) else f'{text} ({len(reached)} of {len(times)})'
