"""Samples of all runs under one slider over training steps, with real images beside them.

Every sheet on the wall has the same scale: `zoom` CSS pixels per pixel, a whole number if the
sheet is small enough. The page shows each run's last sheet; its script has the earlier ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from imggen.report import facts, sheets
from imggen.workdir import reader
from imggen.workdir.reader import Run

_SIDE, _FEW_SIDE = 260, 540  # CSS pixels that a sheet may take; the second if there are two.
_RESULTS = 12  # Finished pictures on a page.
# What decides how the real images look; batches and seeds decide which of them are on the sheet.
_DATA = ('name', 'path', 'size', 'kind', 'split')
OPEN_CARDS = 24  # Runs whose sheets show at once; the others wait behind a click.


def section(
    runs: Sequence[Run], order: Sequence[int], captions: Sequence[str | None]
) -> dict[str, Any] | None:
    """Returns what page.html.j2 shows of the samples; None if there is no sheet.

    `order` has the indices of the runs in the order of the wall. `captions` has a text for each
    run, which stands below its name and step.
    """
    with_sheets = [index for index in order if runs[index].samples]
    allowed = sheets.PAGE_BYTES // max(1, len(with_sheets))
    films = {index: sheets.film(runs[index].samples, allowed=allowed) for index in with_sheets}
    left_out = _left_out(runs, films)
    films = {index: film for index, film in films.items() if film.frames}
    real = [{'frame': frame, 'title': 'real images', 'run': None} for frame in _real(runs)]
    cards = real + [
        {
            'frame': film.frames[-1],
            'title': runs[index].name if len(runs) > 1 else 'samples',
            'run': index,
            'status': facts.status(runs[index]),
            'caption': captions[index],
            'sets': runs[index].info.get('sets', []),
        }
        for index, film in films.items()
    ]
    if not cards:
        return None
    wide = max(card['frame'].width for card in cards)
    few = len(cards) <= 2
    side = _FEW_SIDE if few else _SIDE
    zoom = side // wide or (1 if wide <= 1.3 * side else round(side / wide, 3))
    shown = OPEN_CARDS + len(real)
    return {
        'cards': cards[:shown],
        'more': cards[shown:],  # These wait behind a click.
        'zoom': zoom,
        'wide': wide,  # The width of the widest sheet, in its own pixels.
        'classes': ' '.join(['wall'] + ['few'] * few + ['shrunk'] * (zoom < 1)),
        'results': _results(runs, order),
        'films': _data(films),
        'left_out': left_out,
    }


def _data(films: Mapping[int, sheets.Film]) -> dict[str, Any]:
    """Returns the data for the script; the last sheet of a run is on the wall already."""
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
    """Says what the page leaves out; runs with the same note share a sentence."""
    names: dict[str, list[str]] = {}
    for index, film in films.items():
        if film.note:
            names.setdefault(film.note, []).append(runs[index].name)
    return [
        f'{some[0] if len(some) == 1 else f"{len(some)} runs"}: {note}.'
        for note, some in names.items()
    ]


def _results(runs: Sequence[Run], order: Sequence[int]) -> list[dict[str, Any]]:
    """Embeds finished pictures, such as styled photographs, which the page shows at their size."""
    found = []
    for index in order:
        for path in sorted((runs[index].path / 'results').glob('*.png')):
            if len(found) == _RESULTS:
                return found
            if (frame := sheets.still(path)) is not None:
                name = f'{runs[index].name}: {path.stem}' if len(runs) > 1 else path.stem
                found.append({'frame': frame, 'title': name, 'find': runs[index].name})
    return found


def _real(runs: Sequence[Run]) -> list[sheets.Frame]:
    """Embeds one sheet of real images for each data set, whatever the seeds of the runs."""
    paths = {}
    for run in runs:
        path = run.path / 'samples' / 'real.png'
        if path.is_file():
            section = reader.flatten(run.config.get('data', {}))
            paths.setdefault(repr([section.get(key) for key in _DATA]), path)
    frames = [sheets.still(path) for path in paths.values()]
    return [frame for frame in frames if frame is not None]
