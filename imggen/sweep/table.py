"""The table of a sweep: one row per variant, with mean and spread over its seeds, and differences.

Differences are taken to a baseline, which is the first variant unless another is named. A folder
of sweeps gives one table of all of them, whose variants are named SWEEP/VARIANT. table.csv has all
numbers in full; table.md and table.html round them to four digits. Each file starts with the
command, the revision and how the metrics were measured.
"""

import collections
import csv
import io
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from imggen import files, seed_statistics
from imggen.errors import UserError
from imggen.options import suggestion
from imggen.report.formats import markdown_table, markdown_text
from imggen.report.render import MARK, render
from imggen.seed_statistics import Comparison, Summary
from imggen.sweep.plan import Plan, read_plan
from imggen.sweep.points import ALONE
from imggen.workdir import reader

_COSTS = {
    'wall-clock seconds': lambda run: run.info.get('seconds'),
    'images/s': lambda run: _speed(run),
}


class Row(NamedTuple):
    """One variant: summaries by metric, and comparisons with the baseline by metric.

    `num_failed` of its runs failed.
    """

    variant: str
    summaries: dict[str, Summary]
    comparisons: dict[str, Comparison | None]
    num_failed: int = 0


class Table(NamedTuple):
    """What the three files show.

    Attributes:
      header: lines with the command, the revision, the seeds, how the metrics were measured and
        which runs failed or are missing.
      metrics: names of the columns, costs last.
      rows: variants in the order of the sweep.
      baseline: the variant that the others are compared with.
    """

    header: list[str]
    metrics: list[str]
    rows: list[Row]
    baseline: str


def write(folder: str | os.PathLike, *, baseline: str | None = None) -> Table:
    """Writes table.csv, table.md and table.html of the sweep, or the sweeps, in `folder`."""
    folder = pathlib.Path(folder)
    table = make(folder, baseline=baseline)
    writers = {'csv': to_csv, 'md': to_markdown, 'html': to_html}
    for name in writers:
        mark = MARK if name == 'html' else 'command: '
        files.refuse_foreign(folder / f'table.{name}', mark=mark)
    for name, text in writers.items():
        files.write_text(folder / f'table.{name}', text(table))
    return table


def make(folder: str | os.PathLike, *, baseline: str | None = None) -> Table:
    """Reads the sweep, or the sweeps, in `folder`.

    Only runs that finished count; the header names the others, and why runs failed.

    Raises:
      UserError: there is no sweep in `folder`, or no variant of the baseline's name.
    """
    plans = _plans(pathlib.Path(folder))
    variants: dict[str, dict[int, reader.Run]] = {}
    missing, failed, num_failed = [], {}, collections.Counter()
    for place, plan in plans.items():
        reasons = reader.failures(place)
        for name in plan.runs:
            variant = _variant(plan, name, place, folder)
            seeds = variants.setdefault(variant, {})
            run, shown = _finished(place / name), (place / name).relative_to(folder).as_posix()
            if run is not None:
                seeds[run.config.get('seed', 0)] = run
            if name in reasons:
                failed[shown] = reasons[name]
                num_failed[variant] += 1
            elif run is None:
                missing.append(shown)
    done = [run for seeds in variants.values() for run in seeds.values()]
    metrics = dict.fromkeys(key for run in done for key in _metrics(run))
    readers = {key: _reader(key) for key in metrics} | _COSTS
    values = {
        variant: {key: _by_seed(seeds, read) for key, read in readers.items()}
        for variant, seeds in variants.items()
    }
    if baseline is None:
        baseline = next(iter(values))
    check_baseline(baseline, values)
    rows = [
        Row(
            variant,
            {key: seed_statistics.summarize(list(by.values())) for key, by in own.items() if by},
            {}
            if variant == baseline
            else {key: seed_statistics.compare(own[key], values[baseline][key]) for key in metrics},
            num_failed[variant],
        )
        for variant, own in values.items()
    ]
    commands = [plan.command for plan in plans.values()]
    return Table(_header(commands, done, missing, failed), list(readers), rows, baseline)


def check_baseline(baseline: str, variants: Iterable[str]) -> None:
    """Raises UserError if no variant has the baseline's name."""
    variants = list(variants)
    if baseline not in variants:
        raise UserError(f'no variant is called {baseline!r}: {suggestion(baseline, variants)}')


def to_csv(table: Table) -> str:
    """Writes lines of '# header', then one line for each variant, with floats in full."""
    fields = ('mean', 'sd', 'n')
    differences = ('difference', 'low', 'high', 'pairs', 'note')
    compared = _compared(table)
    names = ['variant']
    for key in table.metrics:
        names += [f'{key} {field}' for field in fields + differences * (key in compared)]
    out = io.StringIO()
    for line in table.header:
        out.write(f'# {line}\n')
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(names)
    for row in table.rows:
        cells = [row.variant]
        for key in table.metrics:
            cells += row.summaries.get(key, ('',) * len(fields))
            if key in compared:
                cells += row.comparisons.get(key) or ('',) * len(differences)
        writer.writerow(['' if cell is None else cell for cell in cells])
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """Writes the header as a list, then the values, then the differences."""
    parts = [''.join(f'- {markdown_text(line)}\n' for line in table.header)]
    parts += [f'{title}\n\n{markdown_table(names, rows)}' for title, names, rows in _sheets(table)]
    return '\n'.join(parts)


