"""Samples of all runs under one slider over training steps, real images beside them.

Every sheet on the wall has the same scale: `zoom` CSS pixels per pixel, a whole number wherever
the sheet fits. The page holds each run's last sheet in place, and the earlier ones as data for
its script.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imggen.report import facts, sheets
from imggen.workdir.reader import Run

_SIDE, _FEW_SIDE = 260, 540  # CSS pixels that a sheet may take; the second if there are two.
OPEN_CARDS = 24  # Runs whose sheets show at once; the others wait behind a click.


class Card(NamedTuple):
    """One sheet on the wall.

    Attributes:
      frame: the sheet.
      title: name of the run.
      run: index of the run; None for real images.
      status: (kind, sentence) of a run that has not finished, else None.
      caption: what to say of the run besides its name and step.
    """

    frame: sheets.Frame
    title: str
    run: int | None = None
    status: tuple[str, str] | None = None
    caption: str | None = None


class Wall(NamedTuple):
    """The section.

    Attributes:
      cards: what shows at once.
      more: what waits behind a click.
      zoom: CSS pixels per pixel of a sheet.
      wide: width of the widest sheet in its own pixels.
      classes: of the wall.
      films: for the script: all steps, and each run's steps and earlier sheets.
      left_out: one sentence for each run whose sheets are not all embedded.
    """

    cards: list[Card]
    more: list[Card]
    zoom: float
    wide: int
    classes: str
    films: dict[str, Any]
    left_out: list[str]


def section(
    runs: Sequence[Run], order: Sequence[int], captions: Sequence[str | None]
) -> Wall | None:
    """Builds the wall; None if there is no sheet.

    Args:
      runs: all runs.
      order: indices of the runs in the order to show.
      captions: what to say of each run besides its name and step.
    """
    with_sheets = [index for index in order if runs[index].samples]
    real = _real(runs)
    allowed = sheets.PAGE_BYTES // max(1, len(with_sheets))
    films = {index: sheets.film(runs[index].samples, allowed=allowed) for index in with_sheets}
    left_out = _left_out(runs, films)
    films = {index: film for index, film in films.items() if film.frames}
    cards = [Card(frame, 'real images') for frame in real]
    for index, film in films.items():
        run = runs[index]
        status = facts.status(run)
        cards.append(
            Card(
                film.frames[-1],
                run.name if len(runs) > 1 else 'samples',
                run=index,
                status=None if status[0] == 'finished' else status,
                caption=captions[index],
            )
        )
    if not cards:
        return None
    wide = max(card.frame.width for card in cards)
    few = len(cards) <= 2
    side = _FEW_SIDE if few else _SIDE
    zoom = side // wide or (1 if wide <= 1.3 * side else round(side / wide, 3))
    shown = OPEN_CARDS + len(real)
    classes = ' '.join(['wall'] + ['few'] * few + ['shrunk'] * (zoom < 1))
    return Wall(cards[:shown], cards[shown:], zoom, wide, classes, _data(films), left_out)


def _data(films: Mapping[int, sheets.Film]) -> dict[str, Any]:
    """Returns what the script needs; the last sheet of a run is on the wall already."""
    runs = {
        str(index): {
            'steps': [frame.step for frame in film.frames],
            'frames': [frame.uri for frame in film.frames[:-1]],
        }
        for index, film in films.items()
    }
    steps = sorted({step for run in runs.values() for step in run['steps']})
    return {'steps': steps, 'runs': runs}


def _left_out(runs: Sequence[Run], films: Mapping[int, sheets.Film]) -> list[str]:
    """Says what the page does not hold; runs with the same to say share a sentence."""
    names: dict[str, list[str]] = {}
    for index, film in films.items():
        if film.note:
            names.setdefault(film.note, []).append(runs[index].name)
    return [
        f'{some[0] if len(some) == 1 else f"{len(some)} runs"}: {note}.'
        for note, some in names.items()
    ]


def _real(runs: Sequence[Run]) -> list[sheets.Frame]:
    """Embeds the sheets of real images, each once however many runs share it."""
    paths = {}
    for run in runs:
        path = run.path / 'samples' / 'real.png'
        if path.is_file():
            paths.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    frames = [sheets.still(path) for path in paths.values()]
    return [frame for frame in frames if frame is not None]
