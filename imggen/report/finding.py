"""What came out: final measures with floor, spread and counts, and what they decide."""

import shlex
from collections.abc import Sequence
from typing import Any

from imggen import seed_statistics
from imggen.report import dots, groups, tables
from imggen.report.groups import Group, Protocol
from imggen.report.markup import Markup, element, join, number, with_spread
from imggen.workdir import reader as runs_lib

_CAVEATS = {
    'interval contains zero': 'the interval contains zero, so no difference is shown',
    'within one spread': 'less than the spread over seeds',
    'few seeds': 'few seeds to trust an interval',
}
MAX_SETTINGS = 6  # Columns for what differs; more makes no table that one can read.


def section(
    runs: Sequence[runs_lib.Run],
    grouped: Sequence[Group],
    evaluated: dict[Protocol, dict[int, dict[str, Any]]],
    colors: dict[int, int],
) -> list[Markup]:
    """Writes the finding under each protocol; values of two protocols never share a table."""
    if not evaluated:
        alone = len(runs) == 1
        what = 'The run is not' if alone else 'No run is'
        workdir = shlex.quote(str(runs[0].path)) if alone else 'RUN'
        return [
            element('p', f'{what} evaluated yet. The command that adds measures:', class_='lead'),
            element('pre', f'python -m experiments.evaluate --workdir={workdir}'),
        ]
    parts = []
    for protocol, lines in evaluated.items():
        if len(evaluated) > 1:
            parts.append(element('h3', _protocol_title(protocol)))
        parts += _under(protocol, lines, runs, grouped, colors)
    return parts


def _protocol_title(protocol: Protocol) -> str:
    if not protocol.extractor:
        return 'Scores of the runs themselves'
    return f'{protocol.extractor}, against {protocol.reference or "no reference"}'


def _under(protocol, lines, runs, grouped, colors) -> list[Markup]:
    names = groups.measure_names(lines)
    if not names:
        return [element('p', 'The evaluation holds no measures.')]
    present = [index for index, one in enumerate(grouped) if set(one.members) & set(lines)]
    parts = []
    if len(present) == 1:
        parts.append(_tiles(grouped[present[0]], lines, names))
    else:
        ranked = groups.rank(grouped, lines, names[0])
        if ranked:
            parts += _comparison(runs, grouped, ranked, lines, names[0], colors)
        best_first = [index for index, _ in ranked]
        present = best_first + [index for index in present if index not in best_first]
        parts.append(_table(grouped, present, lines, names))
    parts.append(_method(protocol, lines, grouped, present))
    return parts


def _tiles(one: Group, lines, names) -> Markup:
    """Shows one group's measures large."""
    tiles = []
    for name in names:
        summary = groups.summarize(one.members, lines, name)
        floor = groups.floor(lines, name)
        spread = summary.spread if summary else None
        value = with_spread(summary.mean, spread).split(' ± ') if summary else ['not finite']
        below = [f'± {value[1]}'] if len(value) > 1 else []
        below += [f'floor {number(floor)}'] if floor is not None else []
        tiles.append(
            element(
                'div',
                element('dt', groups.title(name)),
                element('dd', value[0], element('small', ' · '.join(below) or '\N{NBSP}')),
            )
        )
    return element('dl', tiles, class_='tiles')


def _comparison(runs, grouped, ranked, lines, name, colors) -> list[Markup]:
    """States which group is best, by how much, and how far that is to be trusted."""
    (best, first), *rest = ranked
    label = groups.title(name)
    if name in groups.MEASURES:
        label, less = groups.MEASURES[name]
        sentence = [f'{"Lowest" if less else "Highest"} {label}: ']
    else:
        sentence = [f'{label}, in rising order: ']
    sentence += [
        element('strong', grouped[best].label),
        f', {with_spread(first.mean, first.spread)}{_over(first)}. ',
    ]
    if rest:
        second = rest[0][1]
        sentence += ['Next: ', element('strong', grouped[rest[0][0]].label)]
        sentence.append(f', {with_spread(second.mean, second.spread)}')
        sentence.append('. ')
        pair = [groups.by_seed(grouped[at], runs, lines, name) for at in (rest[0][0], best)]
        sentence.append(difference(seed_statistics.compare(*pair)))
    legend = 'Large dot: mean; bar: one standard deviation either way; small dots: runs'
    floor = groups.floor(lines, name)
    if floor is not None:
        legend += '; dashed: floor, real against real pictures'
    if len(ranked) > dots.MAX_ROWS:
        legend += f'. The {dots.MAX_ROWS} best of {len(ranked)}; all are in the table'
    return [
        element('p', sentence, class_='lead'),
        element(
            'figure',
            element('figcaption', element('span', f'{groups.title(name)}', class_='name')),
            element(
                'div',
                dots.plot(grouped, ranked, floor, colors, title=label),
                class_='scroll',
            ),
            element('p', f'{legend}.', class_='note'),
        ),
    ]


