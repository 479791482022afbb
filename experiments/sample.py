r"""Makes images with a trained run.

python -m experiments.sample --workdir=runs/gan --num=100 --output=samples/
python -m experiments.sample --workdir=runs/gan --num=64 --output=grid.png
    [--label=3] [--truncation=1.0]
python -m experiments.sample --workdir=runs/gan --num=8 --interpolate --output=walk.gif
python -m experiments.sample --workdir=runs/gan --film --output=film.gif
python -m experiments.sample --workdir=runs/gan --project=photo.png --output=found.png
    [--extractor=lite0]

A folder gets one PNG an image, a .png file all of them on one sheet. --interpolate
walks through latent space from one image to the next (.gif, or a folder of frames);
--film shows the same latents through the training; --project looks for the latent of
a given picture and puts what it makes beside it.
Image i is the same however many are made, and on any number of devices up to rounding.
"""

import itertools
import pathlib

import numpy as np
from absl import flags

from imggen import cli, devices, features, images, keys
from imggen.data.loaders import fixed
from imggen.errors import UserError
from imggen.inference import animation, load, projection, sampling, translate
from imggen.progress import Progress

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A folder, a .png for one sheet, a .gif for a walk.')
_NUM = flags.DEFINE_integer('num', 64, 'How many images, or stops of a walk.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Image i depends on this and i.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 256, 'Images at a time.', lower_bound=1)
_LABEL = flags.DEFINE_integer('label', None, 'The class, of a conditional run; random by default.')
_TRUNCATION = flags.DEFINE_float('truncation', None, 'Largest absolute value in a latent.')
_INTERPOLATE = flags.DEFINE_bool('interpolate', False, 'Walk through latent space.')
_FRAMES = flags.DEFINE_integer('frames', 16, 'Images between two stops.', lower_bound=1)
_FILM = flags.DEFINE_bool('film', False, "Animate the run's sheets of samples.")
_PROJECT = flags.DEFINE_list('project', [], 'Pictures to look for in latent space.')
_EXTRACTOR = flags.DEFINE_enum(
    'extractor', None, list(features.EXTRACTORS), 'Whose features count in --project beside pixels.'
)


def main(argv):
    del argv
    devices.cache_compilations()
    output = pathlib.Path(_OUTPUT.value)
    if _FILM.value:
        _write(output, animation.film(_WORKDIR.value), animate=True, milliseconds=150)
        print(f'{output}: the sheets of {_WORKDIR.value}')
        return
    which = int(_CHECKPOINT.value) if _CHECKPOINT.value.isdigit() else _CHECKPOINT.value
    restored = load.load(_WORKDIR.value, which=which)
    if restored.config['method']['name'] in translate.METHODS:
        raise UserError(
            f'--workdir={_WORKDIR.value} translates pictures: give it some with '
            'experiments.translate.'
        )
    key = keys.stream(_SEED.value, 'sample')
    wanted = {'label': _LABEL.value, 'truncation': _TRUNCATION.value}
    if _PROJECT.value:
        _write(output, _project(key, restored), animate=False)
    elif _INTERPOLATE.value:
        frames = sampling.interpolate(
            key, restored, _NUM.value, frames_between=_FRAMES.value, **wanted
        )
        _write(output, images.to_uint8(frames), animate=True)
    else:
        progress = Progress(_NUM.value, unit='image')
        made, chunks = 0, []
        for chunk in sampling.generate(
            key, restored, _NUM.value, batch_size=min(_BATCH_SIZE.value, _NUM.value), **wanted
        ):
            chunks.append(images.to_uint8(chunk[restored.method.output]))
            made += len(chunks[-1])
            if not output.suffix:
                _write_files(output, chunks[-1], first=made - len(chunks[-1]))
                chunks.clear()
            progress.advance(made)
        progress.close()
        if chunks:
            _write(output, np.concatenate(chunks), animate=False)
    print(f'{output}: step {restored.step} of {_WORKDIR.value}, seed {_SEED.value}')


def _project(key, restored) -> np.ndarray:
    """Returns given pictures, each with what was found on its right."""
    height, width, channels = restored.batch['image'].shape[1:]
    given = fixed.load(files=tuple(_PROJECT.value), size=(height, width), channels=channels)
    given = given.read(slice(None))['image']
    labels = None if _LABEL.value is None else np.full(len(given), _LABEL.value, np.int32)
    extractor = None if _EXTRACTOR.value is None else features.make(_EXTRACTOR.value)
    found = projection.project(
        key, restored, images.from_uint8(given), labels=labels, extractor=extractor
    )
    for path, error in zip(_PROJECT.value, found.errors, strict=True):
        print(f'{path}: mean squared error {error:.4f} (pixels in [-1, 1])')
    return np.concatenate([given, images.to_uint8(found.images)], axis=2)


def _write(output: pathlib.Path, pictures: np.ndarray, *, animate, milliseconds=60) -> None:
    if not output.suffix:
        _write_files(output, pictures, first=0)
    elif output.suffix == '.png' and not animate:
        images.write_png(output, images.grid(pictures))
    elif output.suffix == '.gif' and animate:
        animation.write_gif(output, pictures, milliseconds=milliseconds)
    else:
        raise UserError(
            f'--output={output} cannot be written: give a folder, a .png for a sheet or, '
            'with --interpolate or --film, a .gif.'
        )


def _write_files(folder: pathlib.Path, pictures: np.ndarray, *, first: int) -> None:
    for index, picture in zip(itertools.count(first), pictures, strict=False):
        images.write_png(folder / f'{index:06d}.png', picture)


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
