r"""Divides a folder of pictures into classes of pictures that look alike, for a GAN with classes.

python -m experiments.prepare clusters --source=DIR --output=clusters.csv [--count=32]
python -m experiments.train --config=configs/gan_folder.py --config.data.path=DIR --workdir=W
    --config.data.labels=clusters.csv --config.method.num_classes=32

The file names the class of each picture and may be edited. Beside it lies a sheet, clusters.png,
with a row for each class. All classes have about the same size. A class should have 50 pictures
or more.
"""

import pathlib

import numpy as np
from absl import flags

from imggen import cli, files, images
from imggen.data.loaders import folder, label_file
from imggen.errors import UserError
from imggen.features import alexnet
from imggen.inference import clusters

_SOURCE = flags.DEFINE_string('source', None, 'A folder of pictures.')
_OUTPUT = flags.DEFINE_string('output', None, 'A .csv file.')
_COUNT = flags.DEFINE_integer('count', 32, 'Number of classes.', lower_bound=2)
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace the file and its sheet.')
_SIZE = (64, 64)  # Pixels; what cannot be told apart there is alike.
_SHOWN = 12  # Pictures of each class on the sheet.


def main(argv):
    del argv
    output = pathlib.Path(_OUTPUT.value).expanduser()
    if output.suffix != '.csv':
        raise UserError(f'--output={output} is no .csv file: name one.')
    sheet = output.with_suffix('.png')
    files.refuse_overwrite([output, sheet], overwrite=_OVERWRITE.value)
    params = alexnet.pretrained()
    dataset = folder.load(path=_SOURCE.value, size=_SIZE, channels=3)
    if len(dataset.files) < _COUNT.value:
        raise UserError(
            f'--source={_SOURCE.value} holds {len(dataset.files):,} pictures, too few for '
            f'--count={_COUNT.value}: give a smaller one.'
        )
    pictures = dataset.read(slice(None))['image']
    numbers = clusters.bisect(clusters.describe(pictures, params), _COUNT.value)
    label_file.write(output, dict(zip(dataset.files, numbers.tolist(), strict=True)))
    images.write_png(sheet, images.grid(_rows(pictures, numbers), columns=_SHOWN))
    print(
        f'{output}: {len(pictures):,} pictures in {_COUNT.value} classes; look at {sheet}\n'
        f'train with --config.data.path={_SOURCE.value} --config.data.labels={output} '
        f'--config.method.num_classes={_COUNT.value}'
    )


def _rows(pictures: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Returns pictures of each class, one class after the other; white where there are too few."""
    rows = np.full((_COUNT.value, _SHOWN, *pictures.shape[1:]), 255, np.uint8)
    for row, number in zip(rows, range(_COUNT.value), strict=True):
        own = np.flatnonzero(numbers == number)
        chosen = own[np.linspace(0, len(own) - 1, min(_SHOWN, len(own)), dtype=int)]
        row[: len(chosen)] = pictures[chosen]
    return rows.reshape(-1, *pictures.shape[1:])


if __name__ == '__main__':
    flags.mark_flags_as_required(['source', 'output'])
    cli.run(main)
