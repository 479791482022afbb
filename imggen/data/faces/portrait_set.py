"""Makes a data set of portraits of one size from photographs of people.

    <output>/portraits/<folders as in the source>/<photograph>_<number>.png
    <output>/manifest.json    settings; portraits; photographs without a portrait, with the
                              reason; facts about every photograph that can be read
    <output>/manifest.csv     one line for each portrait
    <output>/skipped.txt      a line for each photograph without a portrait
    <output>/contact_000.png  every photograph with its boxes, 60 on a sheet
    <output>/contact_filters.png  every filter of the first portrait, if asked for

Training reads <output>/portraits. The folder <output> appears when everything is done
(`files.filling`), so that it never holds the portraits of two runs.

On a contact sheet, the box of a face that became a portrait is green, the box of a face that was
left out is orange, and the box of a portrait is white.
"""

import dataclasses
import errno
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from imggen import files, images
from imggen import skipped as skipped_files
from imggen.data import decode
from imggen.data.faces import contact_sheet, filter_sheet, manifest, metadata
from imggen.data.faces.contact_sheet import Mark
from imggen.data.faces.detectors import Detector, Face
from imggen.data.faces.portraits import Portrait, Settings, take
from imggen.data.loaders import folder
from imggen.errors import UserError

FOLDER = 'portraits'
_PER_SHEET, _COLUMNS = 60, 10
_COLORS = {'taken': (40, 220, 60), 'left out': (255, 150, 0), 'portrait': (255, 255, 255)}


class Summary(NamedTuple):
    """Numbers of photographs and portraits, and facts about the photographs.

    Attributes:
      skipped: (file, reason) of each photograph without a portrait.
      longest: longest side of all photographs, in pixels.
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
    """Makes the portraits of a photograph or of a folder of photographs.

    Args:
      source: the file or the folder.
      output: a folder outside of `source` that does not exist yet, or is empty.
      detect: finds the faces.
      settings: how portraits are made.
      note: further settings for the manifest.
      with_filters: whether to draw the sheet of filters.
      advance: called after each photograph with (number done, total, file).

    Raises:
      UserError: there are no photographs or no portraits, the output is in use, or, with
        missing='refuse', a photograph shows no face. Nothing is left behind.
    """
    found, root = _photographs(source)
    photographs = found.files
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise UserError(f'{output} is inside {source}, whose pictures are read; choose another.')
    with files.filling(output) as partial:
        made = _Set(partial)
        for file, reason in found.skipped:
            made.skip(file, reason, None)
        for index, file in enumerate(photographs):
            made.add(root, file, detect, settings)
            advance(index + 1, len(photographs), file)
        made.close()
        if not made.records:
            raise UserError(_no_portraits(source, made, settings))
        manifest.write(
            partial,
            settings={**dataclasses.asdict(settings), **(note or {})},
            portraits=made.records,
            skipped=made.skipped,
        )
        skipped = tuple((record['source'], record['reason']) for record in made.skipped)
        skipped_files.write(partial, [reason for _, reason in skipped])
        if with_filters:
            first = decode.decode(partial / FOLDER / made.records[0]['file'])
            images.write_png(partial / 'contact_filters.png', filter_sheet.draw(first))
    return Summary(len(photographs), len(made.records), skipped, made.longest)


def _photographs(source: pathlib.Path) -> tuple[folder.Scan, pathlib.Path]:
    """Returns the photographs and the folder in which they are."""
    if source.is_file():
        return folder.Scan((source.name,), (), 0), source.parent
    found = folder.scan(source, option='--source')
    if not found.files:
        raise UserError(f'{source} holds no pictures; name a folder of photographs.')
    return found, source


class _Set:
    """Writes portraits and contact sheets, and collects records."""

    def __init__(self, output: pathlib.Path):
        self.records, self.skipped, self.longest = [], [], 0
        self._output, self._stems, self._tiles, self._num_sheets = output, set(), [], 0

    def add(self, source: pathlib.Path, file: str, detect: Detector, settings: Settings) -> None:
        try:
            picture = decode.decode(source / file)
        except decode.DecodeError as error:
            self._leave_out(file, str(error), None, settings)
            return
        self.longest = max(self.longest, *picture.shape[:2])
        facts = metadata.describe(source / file, picture)
        faces = detect(picture)
        portraits, reason = take(picture, faces, settings)
        if not portraits:
            self._leave_out(file, f'{source / file} {reason}', facts, settings)
        stem = _stem(file, self._stems)
        self._stems.add(stem)
        for number, portrait in enumerate(portraits):
            name = f'{stem}_{number}.png'
            try:
                images.write_png(self._output / FOLDER / name, portrait.picture)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                self._leave_out(file, f'{source / file} has too long a name', facts, settings)
                break
            self.records.append(
                {'file': name, 'source': file, **portrait.facts(), 'picture': facts}
            )
        self._tiles.append(_tile(picture, faces, portraits, file))
        if len(self._tiles) == _PER_SHEET:
            self.close()

    def close(self) -> None:
        """Writes a contact sheet of the photographs that are on none yet."""
        if not self._tiles:
            return
        sheet = images.grid(np.stack(self._tiles), columns=min(len(self._tiles), _COLUMNS))
        images.write_png(self._output / f'contact_{self._num_sheets:03d}.png', sheet)
        self._tiles, self._num_sheets = [], self._num_sheets + 1

    def skip(self, file, reason, facts) -> None:
        self.skipped.append({'source': file, 'reason': reason, 'picture': facts})

    def _leave_out(self, file, reason, facts, settings) -> None:
        if settings.missing == 'refuse':
            raise UserError(f'{reason}; remove it, or choose --missing=skip or --missing=keep.')
        self.skip(file, reason, facts)


def _no_portraits(source: pathlib.Path, made: _Set, settings: Settings) -> str:
    """Returns the error message for a folder that gave no portrait."""
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
    """Returns a photograph's name without its suffix, or with it as often as names are taken."""
    path = pathlib.PurePosixPath(file)
    stem = path.with_suffix('').as_posix()
    while stem in taken:
        stem += f'_{path.suffix[1:]}'
    return stem


def _tile(
    picture: np.ndarray, faces: Sequence[Face], portraits: Sequence[Portrait], file: str
) -> np.ndarray:
    taken = [portrait.face for portrait in portraits]
    marks = [
        Mark(
            face.box,
            _COLORS['taken' if face in taken else 'left out'],
            f'{face.score:.2f}',
            face.eyes,
        )
        for face in faces
    ]
    marks += [Mark(p.box, _COLORS['portrait']) for p in portraits if p.box is not None]
    return contact_sheet.tile(picture, marks, caption=file)
