r"""Applies a trained translation or enlargement to pictures of any size.

python -m experiments.translate --workdir=runs/colorize --input=photos/ --output=coloured/
python -m experiments.translate --workdir=runs/colorize --input=a.jpg --output=b.png
python -m experiments.translate --workdir=runs/colorize --validation --output=page/
python -m experiments.translate --workdir=runs/colorize --film --output=training.gif

Size (times the scale of super-resolution), alpha and names of files stay. The filter that
made the run's inputs is applied first; --filtered takes the pictures for inputs as they are.
--validation writes a page of the run's held-out pictures, input, output and truth side by
side; --film the sheets of its fixed pictures, from the first to the last of the training.
"""

import pathlib
import sys

from absl import flags

from imggen import animation, devices, entry, restoring, translating, translation_page
from imggen.errors import UserError
from imggen.progress import Progress

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_INPUT = flags.DEFINE_string('input', None, 'A picture, or a folder of some.')
_OUTPUT = flags.DEFINE_string('output', None, 'A file for a picture, else a folder.')
_VALIDATION = flags.DEFINE_bool('validation', False, 'A page of held-out pictures.')
_FILM = flags.DEFINE_bool('film', False, 'An animation (.gif) of the training.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_FILTERED = flags.DEFINE_bool('filtered', False, 'The pictures have been filtered already.')
_TILE = flags.DEFINE_integer('tile', 512, 'Larger pictures are cut into tiles of this side.')
_OVERLAP = flags.DEFINE_integer('overlap', 64, 'Pixels that neighbouring tiles share.')
_NUM = flags.DEFINE_integer('num', 64, 'Pictures of --validation, at most.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of what a method draws, such as dropout.')


def main(argv):
    del argv
    if bool(_INPUT.value) + _VALIDATION.value + _FILM.value != 1:
        raise UserError('give one of --input, --validation and --film.')
    output = pathlib.Path(_OUTPUT.value).expanduser()
    if _FILM.value:
        if output.suffix != '.gif':
            raise UserError(f'--output={output} cannot hold a film: give a .gif.')
        animation.write_gif(output, animation.film(_WORKDIR.value), milliseconds=200)
        print(output)
        return 0
    devices.cache_compilations()
    which = int(_CHECKPOINT.value) if _CHECKPOINT.value.isdigit() else _CHECKPOINT.value
    restored = restoring.restore(_WORKDIR.value, which=which)
    if _VALIDATION.value:
        print(translation_page.write(restored, output, num_images=_NUM.value, seed=_SEED.value))
        return 0
    translator = translating.make(
        restored, tile=_TILE.value, overlap=_OVERLAP.value, filtered=_FILTERED.value
    )
    return _translate(translator, pathlib.Path(_INPUT.value).expanduser(), output, restored.step)


def _translate(translator, source, output, step):
    progress = None

    def done(count, total):
        nonlocal progress
        progress = progress or Progress(total, unit='picture')
        progress.advance(count)

    written, skipped = translating.translate_files(
        translator, source, output, seed=_SEED.value, done=done
    )
    if progress:
        progress.close()
    for reason in skipped:
        print(f'skipped: {reason}', file=sys.stderr)
    print(f'{output}: {written} translated, {len(skipped)} skipped; step {step}')
    return 0 if written else 1


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    entry.run(main)
