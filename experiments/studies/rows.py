r"""Draws one row of images for each run, one below the other, to go with a table.

python -m experiments.studies.rows runs/gan runs/flow --output=rows.png
    [--names=GAN,flow] [--num=12]

Every run draws from the same keys. The first row shows real images of the first run's data.
A row has the name of the run's folder unless --names gives another.
"""

import pathlib

import numpy as np
from absl import flags
from PIL import Image, ImageDraw

from imggen import cli, data, devices, files, images, keys
from imggen.errors import UserError
from imggen.inference import load, sampling
from imggen.progress import Progress

_OUTPUT = flags.DEFINE_string('output', None, 'The .png to write.')
_NAMES = flags.DEFINE_list('names', [], 'Names beside the rows, one for each run.')
_NUM = flags.DEFINE_integer('num', 12, 'Images in a row.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Image i depends on the seed and on i.')

_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a file at --output.')
_LETTER_PIXELS = 7  # An upper bound on the width of a letter.


def main(argv):
    workdirs = argv[1:]
    if not workdirs:
        raise UserError('There is nothing to show; name one or more runs.')
    devices.cache_compilations()
    names = _NAMES.value or [pathlib.Path(workdir).name for workdir in workdirs]
    if len(names) != len(workdirs):
        raise UserError(
            f'--names has {len(names)} names for {len(workdirs)} runs: give one for each.'
        )
    if not _OUTPUT.value.endswith('.png'):
        raise UserError(f'--output={_OUTPUT.value} cannot be written: give a .png file.')
    files.refuse_overwrite([_OUTPUT.value], overwrite=_OVERWRITE.value)
    progress = Progress(len(names), unit='run')
    rows = []
    for workdir in workdirs:
        restored = load.load(workdir)
        rows = rows or [_real(restored)]
        rows.append(_generated(restored))
        progress.advance(len(rows) - 1)
    progress.close()
    if len({row.shape for row in rows}) > 1:
        raise UserError('The images of the runs differ in size: show the runs one by one.')
    sheet = _sheet(rows, ['real', *names])
    images.write_png(_OUTPUT.value, sheet)
    print(f'{_OUTPUT.value}: {len(rows)} rows of {_NUM.value} images')


def _real(restored) -> np.ndarray:
    pictures, _ = data.examples(restored.config['data'], split='train')
    first = pictures if isinstance(pictures, np.ndarray) else next(pictures)
    return first[: _NUM.value]


def _generated(restored) -> np.ndarray:
    key = keys.stream(_SEED.value, 'sample')
    (chunk,) = sampling.generate(key, restored, _NUM.value, batch_size=_NUM.value)
    return images.to_uint8(chunk[restored.method.output])


def _sheet(rows, names) -> np.ndarray:
    """Writes each name to the left of its row and returns the page, uint8 [height, width, 3]."""
    pictures = images.grid(np.concatenate(rows), columns=_NUM.value)
    if pictures.shape[-1] == 1:
        pictures = pictures.repeat(3, axis=-1)
    margin = _LETTER_PIXELS * max(map(len, names)) + 6
    page = Image.new('RGB', (margin + pictures.shape[1], pictures.shape[0]), 'white')
    page.paste(Image.fromarray(pictures), (margin, 0))
    draw, height = ImageDraw.Draw(page), pictures.shape[0] / len(rows)
    for index, name in enumerate(names):
        draw.text((2, (index + 0.5) * height), name, fill='black', anchor='lm')
    return np.asarray(page)


if __name__ == '__main__':
    flags.mark_flag_as_required('output')
    cli.run(main)