def to_html(table: Table) -> str:
    """Writes a self-contained page; names and values are escaped."""
    return render('table.html.j2', title='Sweep', header=table.header, sheets=list(_sheets(table)))


def _sheets(table: Table) -> Iterable[tuple[str, list[str], list[list[str]]]]:
    """Yields (title, names of columns, rows of text) for table.md and table.html."""
    yield (
        'Mean ± standard deviation over seeds (number of seeds)',
        ['variant', *table.metrics],
        [
            [_show_variant(row), *(_show_summary(row.summaries.get(key)) for key in table.metrics)]
            for row in table.rows
        ],
    )
    compared = _compared(table)
    if compared:
        yield (
            f'Difference to {table.baseline}, paired by seed [95 % bootstrap interval]',
            ['variant', *compared],
            [
                [row.variant, *(_show_comparison(row.comparisons.get(key)) for key in compared)]
                for row in table.rows
                if row.variant != table.baseline
            ],
        )


def _compared(table: Table) -> list[str]:
    return list(dict.fromkeys(key for row in table.rows for key in row.comparisons))


def _show_variant(row: Row) -> str:
    return f'{row.variant} ({row.num_failed} failed)' if row.num_failed else row.variant


def _show_summary(summary: Summary | None) -> str:
    if summary is None:
        return '-'
    spread = '' if summary.deviation is None else f' ± {summary.deviation:.2g}'
    return f'{summary.mean:.4g}{spread} ({summary.count})'


def _show_comparison(comparison: Comparison | None) -> str:
    if comparison is None:
        return '-'
    interval = ''
    if comparison.low is not None:
        interval = f' [{comparison.low:+.3g}, {comparison.high:+.3g}]'
    note = comparison.note and f' {comparison.note}'
    return f'{comparison.difference:+.4g}{interval}{note}'


def _plans(folder: pathlib.Path) -> dict[pathlib.Path, Plan]:
    """Returns the plan of the sweep in `folder`, or of every sweep right below it, by place."""
    if not (folder / 'sweep.json').exists():
        below = sorted(path.parent for path in folder.glob('*/sweep.json'))
        if below:
            return {place: read_plan(place) for place in below}
    return {folder: read_plan(folder)}


def _variant(plan: Plan, name: str, place: pathlib.Path, folder: str | os.PathLike) -> str:
    variant = plan.variant(name)
    if place == pathlib.Path(folder):
        return variant
    return place.name if variant == ALONE else f'{place.name}/{variant}'


def _finished(workdir: pathlib.Path) -> reader.Run | None:
    if not (workdir / 'config.json').exists():
        return None
    run = reader.read(workdir)
    return run if run.info.get('status') == 'finished' else None


def _metrics(run: reader.Run) -> Mapping[str, float]:
    """Returns the metrics of the last evaluation, if it belongs to the last step."""
    last = run.evaluations[-1] if run.evaluations else {}
    return last.get('metrics', {}) if last.get('step') == run.info.get('step') else {}


def _by_seed(
    seeds: Mapping[int, reader.Run], read: Callable[[reader.Run], float | None]
) -> dict[int, float]:
    found = {seed: read(run) for seed, run in seeds.items()}
    return {seed: float(value) for seed, value in found.items() if value is not None}


def _reader(metric: str) -> Callable[[reader.Run], float | None]:
    return lambda run: _metrics(run).get(metric)


def _speed(run: reader.Run) -> float | None:
    """Returns the median of the recorded images a second."""
    speeds = run.records.scalars.get('images_per_second')
    return float(np.nanmedian(speeds.values)) if speeds else None


def _header(
    commands: Sequence[str],
    done: Sequence[reader.Run],
    missing: Sequence[str],
    failed: Mapping[str, str],
) -> list[str]:
    def distinct(values) -> str:
        return ', '.join(dict.fromkeys(str(value) for value in values)) or 'none'

    lines = [
        *(f'command: {command}' for command in commands),
        f'revision: {distinct(run.info.get("revision", "unknown") for run in done)}',
        f'hardware: {distinct(run.info.get("hardware", "unknown") for run in done)}',
        f'seeds: {distinct(sorted(run.config.get("seed", 0) for run in done))}',
    ]
    last = [run.evaluations[-1] for run in done if _metrics(run)]
    taken = dict.fromkeys(
        f'extractor {line.get("extractor")} {line.get("digest")}, '
        f'{line.get("num_generated")} generated against {line.get("num_reference")} of '
        f'{line.get("reference")}'
        for line in last
        if line.get('extractor')
    )
    lines += [f'measured with {how}' for how in taken]
    if len(taken) > 1:
        lines.append(
            'warning: the runs were measured in different ways; their differences mean nothing'
        )
    floors = {name: value for line in last for name, value in line.get('floor', {}).items()}
    if floors:
        text = ', '.join(f'{name} {value:.4g}' for name, value in floors.items())
        lines.append(f'real against real: {text}')
    lines += [f'failed: {name}: {reason}' for name, reason in failed.items()]
    if missing:
        lines.append(f'not finished: {", ".join(missing)}')
    lines.append(
        'intervals are 95 % each, not corrected for multiple comparisons; "interval contains zero" '
        'and "within one spread" mark differences that seeds alone may make'
    )
    return [' '.join(line.split()) for line in lines]
