r"""Compares the face detectors on photographs whose faces are known.

  python -m benchmarks.face_detectors --photographs=DIR [--truth=benchmarks/face_truth.json]

The truth is JSON: {photograph: [[top, left, height, width], ...]}, in pixels. The file beside this
one was drawn by eye, from forehead to chin, for 15 photographs with 21 faces; heads out of focus do
not count. A detection finds the face that it overlaps most, if the overlap is a third or more
(intersection over union; Haar's boxes are square and wider than a face). Each face can be found
once. A detection that finds no face is false.

Prints a Markdown table with Haar, Haar with one eye or both eyes found by its cascade for eyes, and
YuNet. The time excludes reading the file and the first call.
"""

import json
import pathlib
import time
from collections.abc import Sequence
from typing import NamedTuple

from absl import app, flags

from imggen.data import decode
from imggen.data.faces import detectors
from imggen.data.faces.boxes import Box, overlap

_PHOTOGRAPHS = flags.DEFINE_string('photographs', None, 'Folder of photographs.', required=True)
_TRUTH = flags.DEFINE_string(
    'truth',
    str(pathlib.Path(__file__).with_name('face_truth.json')),
    'JSON file with the true faces.',
)
_LEAST_OVERLAP = 1 / 3


class Count(NamedTuple):
    """Numbers of faces found, of false detections, and of faces missed."""

    found: int
    false: int
    missed: int


def count(detections: Sequence[Box], truth: Sequence[Box]) -> Count:
    """Matches detections with true boxes, pairs with the largest overlap first."""
    pairs = sorted(
        (
            (overlap(detection, box), i, j)
            for i, detection in enumerate(detections)
            for j, box in enumerate(truth)
        ),
        reverse=True,
    )
    used, found = set(), set()
    for shared, i, j in pairs:
        if shared >= _LEAST_OVERLAP and i not in used and j not in found:
            used.add(i)
            found.add(j)
    return Count(len(found), len(detections) - len(used), len(truth) - len(found))


def main(argv):
    del argv
    truth = {
        name: [Box(*box) for box in boxes]
        for name, boxes in json.loads(pathlib.Path(_TRUTH.value).read_text()).items()
    }
    root = pathlib.Path(_PHOTOGRAPHS.value)
    pictures = {name: decode.decode(root / name) for name in truth}
    print('| detector | found | false | missed | ms per photograph |')
    print('|---|---|---|---|---|')
    for name, make in detectors.DETECTORS.items():
        detect = make()
        detect(next(iter(pictures.values())))
        started = time.perf_counter()
        seen = {file: detect(picture) for file, picture in pictures.items()}
        milliseconds = 1e3 * (time.perf_counter() - started) / len(pictures)
        for eyes in (0, 1, 2) if name == 'haar' else (0,):
            counts = [
                count([face.box for face in seen[file] if len(face.eyes) >= eyes], truth[file])
                for file in truth
            ]
            label = f'{name}, {eyes} eye{"s" * (eyes > 1)} or more' if eyes else name
            total = Count(*map(sum, zip(*counts, strict=True)))
            print(
                f'| {label} | {total.found} | {total.false} | {total.missed} | {milliseconds:.1f} |'
            )
    total = sum(map(len, truth.values()))
    print(f'\n{len(truth)} photographs, {total} faces.')


if __name__ == '__main__':
    app.run(main)
