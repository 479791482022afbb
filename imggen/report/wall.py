"""Samples of all runs under one slider over training steps, real pictures beside them.

Every picture on the wall has the same scale: `--zoom` CSS pixels a picture
element, a whole number wherever the sheet fits. The page holds each run's last
sheet in place and the earlier ones as data for the script.
"""

import hashlib
from collections.abc import Sequence

from imggen.report import facts, sheets
from imggen.report.markup import Markup, breakable, element, json_script, number
from imggen.workdir import reader as runs_lib

_SIDE, _FEW_SIDE = 260, 540  # CSS pixels that a sheet may take; the second where two stand.
OPEN_CARDS = 24  # Runs whose pictures show at once; the others wait behind a click.


def section(
    runs: Sequence[runs_lib.Run], order: Sequence[int], captions: Sequence[str | None]
) -> tuple[list[Markup], list[str]]:
    """Builds the wall.

    Args:
      runs: all runs.
      order: indices of the runs in the order to show.
      captions: what to say of each run besides its name and step.

    Returns:
      (markup, one sentence for each run whose sheets are not all embedded).
    """
    with_sheets = [index for index in order if runs[index].samples]
    real = _real(runs)
    if not with_sheets and not real:
        return [element('p', 'No run has written samples.')], []
    allowed = sheets.PAGE_BYTES // max(1, len(with_sheets))
    films = {index: sheets.film(runs[index].samples, allowed=allowed) for index in with_sheets}
    films = {index: film for index, film in films.items() if film.frames}
    left_out = _left_out(runs, films)
    wide = max([film.frames[-1].width for film in films.values()] + [r.width for r in real])
    few = len(films) + len(real) <= 2
    side = _FEW_SIDE if few else _SIDE
    zoom = side // wide or (1 if wide <= 1.3 * side else round(side / wide, 3))
    cards = [
        _card(frame, 'real pictures', zoom=zoom, kind='real', step='from the data')
        for frame in real
    ]
    for index, film in films.items():
        last = film.frames[-1]
        title = runs[index].name if len(runs) > 1 else 'samples'
        cards.append(
            _card(
                last,
                title,
                zoom=zoom,
                run=index,
                step=f'step {number(last.step)}',
                chip=None if facts.status(runs[index])[0] == 'finished' else runs[index],
                caption=captions[index],
            )
        )
    steps = sorted({frame.step for film in films.values() for frame in film.frames})
    data = {
        str(index): {
            'steps': [frame.step for frame in film.frames],
            # The last sheet is in its place on the wall already.
            'frames': [frame.uri for frame in film.frames[:-1]],
        }
        for index, film in films.items()
    }
    style = f'--zoom:{zoom};--wide:{wide}'
    kind = ' '.join(['wall'] + ['few'] * few + ['shrunk'] * (zoom < 1))
    shown = OPEN_CARDS + len(real)
    wall = [element('div', cards[:shown], class_=kind, style=style)]
    if len(cards) > shown:
        more = element('summary', f'{len(cards) - shown} more runs')
        rest = element('div', cards[shown:], class_=kind, style=style)
        wall.append(element('details', more, rest, class_='more'))
    return [
        _controls(steps) if len(steps) > 1 else None,
        *wall,
        json_script('films', {'steps': steps, 'runs': data}),
        _dialog(),
    ], left_out


def _left_out(runs: Sequence[runs_lib.Run], films: dict[int, sheets.Film]) -> list[str]:
    """Says what the page does not hold; runs with the same to say share a sentence."""
    names: dict[str, list[str]] = {}
    for index, film in films.items():
        if film.note:
            names.setdefault(film.note, []).append(runs[index].name)
    return [
        f'{runs_[0] if len(runs_) == 1 else f"{len(runs_)} runs"}: {note}.'
        for note, runs_ in names.items()
    ]


def _real(runs: Sequence[runs_lib.Run]) -> list[sheets.Frame]:
    """Embeds the sheets of real pictures, each once however many runs share it."""
    paths = {}
    for run in runs:
        path = run.path / 'samples' / 'real.png'
        if path.is_file():
            paths.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    frames = [sheets.still(path) for path in paths.values()]
    return [frame for frame in frames if frame is not None]


def _card(
    frame: sheets.Frame,
    title: str,
    *,
    zoom: float,
    step: str,
    run: int | None = None,
    kind: str | None = None,
    chip: runs_lib.Run | None = None,
    caption: str | None = None,
) -> Markup:
    picture = element(
        'img',
        src=frame.uri,
        width=round(frame.width * zoom),
        height=round(frame.height * zoom),
        alt=f'{title}, {step}',
        style=f'--w:{frame.width}',
        decoding='async',
    )
    name = element('a', breakable(title), href=f'#run-{run}') if run is not None else title
    return element(
        'figure',
        element('button', picture, type='button', class_='enlarge', aria_label=f'enlarge {title}'),
        element(
            'figcaption',
            element('strong', name),
            facts.chip(chip) if chip else None,
            element('span', step, class_='step'),
            element('span', caption, class_='note') if caption else None,
        ),
        class_=f'card {kind or ""}'.strip(),
        data_run=run,
        data_find=title if run is not None else None,
    )


def _controls(steps: Sequence[int]) -> Markup:
    last = len(steps) - 1
    return element(
        'div',
        element('button', 'Play', type='button', id='play', aria_pressed='false'),
        element(
            'label',
            element('span', 'Training step'),
            element(
                'input',
                type='range',
                id='step',
                min=0,
                max=last,
                value=last,
                autocomplete='off',
                aria_valuetext=f'step {number(steps[-1])}',
            ),
        ),
        element('output', number(steps[-1]), for_='step', id='step-shown'),
        class_='player script',
    )


def _dialog() -> Markup:
    return element(
        'dialog',
        element(
            'div',
            element('strong', id='large-title'),
            element('span', id='large-step', class_='step'),
            element('button', 'Close', type='button', id='large-close'),
            class_='bar',
        ),
        element('div', id='large-pictures'),
        id='large',
        aria_labelledby='large-title',
    )
