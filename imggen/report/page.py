"""The page: sections in the order in which a reader asks, style and script inside."""

import base64
import datetime
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from imggen.errors import UserError
from imggen.report import curves, facts, finding, groups, tables, wall
from imggen.report.groups import Group
from imggen.report.markup import Markup, breakable, duration, element, join, number, with_spread
from imggen.workdir import reader as runs_lib

_HERE = pathlib.Path(__file__).parent
_MAX_FAILURES = 5


def write(
    paths: Sequence[str | os.PathLike], *, output: str | os.PathLike | None = None
) -> pathlib.Path:
    """Writes one page about the runs at or below `paths`; returns where it lies.

    Args:
      paths: runs, sweeps, or folders that hold either.
      output: the page; `report.html` inside the path by default.

    Raises:
      UserError: a path holds no run, the page cannot be written, or `output` is
        left out with several paths.
    """
    if not paths:
        raise UserError('Nothing to report on; name a workdir or the folder of a sweep.')
    if output is None:
        if len(paths) > 1:
            raise UserError('Several folders have no obvious place for one report; set --output.')
        output = pathlib.Path(paths[0]) / 'report.html'
    output = pathlib.Path(output)
    runs = []
    for path in paths:
        prefix = f'{pathlib.Path(path).name}/' if len(paths) > 1 else ''
        found = runs_lib.find(path)
        if prefix and not (pathlib.Path(path) / 'config.json').is_file():
            found = [run._replace(name=prefix + run.name) for run in found]
        runs += found
    planned = [name for path in paths for name in runs_lib.planned(path)]
    title = ', '.join(pathlib.Path(path).resolve().name for path in paths)
    text = render(runs, title=title, planned=len(planned))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_name(f'.{output.name}.partial')
        partial.write_text(text, encoding='utf-8')
        partial.replace(output)
    except OSError as error:
        raise UserError(
            f'{output} cannot be written ({error.strerror}); name another place with --output.'
        ) from None
    return output


def render(runs: Sequence[runs_lib.Run], *, title: str, planned: int = 0) -> str:
    """Returns the page as HTML.

    Args:
      runs: at least one run.
      title: of the page.
      planned: how many runs the sweep is to have; 0 if that is not known.
    """
    grouped = groups.group(runs)
    evaluated = groups.evaluations(runs)
    order, captions = _order(runs, grouped, evaluated)
    colors = {index: place for place, index in enumerate(order[: curves.COLOURS])}
    pictures, left_out = wall.section(runs, _members(grouped, order), captions)
    sections = {
        'Finding': finding.section(runs, grouped, evaluated, colors),
        'Samples': pictures,
        'Curves': curves.section(runs, grouped, order, colors),
        'Runs' if len(runs) > 1 else 'The run': _runs(runs, evaluated),
    }
    body = [
        element('header', _header(runs, title, planned), class_='top'),
        _bar(list(sections), many=len(runs) > 1),
        element(
            'main',
            [
                element('section', element('h2', name), parts, id=_anchor(name))
                for name, parts in sections.items()
            ],
        ),
        _footer(left_out),
    ]
    return _document(title, join(body))


def _anchor(name: str) -> str:
    return name.lower().replace(' ', '-')


def _order(runs, grouped, evaluated) -> tuple[list[int], list[str | None]]:
    """Returns (groups, best first where that is known; each run's first measure in words)."""
    captions: list[str | None] = [None] * len(runs)
    order = list(range(len(grouped)))
    if not evaluated:
        return order, captions
    lines = next(iter(evaluated.values()))
    names = groups.measure_names(lines)
    if not names:
        return order, captions
    ranked = [index for index, _ in groups.rank(grouped, lines, names[0])]
    for index in lines:
        summary = groups.summarize([index], lines, names[0])
        if summary:
            value = with_spread(summary.mean, summary.spread)
            captions[index] = f'{groups.title(names[0])} {value}'
    return ranked + [index for index in order if index not in ranked], captions


def _members(grouped: Sequence[Group], order: Sequence[int]) -> list[int]:
    """Lists the runs by group; where not all show at once, a first run of every group leads."""
    members = [pair for index in order for pair in enumerate(grouped[index].members)]
    if len(members) > wall.OPEN_CARDS:
        members.sort(key=lambda pair: pair[0])
    return [member for _, member in members]


def _header(runs, title: str, planned: int) -> list[Markup]:
    """Names the page, counts its runs by status, and says on what and for how long they ran."""
    counts: dict[str, int] = {}
    for run in runs:
        kind = facts.status(run)[0]
        counts[kind] = counts.get(kind, 0) + 1
    chips = [
        element('span', kind if len(runs) == 1 else f'{count} {kind}', class_=f'chip {kind}')
        for kind, count in counts.items()
    ]
    if planned > len(runs):
        chips.append(element('span', f'{planned - len(runs)} not started', class_='chip unknown'))
    config, made = facts.common(runs)
    seconds = sum(run.info.get('seconds') or 0 for run in runs)
    line = [
        config.get('method.name'),
        made.get('source'),
        f'{len(runs)} runs' if len(runs) > 1 else f'seed {number(config.get("seed"))}',
        made.get('hardware'),
        f'{duration(seconds)} of training' if seconds else None,
    ]
    line = ' · '.join(str(part) for part in line if part)
    return [
        element('h1', title),
        element('p', chips),
        element('p', line, class_='note'),
        _failures(runs),
    ]


