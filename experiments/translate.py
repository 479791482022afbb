r"""Applies a trained translation or enlargement to images of any size.

python -m experiments.translate --workdir=runs/colorize --input=photos/ --output=colored/
python -m experiments.translate --workdir=runs/colorize --input=a.jpg --output=b.png
python -m experiments.translate --workdir=runs/colorize --validation --output=page/
python -m experiments.translate --workdir=runs/noise --num=16 --output=drawn/

An image keeps its size (times the scale of super-resolution), its alpha channel, its EXIF data
and its file name; 16 bits stay 16 in PNG and TIFF. A name that exists is refused without
--overwrite. Files that cannot be read are skipped and listed, all of them in OUTPUT/skipped.txt.
The filter that made the inputs of the run is applied first; --filtered says that it was
applied already. --validation writes a page of held-out images of the run: input, output and
target side by side. A run that starts from noise takes no input.

Images of more than --tile x --tile pixels are cut into tiles. The default is 512, or 2048 for
a run that normalizes by the statistics of each image (pix2pix, as configured here). Tiles of
such a run are normalized separately and may differ in tone; a message says so. A run that has
learned the colors of whole pictures (colors=lab) cuts nothing: it colors each picture at the size
of the training, and joins the colors with the lightness at full size.
"""

import pathlib
import sys

from absl import flags

from imggen import cli, devices, files, images, skipped
from imggen.errors import UserError
from imggen.inference import load, translate, translate_files
from imggen.progress import Progress
from imggen.report import translation_page

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_INPUT = flags.DEFINE_string('input', None, 'An image, or a folder of images.')
_OUTPUT = flags.DEFINE_string('output', None, 'A file for one image; a folder for several.')
_VALIDATION = flags.DEFINE_bool('validation', False, 'Write a page of held-out images.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_FILTERED = flags.DEFINE_bool('filtered', False, 'The images are filtered already.')
_TILE = flags.DEFINE_integer(
    'tile', None, 'Side of a tile in pixels; 512 or 2048 by default, see above.', lower_bound=8
)
_OVERLAP = flags.DEFINE_integer('overlap', 64, 'Pixels that neighboring tiles share.')
_NUM = flags.DEFINE_integer(
    'num',
    64,
    'Number of images to make from noise, and the most that --validation shows.',
    lower_bound=1,
)
_QUALITY = flags.DEFINE_integer('quality', 95, 'Quality of JPEG files.', 1, 100)
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace files that exist.')
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of random numbers, such as those of dropout.')


def main(argv):
    del argv
    if _INPUT.value and _VALIDATION.value:
        raise UserError('give either --input or --validation.')
    output = pathlib.Path(_OUTPUT.value).expanduser()
    plan = None
    if _INPUT.value:
        source = pathlib.Path(_INPUT.value).expanduser()
        plan = translate_files.plan(source, output, overwrite=_OVERWRITE.value)
    devices.cache_compilations()
    restored = load.load(_WORKDIR.value, which=_CHECKPOINT.value)
    if plan:
        return _translate(restored, plan, output, in_folder=source.is_dir())
    if not _VALIDATION.value:
        return _draw(restored, output)
    _check_folder(output)
    files.refuse_overwrite([output / 'index.html'], overwrite=_OVERWRITE.value)
    print(translation_page.write(restored, output, num_images=_NUM.value, seed=_SEED.value))
    return 0


def _translate(restored, plan, output, *, in_folder):
    translator = translate.make(
        restored, tile=_TILE.value, overlap=_OVERLAP.value, filtered=_FILTERED.value
    )
    progress = Progress(len(plan.jobs), unit='image')
    summary = translate_files.translate_files(
        translator, plan.jobs, seed=_SEED.value, quality=_QUALITY.value, done=progress.advance
    )
    progress.close()
    reasons = [*plan.skipped, *summary.skipped]
    if in_folder:
        skipped.write(output, reasons)
    for line in skipped.lines(reasons, folder=output if in_folder else None):
        print(line, file=sys.stderr)
    if summary.cut:
        count, side = len(summary.cut), translator.tile
        print(
            f'cut: {count} of more than {side} x {side} pixels, {summary.cut[0]} the first; tiles '
            'are normalized separately and may differ in tone: a larger --tile keeps images whole.',
            file=sys.stderr,
        )
    counts = f'{summary.written} translated, {len(reasons)} skipped'
    print(f'{output}: {counts}; step {restored.step}')
    return 0 if summary.written else 1


def _draw(restored, folder):
    pictures = translate.from_noise(restored, num_images=_NUM.value, seed=_SEED.value)
    _check_folder(folder)
    paths = [folder / f'{index:06d}.png' for index in range(_NUM.value)]
    files.refuse_overwrite(paths, overwrite=_OVERWRITE.value)
    progress = Progress(_NUM.value, unit='image')
    for done, (path, picture) in enumerate(zip(paths, pictures, strict=True), start=1):
        images.write_png(path, picture)
        progress.advance(done)
    progress.close()
    print(f'{folder}: {_NUM.value} made from noise; step {restored.step}, seed {_SEED.value}')
    return 0


def _check_folder(output):
    if not output.is_dir() and (output.suffix or output.exists()):
        raise UserError(
            f'--output={output} is not a folder, and there are several images: name a folder.'
        )


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
