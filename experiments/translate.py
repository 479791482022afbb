r"""Applies a trained translation or enlargement to pictures of any size.

python -m experiments.translate --workdir=runs/colorize --input=photos/ --output=colored/
python -m experiments.translate --workdir=runs/colorize --input=a.jpg --output=b.png
python -m experiments.translate --workdir=runs/colorize --validation --output=page/
python -m experiments.translate --workdir=runs/colorize --film --output=training.gif
python -m experiments.translate --workdir=runs/noise --num=16 --output=drawn/

Size (times the scale of super-resolution), alpha and names of files stay. The filter that
made the run's inputs is applied first; --filtered takes the pictures for inputs as they are.
--validation writes a page of the run's held-out pictures, input, output and truth side by
side; --film the sheets of its fixed pictures, from the first to the last of the training. A
run that starts from noise takes no input.

Pictures of more than --tile x --tile pixels are cut into tiles. That is 512 x 512, but 2048 x
2048 for a run that normalizes by the statistics of each picture (pix2pix, as configured here):
its tiles are normalized each on its own and may differ in tone, which is said.
"""

import pathlib
import sys

from absl import flags

from imggen import cli, devices, images
from imggen.errors import UserError
from imggen.evaluation import translation_page
from imggen.inference import animation, load, translate, translate_files
from imggen.progress import Progress

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_INPUT = flags.DEFINE_string('input', None, 'A picture, or a folder of some.')
_OUTPUT = flags.DEFINE_string('output', None, 'A file for a picture, else a folder.')
_VALIDATION = flags.DEFINE_bool('validation', False, 'A page of held-out pictures.')
_FILM = flags.DEFINE_bool('film', False, 'An animation (.gif) of the training.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_FILTERED = flags.DEFINE_bool('filtered', False, 'The pictures have been filtered already.')
_TILE = flags.DEFINE_integer(
    'tile',
    None,
    'Pictures of more than TILE x TILE pixels are cut into tiles of this side; by default 512, '
    'and 2048 for a run that normalizes by the statistics of each picture, whose tiles may '
    'differ in tone.',
    lower_bound=8,
)
_OVERLAP = flags.DEFINE_integer('overlap', 64, 'Pixels that neighboring tiles share.')
_NUM = flags.DEFINE_integer(
    'num',
    64,
    'Pictures of --validation, at most, or of a run that starts from noise.',
    lower_bound=1,
)
_SEED = flags.DEFINE_integer('seed', 0, 'Of what a method draws, such as dropout.')


def main(argv):
    del argv
    if bool(_INPUT.value) + _VALIDATION.value + _FILM.value > 1:
        raise UserError('give one of --input, --validation and --film.')
    output = pathlib.Path(_OUTPUT.value).expanduser()
    if _FILM.value:
        if output.suffix != '.gif':
            raise UserError(f'--output={output} cannot hold a film: give a .gif.')
        animation.write_gif(output, animation.film(_WORKDIR.value), milliseconds=200)
        print(output)
        return 0
    jobs = None
    if _INPUT.value:
        jobs = translate_files.list_jobs(pathlib.Path(_INPUT.value).expanduser(), output)
    devices.cache_compilations()
    which = int(_CHECKPOINT.value) if _CHECKPOINT.value.isdigit() else _CHECKPOINT.value
    restored = load.load(_WORKDIR.value, which=which)
    if jobs:
        return _translate(restored, jobs, output)
    if not _VALIDATION.value:
        return _draw(restored, output)
    _check_folder(output)
    print(translation_page.write(restored, output, num_images=_NUM.value, seed=_SEED.value))
    return 0


def _translate(restored, jobs, output):
    translator = translate.make(
        restored, tile=_TILE.value, overlap=_OVERLAP.value, filtered=_FILTERED.value
    )
    progress = Progress(len(jobs), unit='picture')
    summary = translate_files.translate_files(
        translator, jobs, seed=_SEED.value, done=progress.advance
    )
    progress.close()
    for reason in summary.skipped:
        print(f'skipped: {reason}', file=sys.stderr)
    if summary.cut:
        count, side = len(summary.cut), translator.tile
        print(
            f'cut: {count} of more than {side} x {side} pixels, {summary.cut[0]} the first; tiles '
            'are normalized each on its own and may differ in tone: a larger --tile takes '
            'pictures whole.',
            file=sys.stderr,
        )
    counts = f'{summary.written} translated, {len(summary.skipped)} skipped'
    print(f'{output}: {counts}; step {restored.step}')
    return 0 if summary.written else 1


def _draw(restored, folder):
    pictures = translate.of_noise(restored, num_images=_NUM.value, seed=_SEED.value)
    _check_folder(folder)
    progress = Progress(_NUM.value, unit='picture')
    for index, picture in enumerate(pictures):
        images.write_png(folder / f'{index:06d}.png', picture)
        progress.advance(index + 1)
    progress.close()
    print(f'{folder}: {_NUM.value} made of noise; step {restored.step}, seed {_SEED.value}')
    return 0


def _check_folder(output):
    if not output.is_dir() and (output.suffix or output.exists()):
        raise UserError(f'--output={output} is no folder, and there are several files: name one.')


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