def difference(found: seed_statistics.Comparison | None) -> str:
    """Says by how much two groups differ, seed by seed, and what speaks against it."""
    if found is None:
        return 'They have no seed in common, so their order may be chance.'
    text = f'Seed by seed they differ by {number(float(f"{found.difference:.3g}"))}'
    if found.low is None:
        return f'{text}; with one seed their order may be chance.'
    interval = f'{found.low:.3g} to {found.high:.3g}'
    text += f' (95 % interval {interval}, {found.count} seeds)'
    return f'{text}: {_CAVEATS[found.note]}.' if found.note else f'{text}.'


def _over(summary: groups.Summary) -> str:
    count = len(summary.values)
    return f' over {count} seeds' if count > 1 else ' with one seed'


def _table(grouped, present, lines, names) -> Markup:
    """Lists the groups: what sets them apart, and every measure with its spread."""
    keys = list(grouped[0].settings)
    labeled = not keys or len(keys) > MAX_SETTINGS
    if labeled:
        keys = []  # Groups of so many settings are called by their runs.
    headers = (['group'] if labeled else []) + keys + ['seeds']
    headers += [groups.title(name) for name in names]
    rows = []
    for index in present:
        one = grouped[index]
        cells = [tables.cell(one.label)] if labeled else []
        cells += [tables.setting(one.settings.get(key)) for key in keys]
        cells.append(tables.cell(sum(member in lines for member in one.members)))
        for name in names:
            summary = groups.summarize(one.members, lines, name)
            if summary is None:
                cells.append(tables.cell(None))
            else:
                text = with_spread(summary.mean, summary.spread)
                cells.append(tables.cell(summary.mean, text=text))
        rows.append((cells, {'data_find': one.about}))
    blanks = len(headers) - len(names) - 1
    floors = [groups.floor(lines, name) for name in names]
    footer = []
    if any(floor is not None for floor in floors):
        footer = [element('th', 'floor', scope='row')]
        footer += [element('td') for _ in range(blanks)]
        footer += [tables.cell(floor) for floor in floors]
    return tables.table(headers, rows, caption='Final measures by group', footer=footer)


def _sizes(lines) -> str:
    """Says how many pictures the floor compares, if all evaluations agree on it."""
    sizes = {tuple(line.get('num_floor') or ()) for line in lines.values()}
    if len(sizes) > 1 or len(next(iter(sizes))) != 2:
        return ''
    first, second = next(iter(sizes))
    return f' ({number(first)} and {number(second)} pictures)'


def _method(protocol, lines, grouped, present) -> Markup:
    """Says how the numbers were made: counts, extractor, reference, what ± stands for."""
    steps = sorted({line['step'] for line in lines.values()})
    at = f'step {number(steps[0])}'
    if len(steps) > 1:
        at = f'steps {number(steps[0])} to {number(steps[-1])}'
    sentence = [f'Scores of the run itself, at {at}. ']
    if protocol.extractor:
        sentence = [
            f'{number(protocol.num_generated)} generated against '
            f'{number(protocol.num_reference)} real pictures '
            f'({protocol.reference or "no reference named"}), features: {protocol.extractor} ',
            element('code', protocol.digest) if protocol.digest else None,
            f', at {at}. ',
        ]
    kinds = {
        summary.spread_of
        for index in present
        for name in groups.measure_names(lines)
        if (summary := groups.summarize(grouped[index].members, lines, name))
        and summary.spread is not None
    }
    if 'seeds' in kinds:
        sentence.append('± is one standard deviation over seeds. ')
    if 'resamples' in kinds:
        sentence.append('With a single seed, ± is the spread that the evaluation reports. ')
    if any(groups.floor(lines, name) is not None for name in groups.measure_names(lines)):
        sentence.append(f'The floor is what real pictures score against others{_sizes(lines)}. ')
    notes = list(dict.fromkeys(str(line['note']) for line in lines.values() if line.get('note')))
    return element('p', join(sentence, ' '.join(notes[:3])), class_='note')
