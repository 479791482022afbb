"""From a folder of photographs with people to a data set of portraits of one size.

    <output>/portraits/<folders as in the source>/<photograph>_<number>.png
    <output>/manifest.json    settings, portraits, photographs without one and why,
                              facts about every picture that can be read
    <output>/manifest.csv     one line a portrait
    <output>/contact_000.png  every photograph with its boxes, 60 a sheet
    <output>/contact_filters.png  every filter of the first portrait, where asked for

What trains reads <output>/portraits. The whole folder appears when all is done
(`scratch`), so no two runs are ever mixed in it.

On a contact sheet a face that became a portrait is green, one that was left out
orange, and the portrait's own box white.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from imggen import images
from imggen.data import decode
from imggen.data.faces import contact_sheet, filter_sheet, manifest, metadata, scratch
from imggen.data.faces.contact_sheet import Mark
from imggen.data.faces.detectors import Detector, Face
from imggen.data.faces.portraits import Portrait, Settings, take
from imggen.data.loaders import folder
from imggen.errors import UserError

FOLDER = 'portraits'
_PER_SHEET, _COLUMNS = 60, 10
_COLOURS = {'taken': (40, 220, 60), 'left out': (255, 150, 0), 'portrait': (255, 255, 255)}


class Summary(NamedTuple):
    """What a folder of photographs gave.

    Attributes:
      photographs: how many there were.
      portraits: how many came of them.
      skipped: (file, reason) of each photograph without a portrait.
      longest: side of a photograph, in pixels.
    """

    photographs: int
    portraits: int
    skipped: tuple[tuple[str, str], ...]
    longest: int


def prepare(
    source: pathlib.Path,
    output: pathlib.Path,
    detect: Detector,
    settings: Settings,
    *,
    note: Mapping[str, Any] | None = None,
    with_filters: bool = False,
    advance: Callable[[int, int, str], None] = lambda done, total, file: None,
) -> Summary:
    """Makes the portraits of a folder of photographs.

    Args:
      source: the folder.
      output: a folder that is not there yet, or empty, outside of `source`.
      detect: finds faces.
      settings: how portraits are made.
      note: what else the manifest says about the settings.
      with_filters: whether to draw the sheet of filters.
      advance: told (photographs done, of how many, name) after each.

    Raises:
      UserError: no photographs, no portrait of any, an output that is in use, or with
        missing='refuse' a photograph without a face. Nothing is left behind then.
    """
    if not source.is_dir():
        raise UserError(f'{source} is not a folder; name a folder of photographs.')
    files = folder.scan(source).files
    if not files:
        raise UserError(f'{source} holds no pictures; name a folder of photographs.')
    if output.resolve().is_relative_to(source.resolve()):
        raise UserError(f'{output} lies in {source}, whose pictures are read; choose another.')
    with scratch.beside(output) as partial:
        made = _Set(partial)
        for index, file in enumerate(files):
            made.add(source, file, detect, settings)
            advance(index + 1, len(files), file)
        made.close()
        if not made.records:
            raise UserError(_no_portraits(source, made, settings))
        manifest.write(
            partial,
            settings={**dataclasses.asdict(settings), **(note or {})},
            portraits=made.records,
            skipped=made.skipped,
        )
        if with_filters:
            first = decode.decode(partial / FOLDER / made.records[0]['file'])
            images.write_png(partial / 'contact_filters.png', filter_sheet.draw(first))
    skipped = tuple((record['source'], record['reason']) for record in made.skipped)
    return Summary(len(files), len(made.records), skipped, made.longest)


class _Set:
    """Portraits, records and contact sheets as they come."""

    def __init__(self, output: pathlib.Path):
        self.records, self.skipped, self.longest = [], [], 0
        self._output, self._stems, self._tiles, self._num_sheets = output, set(), [], 0

    def add(self, source: pathlib.Path, file: str, detect: Detector, settings: Settings) -> None:
        try:
            picture = decode.decode(source / file)
        except decode.DecodeError as error:
            self._skip(file, str(error), None, settings)
            return
        self.longest = max(self.longest, *picture.shape[:2])
        facts = metadata.describe(source / file, picture)
        faces = detect(picture)
        portraits, reason = take(picture, faces, settings)
        if not portraits:
            self._skip(file, f'{source / file} {reason}', facts, settings)
        stem = _stem(file, self._stems)
        self._stems.add(stem)
        for number, portrait in enumerate(portraits):
            name = f'{stem}_{number}.png'
            images.write_png(self._output / FOLDER / name, portrait.picture)
            self.records.append(
                {'file': name, 'source': file, **portrait.facts(), 'picture': facts}
            )
        self._tiles.append(_tile(picture, faces, portraits, file))
        if len(self._tiles) == _PER_SHEET:
            self.close()

    def close(self) -> None:
        """Writes the photographs that no contact sheet shows yet as one."""
        if not self._tiles:
            return
        sheet = images.grid(np.stack(self._tiles), columns=min(len(self._tiles), _COLUMNS))
        images.write_png(self._output / f'contact_{self._num_sheets:03d}.png', sheet)
        self._tiles, self._num_sheets = [], self._num_sheets + 1

    def _skip(self, file, reason, facts, settings) -> None:
        if settings.missing == 'refuse':
            raise UserError(f'{reason}; remove it, or choose --missing=skip or --missing=keep.')
        self.skipped.append({'source': file, 'reason': reason, 'picture': facts})


def _no_portraits(source: pathlib.Path, made: _Set, settings: Settings) -> str:
    """Returns the sentence about a folder of which nothing came."""
    searched = [record for record in made.skipped if record['picture']]
    cure = 'name a folder of other photographs'
    if searched and settings.missing != 'keep':
        cure = (
            'choose another --detector, a smaller --min_side or --min_eyes, a larger --max_side, '
            'or --missing=keep for whole photographs'
        )
    first = (searched or made.skipped)[0]['reason']
    return f'No photograph in {source} gives a portrait (the first: {first}); {cure}.'


def _stem(file: str, taken: set[str]) -> str:
    """Returns a photograph's name without its ending, or with it where that is taken."""
    path = pathlib.PurePosixPath(file)
    stem = path.with_suffix('').as_posix()
    return f'{stem}_{path.suffix[1:]}' if stem in taken else stem


def _tile(
    picture: np.ndarray, faces: Sequence[Face], portraits: Sequence[Portrait], file: str
) -> np.ndarray:
    taken = [portrait.face for portrait in portraits]
    marks = [
        Mark(
            face.box,
            _COLOURS['taken' if face in taken else 'left out'],
            f'{face.score:.2f}',
            face.eyes,
        )
        for face in faces
    ]
    marks += [Mark(p.box, _COLOURS['portrait']) for p in portraits if p.box is not None]
    return contact_sheet.tile(picture, marks, caption=file)
