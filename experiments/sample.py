r"""Generates images with a trained run.

python -m experiments.sample --workdir=runs/gan --num=100 --output=samples/
python -m experiments.sample --workdir=runs/gan --num=64 --output=grid.png
    [--label=3] [--truncation=1.0]
python -m experiments.sample --workdir=runs/gan --num=8 --interpolate --output=walk.gif
python -m experiments.sample --workdir=runs/gan --project=photo.png --output=found.png
    [--extractor=lite0]
python -m experiments.sample --workdir=runs/gan --again=kept.png --output=same.png

If --output is a folder, it gets one PNG for each image; if it is a .png file, it becomes a sheet
of all images. --interpolate walks through latent space from one image to the next (a .gif, or a
folder of frames). --project searches for the latent of a given image and puts the result beside it.
--again makes pictures that experiments.explore saved once more, by the recipe in their files.

What is at --output already is replaced only with --overwrite: a file, or the numbered images of a
folder.

Image i depends only on the seed and on i. It is the same however many images are made, and it is
the same up to rounding on any number of devices.
"""

import itertools
import pathlib

import numpy as np
from absl import flags

from imggen import cli, devices, features, files, images, keys
from imggen.data.loaders import fixed
from imggen.errors import UserError
from imggen.inference import animation, load, projection, recipe, sampling
from imggen.progress import Progress

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A folder, a .png for a sheet, a .gif for a walk.')
_NUM = flags.DEFINE_integer('num', 64, 'Number of images, or of stops of a walk.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Image i depends on this and on i.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 256, 'Images at a time.', lower_bound=1)
_LABEL = flags.DEFINE_integer(
    'label', None, 'The class, if the run has classes; drawn by default, one for a whole walk.'
)
_TRUNCATION = flags.DEFINE_float('truncation', None, 'Largest absolute value in a latent.')
_GUIDANCE = flags.DEFINE_float(
    'guidance', None, 'Factor of classifier-free guidance, of a run that has it; as configured.'
)
_INTERPOLATE = flags.DEFINE_bool('interpolate', False, 'Walk through latent space.')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace what is at --output.')
_FRAMES = flags.DEFINE_integer('frames', 16, 'Images between two stops.', lower_bound=1)
_PROJECT = flags.DEFINE_list('project', [], 'Image files whose latents to search for.')
_AGAIN = flags.DEFINE_list('again', [], 'Saved pictures (PNG) to make once more.')
_EXTRACTOR = flags.DEFINE_enum(
    'extractor',
    None,
    list(features.EXTRACTORS),
    'Features that --project compares in addition to pixels; by default only pixels.',
)


def main(argv):
    del argv
    devices.cache_compilations()
    output = _checked(pathlib.Path(_OUTPUT.value))
    recipes = [recipe.read_png(pathlib.Path(path)) for path in _AGAIN.value]
    restored = load.load(_WORKDIR.value, which=_CHECKPOINT.value)
    sampling.check(restored)
    key = keys.stream(_SEED.value, 'sample')
    if recipes:
        _write(output, recipe.make(restored, recipes))
        print(f'{output}: step {restored.step} of {_WORKDIR.value}')
        return
    if _PROJECT.value:
        _write(output, _project(key, restored))
    elif _INTERPOLATE.value:
        frames = sampling.interpolate(
            key,
            restored,
            _NUM.value,
            frames_between=_FRAMES.value,
            label=_LABEL.value,
            truncation=_TRUNCATION.value,
        )
        _write(output, images.to_uint8(frames))
    else:
        _generate(key, restored, output)
    print(f'{output}: step {restored.step} of {_WORKDIR.value}, seed {_SEED.value}')


def _generate(key, restored, output: pathlib.Path) -> None:
    chunks = sampling.generate(
        key,
        restored,
        _NUM.value,
        batch_size=min(_BATCH_SIZE.value, _NUM.value),
        label=_LABEL.value,
        truncation=_TRUNCATION.value,
        guidance=_GUIDANCE.value,
    )
    progress = Progress(_NUM.value, unit='image')
    done, kept = 0, []
    for chunk in chunks:
        made = images.to_uint8(chunk[restored.method.output])
        if not _is_folder(output):
            kept.append(made)
        else:
            _write_files(output, made, first=done)
        done += len(made)
        progress.advance(done)
    progress.close()
    if kept:
        _write(output, np.concatenate(kept))


def _project(key, restored) -> np.ndarray:
    """Returns the given images, each with the result on its right."""
    height, width, channels = restored.batch['image'].shape[1:]
    given = fixed.load(files=tuple(_PROJECT.value), size=(height, width), channels=channels)
    given = given.read(slice(None))['image']
    labels = None
    if _LABEL.value is not None:
        sampling.check_label(restored, _LABEL.value)
        labels = np.full(len(given), _LABEL.value, np.int32)
    extractor = None if _EXTRACTOR.value is None else features.make(_EXTRACTOR.value)
    found = projection.project(
        key, restored, images.from_uint8(given), labels=labels, extractor=extractor
    )
    for path, error in zip(_PROJECT.value, found.errors, strict=True):
        print(f'{path}: mean squared error {error:.4f} (pixels in [-1, 1])')
    return np.concatenate([given, images.to_uint8(found.images)], axis=2)


def _checked(output: pathlib.Path) -> pathlib.Path:
    """Refuses an output that cannot be written or replaced, before the work."""
    walks = _INTERPOLATE.value and not _PROJECT.value
    if output.suffix not in ('', '.gif' if walks else '.png') and not output.is_dir():
        raise UserError(
            f'--output={output} cannot be written: give a folder, a .png for a sheet or, '
            'with --interpolate, a .gif.'
        )
    files.refuse_foreign(output, overwrite=_OVERWRITE.value)
    return output


def _write(output: pathlib.Path, pictures: np.ndarray) -> None:
    if _is_folder(output):
        _write_files(output, pictures, first=0)
    elif output.suffix == '.png':
        images.write_png(output, images.grid(pictures))
    else:
        animation.write_gif(output, pictures)


def _is_folder(output: pathlib.Path) -> bool:
    return output.is_dir() or not output.suffix


def _write_files(folder: pathlib.Path, pictures: np.ndarray, *, first: int) -> None:
    if first == 0:  # Images of an older call must not stand among these.
        for older in folder.glob('[0-9][0-9][0-9][0-9][0-9][0-9].png'):
            older.unlink()
    for index, picture in zip(itertools.count(first), pictures, strict=False):
        images.write_png(folder / f'{index:06d}.png', picture)


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