def _failures(runs) -> Markup | None:
    """Puts errors where nobody misses them."""
    failed = [index for index, run in enumerate(runs) if facts.status(run)[0] == 'failed']
    if not failed:
        return None
    items = []
    for index in failed[:_MAX_FAILURES]:
        run = runs[index]
        name = [element('a', breakable(run.name), href=f'#run-{index}'), ': ']
        error = run.info.get('error') or 'no error was recorded'
        items.append(element('li', name if len(runs) > 1 else None, error))
    if len(failed) > len(items):
        items.append(element('li', f'{len(failed) - len(items)} more; see the table of runs.'))
    heading = 'The run failed' if len(runs) == 1 else f'{len(failed)} of {len(runs)} runs failed'
    return element('div', element('strong', heading), element('ul', items), class_='failures')


def _bar(names: list[str], *, many: bool) -> Markup:
    links = [element('a', name, href=f'#{_anchor(name)}') for name in names]
    field = element(
        'label',
        element('span', 'Filter'),
        element('input', type='search', id='filter', placeholder='name or setting'),
        element('output', id='filter-count'),
        class_='script',
    )
    return element('nav', links, field if many else None, aria_label='Sections')


def _runs(runs, evaluated) -> list[Markup]:
    """Lists the runs, what they share, and behind a click what each has for itself."""
    if len(runs) == 1:
        return facts.details(runs[0], {}, {})
    config, made = facts.common(runs)
    opened = [
        element(
            'details',
            element('summary', element('strong', breakable(run.name)), facts.chip(run)),
            facts.details(run, config, made),
            id=f'run-{index}',
            data_find=run.name,
        )
        for index, run in enumerate(runs)
    ]
    shared = element(
        'details',
        element('summary', element('strong', 'Shared by all runs')),
        facts.setting(config, made, caption='Config'),
    )
    return [_run_table(runs, evaluated), shared, *opened]


def _run_table(runs, evaluated) -> Markup:
    keys = runs_lib.differing(runs)
    shown = [key for key in keys if groups.is_seed(key)]
    shown += [key for key in keys if key not in shown][: finding.MAX_SETTINGS]
    lines: dict[int, dict[str, Any]] = next(iter(evaluated.values()), {})
    names = groups.measure_names(lines)
    rows = []
    for index, run in enumerate(runs):
        config = runs_lib.flatten(run.config)
        seconds = run.info.get('seconds')
        cells = [
            element('td', element('a', run.name, href=f'#run-{index}'), data_sort=run.name),
            element('td', facts.chip(run), data_sort=facts.status(run)[0]),
            *(tables.setting(config.get(key)) for key in shown),
            tables.cell(facts.last_step(run)),
            *(_measured((lines.get(index, {}).get('metrics') or {}).get(name)) for name in names),
            tables.cell(seconds, text=duration(seconds)),
            tables.cell(facts.speed(run)),
        ]
        rows.append((cells, {'data_find': run.name}))
    headers = ['run', 'status', *shown, 'step', *map(groups.title, names), 'time', 'images/s']
    caption = 'All runs'
    if len(keys) > len(shown):
        caption += f'; {len(keys) - len(shown)} more settings differ, see each run'
    return tables.table(headers, rows, caption=caption)


def _measured(value: Any) -> Markup:
    return tables.cell(value, text=with_spread(value, None))


def _footer(left_out: list[str]) -> Markup:
    now = datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M UTC')
    parts = [element('p', f'Written by experiments/report.py on {now}.')]
    if left_out:
        parts.append(element('p', 'Left out for size: ' + ' '.join(left_out)))
    return element('footer', parts)


def _document(title: str, body: Markup) -> str:
    """Wraps the body; the page may run its own script and load nothing at all."""
    style = (_HERE / 'page.css').read_text(encoding='utf-8')
    script = (_HERE / 'page.js').read_text(encoding='utf-8')
    digest = base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = join(
        element('meta', charset='utf-8'),
        element('meta', http_equiv='Content-Security-Policy', content=policy),
        element('meta', name='viewport', content='width=device-width, initial-scale=1'),
        element('meta', name='color-scheme', content='light dark'),
        element('title', title),
        element('style', Markup(style)),
    )
    page = element('html', element('head', head), element('body', body), lang='en')
    end = element('script', Markup(script))
    return f'<!doctype html>\n{page.removesuffix("</body></html>")}{end}</body></html>\n'
