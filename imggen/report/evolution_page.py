"""A page of evolved images: target, picture, the classifiers' probabilities, and how it grew."""

import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from imggen import files, images
from imggen.data import decode
from imggen.evaluation import evolution
from imggen.inference import animation
from imggen.methods.evolution import classifiers, tally
from imggen.methods.evolution import problem as problems
from imggen.report.formats import number
from imggen.report.render import render
from imggen.workdir import reader
from imggen.workdir.restore import Restored

_COUNTED = (0.5, 0.9)  # Probabilities whose classes are counted over time.
_MOMENTS = 8


def write(
    restored: Restored,
    workdir: str | pathlib.Path,
    folder: pathlib.Path,
    *,
    num_images: int,
    seconds: float = 3.0,
) -> pathlib.Path:
    """Shows the images of a run to which its classifier gives the highest probabilities.

    Args:
      restored: a run of evolution.
      workdir: its workdir, whose sheets of samples show how the images grew.
      folder: gets index.html, and for each image a PNG and, if it is on the sheets, a GIF. They
        replace an older page and its images.
      num_images: the largest number of images.
      seconds: how long a film takes.

    Returns:
      The page's path.

    Raises:
      UserError: the run does not evolve images.
    """
    found = evolution.find(restored, num_images=restored.method.num_images)
    problem = problems.make(restored.config['method']['problem'])
    order = np.argsort(-found.probability, kind='stable')[:num_images]
    pictures, targets = found.images[order], found.target[order]
    columns = {problem.classifier.architecture: (found.probability[order], found.rank[order])}
    for other in classifiers.others(problem.classifier):
        columns[other.architecture] = evolution.judge(other, pictures, targets)
    films = _films(workdir, found.place[order], found.images.shape[1:])
    older = _files(folder)
    rows = []
    for index, (picture, target) in enumerate(zip(pictures, targets, strict=True)):
        shown = [f'{index:05d}_picture.png']
        images.write_png(folder / shown[0], picture)
        if (film := films[index]) is not None and len(film) > 1:
            shown.append(f'{index:05d}_growth.gif')
            pause = int(1000 * seconds / len(film))
            animation.write(folder / shown[1], film, milliseconds=pause)
        judged = [(float(p[index]), int(rank[index])) for p, rank in columns.values()]
        rows.append((found.class_names[target], shown, judged))
    for path in older - {folder / name for _, shown, _ in rows for name in shown}:
        path.unlink(missing_ok=True)
    text = render(
        'evolution_page.html.j2',
        title=f'{pathlib.Path(workdir).name}: {len(rows)} evolved images',
        step=number(restored.step),
        facts=_facts(found),
        moments=_moments(found),
        thresholds=_COUNTED,
        judges=list(columns),
        rows=rows,
    )
    files.write_text(folder / 'index.html', text)
    return folder / 'index.html'


def _facts(found: evolution.Findings) -> list[str]:
    """Returns sentences about the whole search."""
    facts = [f'{number(found.evaluations)} images were evaluated per chain or archive.']
    values = evolution.summarize(found)
    if 'top5' in values:
        facts.append(
            f'The classifier {found.second_name} has the target among its five most probable '
            f'classes for {values["top5"]:.0%} of all images, and for '
            f'{values.get("transfer_top5", 0.0):.0%} of those that the first classifier recognizes.'
        )
    if found.cells is not None:
        filled = ', '.join(f'{np.sum(found.cells >= p):,} at p >= {p}' for p in _COUNTED)
        share = found.switches.sum() / max(1, found.champions.sum())
        facts.append(f'Of {len(found.cells):,} cells, these are filled: {filled}.')
        facts.append(
            f'A cell had {found.champions.mean():.1f} champions, {found.switches.mean():.1f} of '
            f'them ({share:.0%}) with parents from cells of other classes.'
        )
    return facts


def _moments(found: evolution.Findings) -> list[tuple[str, list[str]]]:
    """Returns the number of pursuits that had passed each threshold after so many evaluations."""
    last = max(2, found.evaluations)
    moments = []
    for evaluations in np.unique(
        np.geomspace(last / 2 ** (_MOMENTS - 1), last, _MOMENTS).astype(int)
    ):
        counts = []
        for threshold in _COUNTED:
            first = found.first[:, tally.THRESHOLDS.index(threshold)]
            counts.append(number(int(np.sum((first != tally.NEVER) & (first <= evaluations)))))
        moments.append((number(int(evaluations)), counts))
    return moments


def _films(
    workdir: str | pathlib.Path, places: Sequence[int], shape: tuple[int, int, int]
) -> list[Any]:
    """Returns uint8 [frames, *shape] for each place on the sheets; None beyond their end."""
    sheets = []
    for _, path in reader.read(workdir).samples:
        sheet = decode.to_channels(decode.decode(path), shape[-1])
        sheets.append(images.cut(sheet, shape[:2]))
    shown = min(map(len, sheets), default=0)
    return [
        np.stack([sheet[place] for sheet in sheets]) if place < shown else None for place in places
    ]


def _files(folder: pathlib.Path) -> set[pathlib.Path]:
    """Returns the files that an older page in the folder shows."""
    page = folder / 'index.html'
    text = page.read_text(encoding='utf-8', errors='replace') if page.is_file() else ''
    return {folder / name for name in re.findall(r'src="(\d{5,}_\w+\.(?:png|gif))"', text)}
