"""From photographs with people to a data set of portraits of one size.

    <output>/portraits/<folders as in the source>/<photograph>_<number>.png
    <output>/manifest.json    settings, portraits, photographs without one and why
    <output>/manifest.csv     one line a portrait
    <output>/contact_000.png  every photograph with its boxes, 60 a sheet

What trains reads <output>/portraits.

On a contact sheet a face that became a portrait is green, one that was left out
orange, and the portrait's own box white.
"""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from imggen import images
from imggen.data import alignment, boxes, contact_sheet, decode, folder, metadata
from imggen.data.boxes import Box
from imggen.data.contact_sheet import Mark
from imggen.data.faces import Detector, Face
from imggen.errors import UserError

FOLDER, MANIFEST = 'portraits', 'manifest.json'
_PER_SHEET = 60
_COLOURS = {'taken': (40, 220, 60), 'left out': (255, 150, 0), 'portrait': (255, 255, 255)}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How portraits are made.

    Attributes:
      size: (height, width) in pixels.
      margin_percent: around a face, of its own size; see `boxes.portrait`.
      which: 'largest' or 'all' faces of a photograph.
      missing: 'skip' leaves a photograph without a face out, 'keep' takes the whole
        of it, cut to the proportions of the size, 'refuse' ends with an error.
      min_eyes: faces on which fewer eyes were found are left out.
      align: brings the eyes to the same places (`alignment`) in place of the margin;
        it takes both eyes.
    """

    size: tuple[int, int] = (480, 360)
    margin_percent: float = 30.0
    which: str = 'largest'
    missing: str = 'skip'
    min_eyes: int = 0
    align: bool = False


class Portrait(NamedTuple):
    """One portrait.

    Attributes:
      picture: uint8 [*size, 1 or 3].
      face: what it shows; None where it is the whole photograph.
      box: what was cut out; None where it was aligned.
    """

    picture: np.ndarray
    face: Face | None
    box: Box | None


class Summary(NamedTuple):
    """How many photographs there were, what they gave, and the reasons where it was nothing."""

    photographs: int
    portraits: int
    skipped: tuple[tuple[str, str], ...]


def prepare(
    source: pathlib.Path,
    output: pathlib.Path,
    detect: Detector,
    settings: Settings,
    *,
    note: Mapping[str, Any] | None = None,
    advance: Callable[[int, int, str], None] = lambda done, total, file: None,
) -> Summary:
    """Makes the portraits of a folder of photographs.

    Args:
      source: the folder.
      output: a folder that holds no portraits yet, outside of `source`.
      detect: finds faces.
      settings: how portraits are made.
      note: what else the manifest says about the settings.
      advance: told (photographs done, of how many, name) after each.

    Raises:
      UserError: no photographs, an output that is in use, or with missing='refuse'
        a photograph without a face.
    """
    found = folder.scan(source)
    if not found.files:
        raise UserError(f'{source} holds no pictures; name a folder of photographs.')
    if output.resolve().is_relative_to(source.resolve()):
        raise UserError(f'{output} lies in {source}, whose pictures are read; choose another.')
    if (output / MANIFEST).exists():
        raise UserError(f'{output} holds portraits already; choose another folder or remove it.')
    output.mkdir(parents=True, exist_ok=True)
    records, skipped, tiles, stems, num_sheets = [], [], [], set(), 0
    for index, file in enumerate(found.files):
        try:
            picture = decode.decode(source / file)
            faces = detect(picture)
            portraits, reason = take(picture, faces, settings)
        except decode.DecodeError as error:
            picture, faces, portraits, reason = None, [], [], str(error)
        if not portraits:
            reason = reason if picture is None else f'{source / file} {reason}'
            if settings.missing == 'refuse':
                raise UserError(f'{reason}; remove it, or choose to skip or to keep such pictures.')
            skipped.append((file, reason))
        if picture is not None:
            facts = metadata.describe(source / file, picture) if portraits else {}
            for number, portrait in enumerate(portraits):
                name = f'{_stem(file, stems)}_{number}.png'
                images.write_png(output / FOLDER / name, portrait.picture)
                seen = _facts(portrait, picture.shape[:2])
                records.append({'file': name, 'source': file, **seen, 'picture': facts})
            stems.add(_stem(file, stems))
            tiles.append(_tile(picture, faces, portraits, file))
        if len(tiles) == _PER_SHEET or (tiles and index == len(found.files) - 1):
            columns = min(len(tiles), 10)
            sheet = images.grid(np.stack(tiles), columns=columns)
            images.write_png(output / f'contact_{num_sheets:03d}.png', sheet)
            tiles, num_sheets = [], num_sheets + 1
        advance(index + 1, len(found.files), file)
    _write(output, records, skipped, {**dataclasses.asdict(settings), **(note or {})})
    return Summary(len(found.files), len(records), tuple(skipped))


def take(picture: np.ndarray, faces: list[Face], settings: Settings) -> tuple[list[Portrait], str]:
    """Returns the portraits of a photograph and, where there are none, the reason.

    Args:
      picture: uint8 [height, width, 1 or 3].
      faces: found in it, the largest first.
      settings: how portraits are made.
    """
    shape = picture.shape[:2]
    least = max(settings.min_eyes, 2 if settings.align else 0)
    seen = [face for face in faces if len(face.eyes) >= least]
    if settings.which == 'largest':
        seen = seen[:1]
    if seen and settings.align:
        return [
            Portrait(alignment.align(picture, face.eyes, settings.size), face, None)
            for face in seen
        ], ''
    if seen:
        cuts = [
            boxes.portrait(face.box, shape, settings.size, margin_percent=settings.margin_percent)
            for face in seen
        ]
        return [
            Portrait(boxes.cut(picture, box, settings.size), face, box)
            for face, box in zip(seen, cuts, strict=True)
        ], ''
    if settings.missing == 'keep' and min(shape) > 1:
        return [Portrait(decode.resize(picture, settings.size), None, None)], ''
    if min(shape) <= 1:
        return [], f'is {shape[1]} x {shape[0]} pixels, too small for a portrait'
    if faces:
        return [], f'shows no face with {least} eyes'
    return [], 'shows no face'


def _facts(portrait: Portrait, photograph: tuple[int, int]) -> dict[str, Any]:
    face = portrait.face
    # What part of the portrait had to repeat the photograph's edge.
    outside = boxes.outside(portrait.box, photograph) if portrait.box else 0.0
    rounded = lambda box: {name: round(side, 1) for name, side in box._asdict().items()}  # noqa: E731
    return {
        'box': rounded(face.box) if face else None,
        'score': round(face.score, 4) if face else None,
        'eyes': [[round(row, 1), round(column, 1)] for row, column in face.eyes] if face else [],
        'portrait': rounded(portrait.box) if portrait.box else None,
        'outside': round(outside, 3),
    }


def _stem(file: str, taken: set[str]) -> str:
    """Returns a photograph's name without its ending, or with it where that is taken."""
    path = pathlib.PurePosixPath(file)
    stem = path.with_suffix('').as_posix()
    return f'{stem}_{path.suffix[1:]}' if stem in taken else stem


def _tile(picture, faces, portraits, file):
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


def _write(output, records, skipped, settings) -> None:
    manifest = {
        'settings': settings,
        'portraits': records,
        'skipped': [{'source': file, 'reason': reason} for file, reason in skipped],
    }
    lines = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for line in lines for name in line))
    with open(output / 'manifest.csv', 'w', newline='') as file:
        writer = csv.DictWriter(file, names, restval='')
        writer.writeheader()
        writer.writerows(lines)
    (output / MANIFEST).write_text(json.dumps(manifest, indent=1) + '\n')


def _flat(record: Mapping[str, Any], *, prefix: str = '') -> dict[str, Any]:
    """Returns nested facts as one line: {'box.top': ..., 'picture.width': ...}."""
    line = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            line |= _flat(value, prefix=f'{prefix}{name}.')
        else:
            line[prefix + name] = json.dumps(value) if isinstance(value, list) else value
    return line
