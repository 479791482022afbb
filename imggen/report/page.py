"""The page: finding, samples, curves and runs in one file, with style and script inside."""

import base64
import collections
import datetime
import hashlib
import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imggen import files
from imggen.errors import UserError
from imggen.report import curves, facts, finding, groups, plots, tables, wall
from imggen.report.formats import duration, number, with_spread
from imggen.report.groups import Group
from imggen.report.render import MARK, source
from imggen.report.render import render as render_template
from imggen.workdir import reader
from imggen.workdir.reader import Run

_MAX_FAILURES = 5


class _Order(NamedTuple):
    """Groups, best first if that is known, and each run's first metric as text."""

    groups: list[int]
    captions: list[str | None]


def write(
    paths: Sequence[str | os.PathLike],
    *,
    output: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> pathlib.Path:
    """Writes one page about the runs at or below `paths`; returns its path.

    Args:
      paths: runs, sweeps, or folders that hold either.
      output: the page; `report.html` inside the path by default.
      overwrite: whether to replace a file that is not such a page.

    Raises:
      UserError: a path holds no run, the page cannot be written, or `output` is
        left out with several paths or is no .html file.
    """
    if not paths:
        raise UserError('Nothing to report on; name a workdir or the folder of a sweep.')
    if output is None:
        if len(paths) > 1:
            raise UserError('Several folders have no obvious place for one report; set --output.')
        output = pathlib.Path(paths[0]) / 'report.html'
    output = pathlib.Path(output)
    if output.suffix not in ('.html', '.htm'):
        raise UserError(f'--output={output} is not the name of a page; give a .html file.')
    files.refuse_foreign(output, overwrite=overwrite, mark=MARK)
    runs, planned, failures = [], 0, {}
    for path, place in zip(map(pathlib.Path, paths), _places(paths), strict=True):
        prefix = f'{place}/' if len(paths) > 1 else ''
        found = reader.find(path, thin=True)
        if prefix and (path / 'config.json').is_file():
            found = [found[0]._replace(name=place)]
        elif prefix:
            found = [run._replace(name=prefix + run.name) for run in found]
        runs += found
        planned += len(reader.planned(path))
        failures |= {prefix + name: why for name, why in reader.failures(path).items()}
    title = ', '.join(pathlib.Path(path).resolve().name for path in paths)
    text = render(runs, title=title, planned=planned, failures=failures)
    try:
        files.write_text(output, text)
    except OSError as error:
        raise UserError(
            f'{output} cannot be written ({error.strerror}); name another place with --output.'
        ) from None
    return output


def render(
    runs: Sequence[Run],
    *,
    title: str,
    planned: int = 0,
    failures: Mapping[str, str] | None = None,
) -> str:
    """Returns the page about at least one run as HTML.

    Args:
      runs: the runs.
      title: of the page.
      planned: number of runs of the whole sweep, or 0 if that is not known.
      failures: why runs of the sweep failed, by name; some may have left nothing else.
    """
    failures = failures or {}
    runs = [_with_failure(run, failures.get(run.name)) for run in runs]
    absent = sorted(failures.keys() - {run.name for run in runs})
    grouped = groups.group(runs)
    evaluated = groups.evaluations(runs)
    lines = next(iter(evaluated.values()), {})
    order = _order(runs, grouped, lines)
    colors = {index: place for place, index in enumerate(order.groups[: plots.NUM_COLORS])}
    scalars = [run.records.scalars for run in runs]
    speeds = [facts.speed(of_run) for of_run in scalars]
    config, made = facts.common(runs)
    script, many = source('page.js'), len(runs) > 1
    return render_template(
        'page.html.j2',
        title=title,
        script=script,
        policy=_policy(script),
        many=many,
        counts=collections.Counter(
            [*(facts.status(run)[0] for run in runs), *('failed' for _ in absent)]
        ),
        not_started=max(0, planned - len(runs) - len(absent)),
        summary=_summary(runs, config, made),
        failed=_failed(runs, failures, absent),
        num_runs=max(planned, len(runs) + len(absent)),
        max_failures=_MAX_FAILURES,
        findings=finding.section(runs, grouped, evaluated, colors),
        workdir='RUN' if many else shlex.quote(str(runs[0].path)),
        wall=wall.section(runs, _members(grouped, order.groups), order.captions),
        curves=curves.section(runs, scalars, grouped, order.groups, colors),
        runs=runs,
        run_table=_run_table(runs, lines, speeds),
        statuses=[facts.status(run) for run in runs],
        shared={'config': config, 'made': made},
        details=[
            facts.details(
                run, config if many else {}, made if many else {}, images_per_second=speed
            )
            for run, speed in zip(runs, speeds, strict=True)
        ],
        now=datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M UTC'),
    )


def _policy(script: str) -> str:
    """Returns the content security policy: the page runs its own script and loads nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _failed(
    runs: Sequence[Run], failures: Mapping[str, str], absent: Sequence[str]
) -> list[tuple[int | None, str, str | None]]:
    """Lists (index, name, reason) of what failed; a run that left nothing has no index."""
    left = [
        (index, run.name, failures.get(run.name) or run.info.get('error'))
        for index, run in enumerate(runs)
        if run.info.get('status') == 'failed' or run.name in failures
    ]
    return left + [(None, name, failures[name]) for name in absent]


def _places(paths: Sequence[str | os.PathLike]) -> list[str]:
    """Names folders by their last parts, or in full if two would share a name."""
    names = [pathlib.Path(path).resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _with_failure(run: Run, why: str | None) -> Run:
    """Returns a run that is failed if its sweep says so, as of a run that was killed."""
    if why is None or run.info.get('status') == 'finished':
        return run
    return run._replace(info={'error': why} | run.info | {'status': 'failed'})


def _order(
    runs: Sequence[Run], grouped: Sequence[Group], lines: Mapping[int, Mapping[str, Any]]
) -> _Order:
    captions: list[str | None] = [None] * len(runs)
    order = list(range(len(grouped)))
    names = groups.metric_names(lines)
    if not names:
        return _Order(order, captions)
    ranked = [index for index, _ in groups.rank(grouped, lines, names[0])]
    for index in lines:
        summary = groups.summarize([index], lines, names[0])
        if summary:
            value = with_spread(summary.mean, summary.spread)
            captions[index] = f'{groups.title(names[0])} {value}'
    return _Order(ranked + [index for index in order if index not in ranked], captions)


def _members(grouped: Sequence[Group], order: Sequence[int]) -> list[int]:
    """Lists the runs by group; if not all show at once, the first run of each group comes first."""
    members = [pair for index in order for pair in enumerate(grouped[index].members)]
    if len(members) > wall.OPEN_CARDS:
        members.sort(key=lambda pair: pair[0])
    return [member for _, member in members]


def _summary(runs: Sequence[Run], config: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Says what ran, on what, and for how long."""
    seconds = sum(run.info.get('seconds') or 0 for run in runs)
    parts = [
        config.get('method.name'),
        made.get('source'),
        f'{len(runs)} runs' if len(runs) > 1 else f'seed {number(config.get("seed"))}',
        made.get('hardware'),
        f'{duration(seconds)} of training' if seconds else None,
    ]
    return ' · '.join(str(part) for part in parts if part)


def _run_table(
    runs: Sequence[Run],
    lines: Mapping[int, Mapping[str, Any]],
    speeds: Sequence[float | None],
) -> tables.Table:
    """Lists every run with its status, what differs, its metrics, its time and its speed."""
    keys = reader.differing(runs)
    shown = [key for key in keys if groups.is_seed(key)]
    shown += [key for key in keys if key not in shown][: finding.MAX_SETTINGS]
    names = groups.metric_names(lines)
    rows = []
    for index, run in enumerate(runs):
        config, seconds = reader.flatten(run.config), run.info.get('seconds')
        metrics = lines.get(index, {}).get('metrics') or {}
        kind, sentence = facts.status(run)
        cells = [
            tables.Cell(run.name, run.name, run=index),
            tables.Cell(kind, kind, status=(kind, sentence)),
            *(tables.setting(config.get(key)) for key in shown),
            tables.cell(facts.last_step(run)),
            *(tables.cell(metrics.get(k), text=with_spread(metrics.get(k), None)) for k in names),
            tables.cell(seconds, text=duration(seconds)),
            tables.cell(speeds[index]),
        ]
        rows.append((cells, run.name))
    headers = ['run', 'status', *shown, 'step', *map(groups.title, names), 'time', 'images/s']
    caption = 'All runs'
    if len(keys) > len(shown):
        caption += f'; {len(keys) - len(shown)} more settings differ, see each run'
    return tables.table(headers, rows, caption=caption)
