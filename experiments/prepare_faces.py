r"""Cuts the faces out of photographs: a data set of portraits of one size.

python -m experiments.prepare_faces --source=photographs/ --output=faces/
    [--size=480,360] [--margin=30] [--faces=largest|all] [--missing=skip|keep|refuse]
    [--detector=haar|yunet] [--min_eyes=0] [--align] [--filters]

A portrait is the face's box with a margin in percent, grown to the proportions of
the size before it is brought there: nothing is stretched. --align brings both eyes
to the same places instead, for average faces; it wants --detector=yunet, as Haar
finds both eyes on few faces. Folders stay as they are, so they can be subsets.

The portraits lie in OUTPUT/portraits. Beside them are manifest.json and manifest.csv
(source, box, score, eyes, facts about the picture), contact sheets with every box drawn
in, and with --filters a sheet of every filter of the first portrait.
"""

import pathlib

from absl import flags

from imggen import entry, images
from imggen.data import decode, faces, filter_sheet, portraits
from imggen.errors import UserError
from imggen.progress import Progress

_SOURCE = flags.DEFINE_string('source', None, 'Folder of photographs.')
_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the portraits; a new one.')
_SIZE = flags.DEFINE_list('size', ['480', '360'], 'height,width of the portraits in pixels.')
_MARGIN = flags.DEFINE_float('margin', 30.0, 'Percent of the face, on each side.', lower_bound=0)
_FACES = flags.DEFINE_enum('faces', 'largest', ['largest', 'all'], 'Which of a photograph.')
_MISSING = flags.DEFINE_enum(
    'missing', 'skip', ['skip', 'keep', 'refuse'], 'What to do with photographs without a face.'
)
_DETECTOR = flags.DEFINE_enum('detector', 'haar', list(faces.DETECTORS), 'What finds faces.')
_MIN_SCORE = flags.DEFINE_float('min_score', 0.5, 'Least score of a face, yunet only.')
_MIN_SIDE = flags.DEFINE_integer('min_side', 48, 'Smallest face in pixels.', lower_bound=1)
_MIN_EYES = flags.DEFINE_integer('min_eyes', 0, 'Eyes that a face must show.', 0, 2)
_ALIGN = flags.DEFINE_bool('align', False, 'Bring the eyes of all to the same places.')
_CASCADES = flags.DEFINE_string('cascades', '', "Folder of OpenCV's cascades, haar only.")
_YUNET_MODEL = flags.DEFINE_string('yunet_model', '', "YuNet's weights as ONNX, yunet only.")
_FILTERS = flags.DEFINE_bool('filters', False, 'Also write a sheet of all filters.')


def main(argv):
    del argv
    output = pathlib.Path(_OUTPUT.value).expanduser()
    settings = portraits.Settings(
        size=_size(),
        margin_percent=_MARGIN.value,
        which=_FACES.value,
        missing=_MISSING.value,
        min_eyes=_MIN_EYES.value,
        align=_ALIGN.value,
    )
    own = {
        'haar': {'cascades': _CASCADES.value},
        'yunet': {'model': _YUNET_MODEL.value, 'min_score': _MIN_SCORE.value},
    }[_DETECTOR.value]
    options = {'min_side': _MIN_SIDE.value, **own}
    detect = faces.DETECTORS[_DETECTOR.value](**options)
    progress = None

    def advance(done, total, file):
        nonlocal progress
        progress = progress or Progress(total, unit='photograph')
        progress.advance(done, label=pathlib.PurePosixPath(file).name)

    try:
        summary = portraits.prepare(
            pathlib.Path(_SOURCE.value).expanduser(),
            output,
            detect,
            settings,
            note={'detector': _DETECTOR.value, **options},
            advance=advance,
        )
    finally:
        if progress is not None:
            progress.close()
    for _, reason in summary.skipped:
        print(f'skipped: {reason}')
    made = f'{summary.portraits} portraits of {summary.photographs} photographs'
    print(f'{output / portraits.FOLDER}: {made}')
    if _FILTERS.value and summary.portraits:
        first = min((output / portraits.FOLDER).rglob('*_0.png'))
        images.write_png(output / 'contact_filters.png', filter_sheet.draw(decode.decode(first)))


def _size() -> tuple[int, int]:
    try:
        height, width = map(int, _SIZE.value)
    except ValueError as error:
        raise UserError(f'--size={",".join(_SIZE.value)} is no height,width.') from error
    if min(height, width) < 8:
        raise UserError(f'--size={height},{width} is too small for a face; take 8 or more each.')
    return height, width


if __name__ == '__main__':
    flags.mark_flags_as_required(['source', 'output'])
    entry.run(main)
