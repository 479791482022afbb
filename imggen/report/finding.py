"""The main result: final metrics with floor, spread and counts, and which group is best."""

from collections.abc import Mapping, Sequence
from typing import Any

from imggen import seed_statistics
from imggen.report import groups, plots, tables
from imggen.report.formats import number, with_spread
from imggen.report.groups import Group, Protocol, Summary
from imggen.workdir.reader import Run

_CAVEATS = {
    'interval contains zero': 'the interval contains zero, so no difference is shown',
    'within one spread': 'less than the spread over seeds',
    'few seeds': 'few seeds to trust an interval',
}
MAX_SETTINGS = 6  # Columns for options that differ; a wider table cannot be read.

_Lines = Mapping[int, Mapping[str, Any]]  # Index of a run -> its evaluation.


def section(
    runs: Sequence[Run],
    grouped: Sequence[Group],
    evaluated: Mapping[Protocol, _Lines],
    colors: Mapping[int, int],
) -> list[dict[str, Any]]:
    """Returns what page.html.j2 shows under each protocol; two protocols never share a table.

    A single group's metrics are tiles. Several groups are compared in the first metric, and
    listed with all metrics in a table.
    """
    found = []
    for protocol, lines in evaluated.items():
        names = groups.metric_names(lines)
        present = [index for index, one in enumerate(grouped) if set(one.members) & set(lines)]
        one = {'title': None, 'of': None, 'tiles': [], 'comparison': None, 'table': None}
        if len(evaluated) > 1:
            one['title'] = _title(protocol)
        if names and len(present) == 1:
            shown = grouped[present[0]]
            one['tiles'] = [_tile(shown, lines, name) for name in names]
            if len(grouped) > 1:  # Whose numbers they are has to be said.
                one['of'] = shown.label, len(grouped), len(set(shown.members) & set(lines))
        elif names:
            ranked = groups.rank(grouped, lines, names[0])
            if ranked:
                one['comparison'] = _compare(runs, grouped, ranked, lines, names[0], colors)
            present.sort(key=[*dict(ranked), *present].index)
            one['table'] = _table(grouped, present, lines, names)
        found.append(one | {'about': _about(protocol, lines, grouped, present)})
    return found


def _title(protocol: Protocol) -> str:
    if not protocol.extractor:
        return 'Scores of the runs themselves'
    return f'{protocol.extractor}, against {protocol.reference or "no reference"}'


def _tile(one: Group, lines: _Lines, name: str) -> tuple[str, str, str]:
    """Returns a metric's name, its value, and the line below it, with spread and floor."""
    summary, floor = groups.summarize(one.members, lines, name), groups.floor(lines, name)
    value, *below = ['not finite']
    if summary:
        value, *below = with_spread(summary.mean, summary.spread).split(' ± ')
        below = [f'± {spread}' for spread in below]
    below += [f'floor {number(floor)}'] if floor is not None else []
    return groups.title(name), value, ' · '.join(below) or '\N{NBSP}'


def _compare(runs, grouped, ranked, lines: _Lines, name: str, colors) -> dict[str, Any]:
    """Says which group is best, by how much, and how certain that is."""
    (best, first), *rest = ranked
    label, less_is_better = groups.METRICS.get(name, (name, None))
    extreme = {True: f'Lowest {label}', False: f'Highest {label}'}
    second, text = None, ''
    if rest:
        index, summary = rest[0]
        second = grouped[index].label, with_spread(summary.mean, summary.spread)
        pair = [groups.by_seed(grouped[each], runs, lines, name) for each in (index, best)]
        text = difference(seed_statistics.compare(*pair))
    legend = 'Large dot: mean; bar: one standard deviation either way; small dots: runs'
    floor = groups.floor(lines, name)
    if floor is not None:
        legend += '; dashed: floor, real against real images'
    if len(ranked) > plots.MAX_ROWS:
        legend += f'. The {plots.MAX_ROWS} best of {len(ranked)}; all are in the table'
    return {
        'opening': extreme.get(less_is_better, f'{label}, in rising order'),
        'best': (grouped[best].label, with_spread(first.mean, first.spread)),
        'num_seeds': len(first.values),
        'second': second,
        'difference': text,
        'name': groups.title(name),
        'drawing': plots.dots(grouped, ranked, floor, colors, title=label),
        'legend': f'{legend}.',
    }


