r"""Draws evolved images: a page for each run, all classes by all searches, and how images grow.

python -m experiments.studies.evolve_gallery runs/climb runs/latent --output=gallery/
    [--image=3] [--frames=10] [--num=100]

RUN/index.html shows the --num most probable images of each run with their target classes, what
this and other classifiers say, and a film of their growth if they are on the run's sheets.

classes.png has one row per run and one column per class (a single run of many classes is wrapped),
with the image to which the run's classifier gives the highest probability. strip.png shows image
number --image of the first run on the run's sheets of samples, from first to last. evolution.gif
shows the first image of each class, of 25 classes at most.
"""

import pathlib

import numpy as np
from absl import flags

from imggen import cli, devices, files, images
from imggen.data import decode
from imggen.errors import UserError
from imggen.evaluation import evolution, searches
from imggen.inference import animation, load
from imggen.report import evolution_page
from imggen.workdir import reader

_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the images.')
_IMAGE = flags.DEFINE_integer('image', 0, 'Which image of the first run the strip shows.')
_NUM = flags.DEFINE_integer('num', 100, 'Largest number of images on a page.', lower_bound=1)
_FRAMES = flags.DEFINE_integer('frames', 10, 'Number of images on the strip.', lower_bound=2)
_MAX_COLUMNS = 25  # Of a single run; also the most classes on a film.
_MAX_FRAMES = 100  # Of a film.
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace these images in --output.')
_FILES = ('classes.png', 'strip.png', 'evolution.gif')


def main(argv):
    workdirs = argv[1:]
    if not workdirs:
        raise UserError('There is nothing to show: name one or more runs of evolution.')
    devices.cache_compilations()
    output = pathlib.Path(_OUTPUT.value)
    files.refuse_overwrite([output / name for name in _FILES], overwrite=_OVERWRITE.value)
    names = [pathlib.Path(workdir).resolve().name for workdir in workdirs]
    if len(set(names)) < len(names):
        raise UserError(
            'Two runs have the same name, and so would their pages: show them one by one.'
        )
    runs = [load.load(workdir) for workdir in workdirs]
    searches.check_alike(workdirs, runs)
    rows = [_most_probable(run) for run in runs]
    frames = _sheets(workdirs[0], rows[0].shape[1:])
    if not 0 <= _IMAGE.value < frames.shape[1]:
        raise UserError(
            f'--image={_IMAGE.value}: the sheets show {frames.shape[1]} images: give a number from '
            f'0 to {frames.shape[1] - 1}.'
        )
    for name, workdir, run in zip(names, workdirs, runs, strict=True):
        print(evolution_page.write(run, workdir, output / name, num_images=_NUM.value))
    columns = len(rows[0])
    wide = columns if len(rows) > 1 else min(columns, _MAX_COLUMNS)
    images.write_png(output / 'classes.png', images.grid(np.concatenate(rows), columns=wide))
    shown = _evenly(len(frames), _FRAMES.value)
    strip = images.grid(frames[shown, _IMAGE.value], columns=len(shown))
    images.write_png(output / 'strip.png', strip)
    filmed = frames[_evenly(len(frames), _MAX_FRAMES), : min(columns, _MAX_COLUMNS)]
    film = np.stack([images.grid(frame, columns=min(columns, 5)) for frame in filmed])
    animation.write(output / 'evolution.gif', film, milliseconds=150)
    print(f'{output}: {", ".join(_FILES)}')


def _evenly(count: int, most: int) -> np.ndarray:
    """Returns at most `most` of the numbers from 0 to count - 1, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _most_probable(restored) -> np.ndarray:
    """Returns the most probable image of each class, uint8 [classes, ...]."""
    found = evolution.find(restored, num_images=restored.method.num_images)
    chosen = []
    for number in dict.fromkeys(found.pursued.tolist()):
        mine = np.flatnonzero(found.target == number)
        chosen.append(found.images[mine[np.argmax(found.probability[mine])]])
    return np.stack(chosen)


def _sheets(workdir: str, shape) -> np.ndarray:
    """Returns the images on a run's sheets of samples: uint8 [sheets, images, *shape]."""
    run = reader.read(workdir)
    if not run.samples:
        raise UserError(f'{workdir} has no sheets of samples: train it first.')
    sheets = []
    for _, path in run.samples:
        sheet = decode.to_channels(decode.decode(path), shape[-1])
        sheets.append(images.cut(sheet, shape[:2]))
    return np.stack(sheets)


if __name__ == '__main__':
    flags.mark_flag_as_required('output')
    cli.run(main)
