"""How long runs take to a value of a measure: training seconds, measuring not counted."""

from collections.abc import Mapping, Sequence
from typing import Any

from imggen.errors import UserError
from imggen.workdir.reader import Run, differing, flatten


def seconds_to(records: Sequence[Mapping[str, Any]], measure: str, value: float) -> float | None:
    """Returns the training seconds at which a measure was first at most `value`; None if never.

    Args:
      records: the lines of metrics.jsonl; a measurement belongs to the training record
        of its step, which has `seconds`.
      measure: its name, smaller being better.
      value: what is to be reached.
    """
    at = {record['step']: record['seconds'] for record in records if 'seconds' in record}
    reached = [
        at[record['step']]
        for record in records
        if measure in record and record[measure] <= value and record['step'] in at
    ]
    return min(reached, default=None)


def table(runs: Sequence[Run], measure: str, values: Sequence[float]) -> str:
    """Returns Markdown: a row a variant (a config but for its seed), a column a value.

    A cell is the median of seconds over the seeds that reached the value and, where
    that is not all of them, how many did.
    """
    if not any(measure in record for run in runs for record in run.records):
        raise UserError(f'no run has measured {measure!r}: set config.run.measure_every_steps.')
    names = [name for name in differing(runs) if name != 'seed']
    variants: dict[str, list[Run]] = {}
    for run in runs:
        flat = flatten(run.config)
        label = ', '.join(f'{name}={flat.get(name)}' for name in names) or 'all'
        variants.setdefault(label, []).append(run)
    heads = ' | '.join(f'{measure} {value:g}' for value in values)
    rows = [f'| variant | {heads} |', '| --- |' + ' ---: |' * len(values)]
    for label, members in variants.items():
        cells = []
        for value in values:
            times = [seconds_to(run.records, measure, value) for run in members]
            reached = sorted(time for time in times if time is not None)
            cells.append(_cell(reached, len(members)))
        rows.append(f'| {label} | {" | ".join(cells)} |')
    return '\n'.join(rows)


def _cell(reached, count):
    if not reached:
        return 'never'
    middle = (reached[(len(reached) - 1) // 2] + reached[len(reached) // 2]) / 2
    return f'{middle:.0f} s' + ('' if len(reached) == count else f' ({len(reached)} of {count})')
