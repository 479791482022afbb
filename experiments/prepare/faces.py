r"""Cuts the faces out of photographs: a data set of portraits of one size.

python -m experiments.prepare.faces --source=photographs/ --output=faces/
    [--size=480,360] [--margin=30] [--faces=largest|all] [--missing=skip|keep|refuse]
    [--detector=haar|yunet] [--min_eyes=1] [--min_side=48] [--max_side=800] [--align] [--filters]

A portrait is the face's box with a margin in percent, grown to the proportions of
the size before it is brought there: nothing is stretched. --align brings both eyes
to the same places instead, for average faces; it wants --detector=yunet: both eyes were
found of 20 faces in 21, by Haar of 16 (results/face_detectors.md).
Folders stay as they are, so they can be subsets.

The portraits lie in OUTPUT/portraits. Beside them are manifest.json and manifest.csv
(source, box, score, eyes, facts about the picture), contact sheets with every box drawn
in, and with --filters a sheet of every filter of the first portrait.

OUTPUT appears when all is done. Until then the set grows in .OUTPUT.partial beside it,
which an error removes and which, where a run was killed, the next command replaces.
"""

import pathlib
import sys

from absl import flags

from imggen import cli
from imggen.data.faces import detectors, portrait_set
from imggen.data.faces.portraits import Settings
from imggen.errors import UserError
from imggen.progress import Progress

_SOURCE = flags.DEFINE_string('source', None, 'Folder of photographs.')
_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the portraits; a new or empty one.')
_SIZE = flags.DEFINE_list('size', ['480', '360'], 'height,width of the portraits in pixels.')
_MARGIN = flags.DEFINE_float('margin', 30.0, 'Percent of the face, on each side.', lower_bound=0)
_FACES = flags.DEFINE_enum('faces', 'largest', ['largest', 'all'], 'Which of a photograph.')
_MISSING = flags.DEFINE_enum(
    'missing',
    'skip',
    ['skip', 'keep', 'refuse'],
    'What to do with photographs without a face; keep takes the whole of them.',
)
_DETECTOR = flags.DEFINE_enum('detector', 'haar', list(detectors.DETECTORS), 'What finds faces.')
_MIN_SCORE = flags.DEFINE_float('min_score', 0.5, 'Least score of a face, yunet only.', 0, 1)
_MIN_SIDE = flags.DEFINE_integer('min_side', 48, 'Smallest face in pixels.', lower_bound=1)
_MAX_SIDE = flags.DEFINE_integer(
    'max_side',
    800,
    'Photographs are shrunk to this many pixels to be searched: more finds smaller faces, slower.',
    lower_bound=max(detectors.SMALLEST.values()),
)
_MIN_EYES = flags.DEFINE_integer(
    'min_eyes',
    None,
    'Eyes that a face must show; by default '
    + ', '.join(f'{eyes} with {name}' for name, eyes in detectors.MIN_EYES.items())
    + '. With --align both.',
    0,
    2,
)
_ALIGN = flags.DEFINE_bool('align', False, 'Bring the eyes of all to the same places.')
_CASCADES = flags.DEFINE_string('cascades', '', "Folder of OpenCV's cascades, haar only.")
_YUNET_MODEL = flags.DEFINE_string('yunet_model', '', "YuNet's weights as ONNX, yunet only.")
_FILTERS = flags.DEFINE_bool('filters', False, 'Also write a sheet of all filters.')

# Options of one detector: its keyword and the flag.
_OWN = {
    'haar': {'cascades': _CASCADES},
    'yunet': {'model': _YUNET_MODEL, 'min_score': _MIN_SCORE},
}


def main(argv):
    del argv
    # A file's name may hold bytes that are no text.
    sys.stdout.reconfigure(errors='backslashreplace')
    _check()
    name = _DETECTOR.value
    options = {'min_side': _MIN_SIDE.value, 'max_side': _MAX_SIDE.value}
    options |= {keyword: flag.value for keyword, flag in _OWN[name].items()}
    output = pathlib.Path(_OUTPUT.value).expanduser()
    settings = Settings(
        size=_size(),
        margin_percent=_MARGIN.value,
        which=_FACES.value,
        missing=_MISSING.value,
        min_eyes=detectors.MIN_EYES[name] if _MIN_EYES.value is None else _MIN_EYES.value,
        align=_ALIGN.value,
    )
    detect = detectors.DETECTORS[name](**options)
    progress = None

    def advance(done, total, file):
        nonlocal progress
        progress = progress or Progress(total, unit='photograph')
        progress.advance(done, label=pathlib.PurePosixPath(file).name)

    try:
        summary = portrait_set.prepare(
            pathlib.Path(_SOURCE.value).expanduser(),
            output,
            detect,
            settings,
            note={'detector': name, **options},
            with_filters=_FILTERS.value,
            advance=advance,
        )
    finally:
        if progress is not None:
            progress.close()
    for _, reason in summary.skipped:
        print(f'skipped: {reason}')
    least = detectors.smallest(name, summary.longest, _MAX_SIDE.value)
    if least > _MIN_SIDE.value:
        needed = -(-detectors.SMALLEST[name] * summary.longest // _MIN_SIDE.value)
        print(
            f'note: of {summary.longest} pixels, the longest side here, --max_side='
            f'{_MAX_SIDE.value} leaves too little of faces below {least}; --max_side={needed} '
            f'finds those of --min_side={_MIN_SIDE.value} too.'
        )
    made = f'{summary.portraits} portraits of {summary.photographs} photographs'
    print(f'{output / portrait_set.FOLDER}: {made}')


def _check() -> None:
    """Raises UserError for options that the others leave without a meaning."""
    for name, own in _OWN.items():
        for flag in own.values():
            if name != _DETECTOR.value and flag.present:
                raise UserError(
                    f'--{flag.name} is for --detector={name}; choose that or leave the option out.'
                )
    if _ALIGN.value and _MARGIN.present:
        raise UserError('--margin has no meaning with --align; leave one of them out.')
    least = detectors.SMALLEST[_DETECTOR.value]
    if _MIN_SIDE.value < least:
        raise UserError(
            f'--min_side={_MIN_SIDE.value} is less than {_DETECTOR.value} can find; set it to '
            f'{least} or more.'
        )


def _size() -> tuple[int, int]:
    try:
        height, width = map(int, _SIZE.value)
    except ValueError as error:
        given = ','.join(_SIZE.value)
        raise UserError(f'--size={given} is no height,width; give two numbers.') from error
    if min(height, width) < 8:
        raise UserError(f'--size={height},{width} is too small for a face; take 8 or more each.')
    return height, width


if __name__ == '__main__':
    flags.mark_flags_as_required(['source', 'output'])
    cli.run(main)