def difference(found: seed_statistics.Comparison | None) -> str:
    """Says by how much two groups differ, seed by seed, and what makes that uncertain."""
    if found is None:
        return 'They have no seed in common, so their order may be chance.'
    text = f'Seed by seed they differ by {number(float(f"{found.difference:.3g}"))}'
    if found.low is None:
        return f'{text}; with one seed their order may be chance.'
    interval = f'{found.low:.3g} to {found.high:.3g}'
    text += f' (95 % interval {interval}, {found.count} seeds)'
    return f'{text}: {_CAVEATS[found.note]}.' if found.note else f'{text}.'


def _table(grouped, present: Sequence[int], lines: _Lines, names: Sequence[str]) -> tables.Table:
    """Lists the groups: the settings that differ, and every metric with its spread."""
    keys = list(grouped[0].settings)
    labeled = not keys or len(keys) > MAX_SETTINGS
    if labeled:
        keys = []  # Groups that differ in too many settings are named after their runs.
    headers = ['group'] * labeled + keys + ['seeds', *map(groups.title, names)]
    rows = []
    for index in present:
        one = grouped[index]
        cells = [tables.cell(one.label)] * labeled
        cells += [tables.setting(one.settings.get(key)) for key in keys]
        cells.append(tables.cell(sum(member in lines for member in one.members)))
        cells += [_cell(groups.summarize(one.members, lines, name)) for name in names]
        rows.append((cells, one.about))
    floors = [groups.floor(lines, name) for name in names]
    footer = []
    if any(floor is not None for floor in floors):
        blank = [tables.Cell('')] * (len(headers) - len(names) - 1)
        footer = [tables.Cell('floor'), *blank, *map(tables.cell, floors)]
    return tables.table(headers, rows, caption='Final metrics by group', footer=footer)


def _cell(summary: Summary | None) -> tables.Cell:
    if summary is None:
        return tables.cell(None)
    return tables.cell(summary.mean, text=with_spread(summary.mean, summary.spread))


def _about(protocol: Protocol, lines: _Lines, grouped, present) -> tuple[str, str, str]:
    """Says how the numbers were measured: counts, extractor, reference, and the meaning of ±."""
    steps = sorted({line['step'] for line in lines.values()})
    at = f'step {number(steps[0])}'
    if len(steps) > 1:
        at = f'steps {number(steps[0])} to {number(steps[-1])}'
    before, digest, sentences = '', '', [f'Scores of the run itself, at {at}.']
    if protocol.extractor:
        before = (
            f'{number(protocol.num_generated)} generated against '
            f'{number(protocol.num_reference)} real images '
            f'({protocol.reference or "no reference named"}), features: {protocol.extractor} '
        )
        digest, sentences = protocol.digest, [f', at {at}.']
    names = groups.metric_names(lines)
    summaries = [
        groups.summarize(grouped[index].members, lines, name) for index in present for name in names
    ]
    kinds = {summary.spread_of for summary in summaries if summary and summary.spread is not None}
    if 'seeds' in kinds:
        sentences.append('± is one standard deviation over seeds.')
    if 'resamples' in kinds:
        sentences.append('With a single seed, ± is the standard error of the evaluation.')
    if any(groups.floor(lines, name) is not None for name in names):
        sentences.append(
            f'The floor is what real images score against other real images{_sizes(lines)}.'
        )
    notes = dict.fromkeys(str(line['note']) for line in lines.values() if line.get('note'))
    return before, digest, ' '.join([*sentences, *list(notes)[:3]])


def _sizes(lines: _Lines) -> str:
    """Says how many images the floor compares, if all evaluations agree on it."""
    sizes = {tuple(line.get('num_floor') or ()) for line in lines.values()}
    if len(sizes) > 1 or len(next(iter(sizes))) != 2:
        return ''
    first, second = next(iter(sizes))
    return f' ({number(first)} and {number(second)} images)'
