r"""Cuts the faces out of photographs: a data set of portraits of one size.

python -m experiments.prepare faces --source=photographs/ --output=faces/
    [--size=480,360 or 360x480] [--margin=30] [--faces=largest|all] [--missing=skip|keep|refuse]
    [--detector=haar|yunet] [--min_eyes=1] [--min_side=48] [--max_side=800] [--align] [--filters]

A portrait is the box of a face with a margin in percent, enlarged to the proportions of the size,
so that nothing is stretched. --align moves both eyes to fixed places instead, for average faces.
It works best with --detector=yunet, which found both eyes of 20 faces out of 21; Haar found those
of 16 (results/face_detectors.md). Sub-folders are kept, so that they can serve as subsets.

The portraits are in OUTPUT/portraits. OUTPUT also holds manifest.json and manifest.csv (source,
box, score, eyes, facts about the photograph), skipped.txt (photographs without a portrait), contact
sheets with all boxes drawn in, and with --filters a sheet of every filter of the first portrait.

A face that the edge of the photograph cuts through gives no portrait: an eye is outside or at the
edge, or a tenth of the box is outside.

OUTPUT appears when everything is done. Until then the set is in .OUTPUT.partial beside it. An error
removes that folder; if the command was killed, the next one replaces it.
"""

import contextlib
import pathlib
import sys
from collections.abc import Callable, Iterator

from absl import flags

from imggen import cli, skipped
from imggen.data.faces import detectors, portrait_set
from imggen.data.faces.portraits import Settings
from imggen.errors import UserError
from imggen.progress import Progress

_SOURCE = flags.DEFINE_string('source', None, 'A photograph, or a folder of photographs.')
_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the portraits, new or empty.')
_SIZE = flags.DEFINE_list(
    'size', ['480', '360'], 'height,width of the portraits in pixels, or WIDTHxHEIGHT.'
)
_MARGIN = flags.DEFINE_float(
    'margin', 30.0, 'Margin on each side, in percent of the face.', lower_bound=0
)
_FACES = flags.DEFINE_enum('faces', 'largest', ['largest', 'all'], 'Which faces of a photograph.')
_MISSING = flags.DEFINE_enum(
    'missing',
    'skip',
    ['skip', 'keep', 'refuse'],
    'What to do with photographs without a face; keep uses the whole photograph.',
)
_DETECTOR = flags.DEFINE_enum('detector', 'haar', list(detectors.DETECTORS), 'The face detector.')
_MIN_SCORE = flags.DEFINE_float('min_score', 0.5, 'Least score of a face; yunet only.', 0, 1)
_MIN_SIDE = flags.DEFINE_integer('min_side', 48, 'Smallest face in pixels.', lower_bound=1)
_MAX_SIDE = flags.DEFINE_integer(
    'max_side',
    800,
    'Longest side of the searched, shrunk photographs in pixels: more finds smaller faces, slower.',
    lower_bound=max(detectors.SMALLEST.values()),
)
_MIN_EYES = flags.DEFINE_integer(
    'min_eyes',
    None,
    'Number of eyes that a face must show; by default '
    + ', '.join(f'{eyes} with {name}' for name, eyes in detectors.MIN_EYES.items())
    + '. --align needs both.',
    0,
    2,
)
_ALIGN = flags.DEFINE_bool('align', False, 'Move the eyes of all faces to the same places.')
_CASCADES = flags.DEFINE_string('cascades', '', "Folder of OpenCV's cascades; haar only.")
_YUNET_MODEL = flags.DEFINE_string('yunet_model', '', "YuNet's weights as ONNX; yunet only.")
_FILTERS = flags.DEFINE_bool('filters', False, 'Also write a sheet of all filters.')

# Options that only one detector has: keyword and flag.
_OWN = {
    'haar': {'cascades': _CASCADES},
    'yunet': {'model': _YUNET_MODEL, 'min_score': _MIN_SCORE},
}


def main(argv):
    del argv
    # A file name may hold bytes that are not text.
    sys.stdout.reconfigure(errors='backslashreplace')
    _check()
    detector = {'min_side': _MIN_SIDE.value, 'max_side': _MAX_SIDE.value}
    detector |= {keyword: flag.value for keyword, flag in _OWN[_DETECTOR.value].items()}
    output = pathlib.Path(_OUTPUT.value).expanduser()
    with _progress() as advance:
        summary = portrait_set.prepare(
            pathlib.Path(_SOURCE.value).expanduser(),
            output,
            detectors.DETECTORS[_DETECTOR.value](**detector),
            _settings(),
            note={'detector': _DETECTOR.value, **detector},
            with_filters=_FILTERS.value,
            advance=advance,
        )
    reasons = [reason for _, reason in summary.skipped]
    for line in skipped.lines(reasons, folder=output):
        print(line)
    _note_small_faces(summary.longest)
    made = f'{summary.portraits} portraits of {summary.photographs} photographs'
    print(f'{output / portrait_set.FOLDER}: {made}')


def _settings() -> Settings:
    least = _MIN_EYES.value
    return Settings(
        size=_size(),
        margin_percent=_MARGIN.value,
        which=_FACES.value,
        missing=_MISSING.value,
        min_eyes=detectors.MIN_EYES[_DETECTOR.value] if least is None else least,
        align=_ALIGN.value,
    )


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """Yields a function that shows (photographs done, number of all, file)."""
    progress = None

    def advance(done, total, file):
        nonlocal progress
        progress = progress or Progress(total, unit='photograph')
        progress.advance(done, label=pathlib.PurePosixPath(file).name)

    try:
        yield advance
    finally:
        if progress is not None:
            progress.close()


def _note_small_faces(longest: int) -> None:
    """Prints a note if faces of --min_side are too small in photographs with this side."""
    least = detectors.smallest(_DETECTOR.value, longest, _MAX_SIDE.value)
    if least > _MIN_SIDE.value:
        needed = -(-detectors.SMALLEST[_DETECTOR.value] * longest // _MIN_SIDE.value)
        print(
            f'note: the longest photograph has {longest} pixels; shrunk to --max_side='
            f'{_MAX_SIDE.value}, its faces below {least} pixels are not found; --max_side={needed} '
            f'also finds faces of --min_side={_MIN_SIDE.value}.'
        )


def _check() -> None:
    """Raises UserError for options that have no effect with the others."""
    for name, own in _OWN.items():
        for flag in own.values():
            if name != _DETECTOR.value and flag.present:
                raise UserError(
                    f'--{flag.name} is an option of --detector={name}; choose that or leave it out.'
                )
    if _ALIGN.value and _MARGIN.present:
        raise UserError('--margin has no effect with --align; leave one of them out.')
    least = detectors.SMALLEST[_DETECTOR.value]
    if _MIN_SIDE.value < least:
        raise UserError(
            f'--min_side={_MIN_SIDE.value} is less than {_DETECTOR.value} can find; set it to '
            f'{least} or more.'
        )


def _size() -> tuple[int, int]:
    height, width = cli.height_and_width(_SIZE)
    if min(height, width) < 8:
        raise UserError(f'--size={height},{width} is too small for a face; give 8 or more each.')
    return height, width


if __name__ == '__main__':
    flags.mark_flags_as_required(['source', 'output'])
    cli.run(main)
