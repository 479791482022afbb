"""Training time until a metric first reaches a target, without the time of evaluations."""

import statistics
from collections.abc import Sequence

import numpy as np

from imggen.errors import UserError
from imggen.report.formats import markdown_table
from imggen.workdir.reader import Run, differing, flatten
from imggen.workdir.records import Records


def seconds_to(records: Records, metric: str, value: float) -> float | None:
    """Returns the training seconds until a metric was first at most `value`; None if never.

    Args:
      records: of one run. The training record at the step of the metric has the `seconds`.
      metric: name of the metric; less is better.
      value: the target.
    """
    if not {metric, 'seconds'} <= records.scalars.keys():
        return None
    measured, clock = records.scalars[metric], records.scalars['seconds']
    at = np.isin(clock.steps, measured.steps[measured.values <= value])
    return float(clock.values[at].min()) if at.any() else None


def table(runs: Sequence[Run], metric: str, values: Sequence[float]) -> str:
    """Returns Markdown: one row per variant (a config without its seed), one column per target.

    A cell holds the median of the seconds over the seeds that reached the target and, if some did
    not, how many did.

    Raises:
      UserError: no run has recorded the metric.
    """
    if not any(metric in run.records.scalars for run in runs):
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
