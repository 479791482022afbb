r"""Makes images with a trained run.

python -m experiments.sample --workdir=runs/gan --num=100 --output=samples/
python -m experiments.sample --workdir=runs/gan --num=64 --output=grid.png
python -m experiments.sample --workdir=runs/gan --num=8 --interpolate --output=walk.gif

A folder gets one PNG an image, a .png file all of them on one sheet; --interpolate
walks through latent space from one image to the next (.gif, or a folder of frames).
Image i is the same however many are made, and on any number of devices up to rounding.
"""

import itertools
import pathlib

import numpy as np
from absl import flags
from PIL import Image

from imggen import devices, entry, images, keys, restoring, sampling
from imggen.errors import UserError
from imggen.progress import Progress

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A folder, a .png for one sheet, a .gif for a walk.')
_NUM = flags.DEFINE_integer('num', 64, 'How many images, or stops of a walk.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Image i depends on this and i.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 256, 'Images at a time.', lower_bound=1)
_INTERPOLATE = flags.DEFINE_bool('interpolate', False, 'Walk through latent space.')
_FRAMES = flags.DEFINE_integer('frames', 16, 'Images between two stops.', lower_bound=1)


def main(argv):
    del argv
    devices.cache_compilations()
    output = pathlib.Path(_OUTPUT.value)
    which = int(_CHECKPOINT.value) if _CHECKPOINT.value.isdigit() else _CHECKPOINT.value
    restored = restoring.restore(_WORKDIR.value, which=which)
    key = keys.stream(_SEED.value, 'sample')
    if _INTERPOLATE.value:
        frames = sampling.interpolate(key, restored, _NUM.value, frames_between=_FRAMES.value)
        _write(output, images.to_uint8(frames), animate=True)
    else:
        progress = Progress(_NUM.value, unit='image')
        made, chunks = 0, []
        for chunk in sampling.generate(
            key, restored, _NUM.value, batch_size=min(_BATCH_SIZE.value, _NUM.value)
        ):
            chunks.append(images.to_uint8(next(iter(chunk.values()))))
            if not output.suffix:
                _write_files(output, chunks.pop(), first=made)
            made = min(_NUM.value, made + _BATCH_SIZE.value)
            progress.advance(made)
        progress.close()
        if chunks:
            _write(output, np.concatenate(chunks), animate=False)
    print(f'{output}: step {restored.step} of {_WORKDIR.value}, seed {_SEED.value}')


def _write(output: pathlib.Path, pictures: np.ndarray, *, animate: bool) -> None:
    if not output.suffix:
        _write_files(output, pictures, first=0)
    elif output.suffix == '.png' and not animate:
        images.write_png(output, images.grid(pictures))
    elif output.suffix == '.gif' and animate:
        output.parent.mkdir(parents=True, exist_ok=True)
        scale = max(1, 256 // pictures.shape[1])
        pictures = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
        frames = [Image.fromarray(p[..., 0] if p.shape[-1] == 1 else p) for p in pictures]
        frames[0].save(output, save_all=True, append_images=frames[1:], duration=60, loop=0)
    else:
        raise UserError(
            f'--output={output} cannot be written: give a folder, a .png for a sheet or, '
            'with --interpolate, a .gif.'
        )


def _write_files(folder: pathlib.Path, pictures: np.ndarray, *, first: int) -> None:
    for index, picture in zip(itertools.count(first), pictures, strict=False):
        images.write_png(folder / f'{index:06d}.png', picture)


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    entry.run(main)
