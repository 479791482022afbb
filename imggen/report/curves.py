"""The section of curves: every recorded scalar over training steps, by kind, under one legend."""

from collections.abc import Mapping, Sequence
from typing import Any

from imggen.report import averages, plots
from imggen.report.averages import Scalars
from imggen.report.formats import number
from imggen.report.groups import Group
from imggen.workdir.reader import Run


def section(
    runs: Sequence[Run],
    scalars: Sequence[Scalars],
    grouped: Sequence[Group],
    order: Sequence[int],
    colors: Mapping[int, int],
) -> dict[str, Any] | None:
    """Returns what page.html.j2 shows of the recorded scalars; None if there are none.

    `scalars` has one entry for each run. `order` is the order of the groups in the legend, and
    `colors` maps a group to the index of its color; the other groups are gray.
    """
    kinds = averages.names(scalars)
    if not kinds:
        return None
    spans = [run.records.steps for run in runs if run.records.steps]
    first, last = min(first for first, _ in spans), max(last for _, last in spans)
    # One axis for all figures, so that what happens at one step lies on one line.
    steps = (0.0 if first < 0.2 * last else float(first), float(max(last, first + 1)))
    phases = runs[0].records.phases[1:] if len(grouped) == 1 else []
    breaks = [[step for step, _ in runs[one.members[0]].records.phases[1:]] for one in grouped]
    drawn = {kind: [] for kind in kinds}
    for kind, names in kinds.items():
        for name in names:
            made, lost = averages.curves(scalars, grouped, name)
            drawing, remarks = plots.course(
                name, made, grouped, colors, steps=steps, phases=phases, breaks=breaks
            )
            if lost:
                remarks.append(f'{lost:,} value{"s" * (lost > 1)} not finite')
            drawn[kind].append({'name': name, 'drawing': drawing, 'remarks': remarks})
    legend = [(index, grouped[index], colors[index]) for index in order if index in colors]
    return {
        'kinds': drawn,
        'legend': legend if len(grouped) > 1 else [],
        'num_gray': len(grouped) - len(legend),
        'many': len(grouped) > plots.BANDS_TO,  # Only the groups that are picked show their bands.
        'note': _note(grouped, phases, max(run.records.every for run in runs)),
    }


def _note(grouped: Sequence[Group], phases: Sequence[tuple[int, str]], every: int) -> str:
    words = ['Over training steps; dense curves are smoothed']
    if any(len(one.members) > 1 for one in grouped):
        words.append('line and band: mean and one standard deviation over seeds')
        if len(grouped) > plots.BANDS_TO:
            words.append('a band shows for each group that is picked in the legend')
    if any(len(one.members) == 1 for one in grouped):
        words.append('single runs show their values faintly behind')
    if phases:
        names = ', '.join(f'{name} from step {number(step)}' for step, name in phases)
        words.append(f'dashed: {names}')
    if every > 1:
        words.append(f'of long records, one line in {every} is drawn')
    return '; '.join(words) + '.'
