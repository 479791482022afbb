r"""Repaints a photograph in the style of a picture.

python -m experiments.stylize photo.jpg painting.jpg new.png
    [--quality=draft|good|best] [--strength=0.6] [--colors=content]

The photograph, or a folder of photographs, comes first, then the style (one picture, or several
separated by commas), then a new file, or a new folder. The result has the size and the alpha of the
photograph. --strength goes from 0, the photograph as it is, to 1, where the style may move its
shapes.

It is a run of configs/style_neighbours.py in the workdir new.run (or --workdir). While it runs,
look at new.run/results/. Ctrl-C saves and stops it; the same command continues it.
"""

import pathlib
from typing import NamedTuple

import numpy as np
from absl import flags

from imggen import cli, devices
from imggen.data import decode, encode
from imggen.data.loaders import style
from imggen.data.picture import read
from imggen.errors import UserError


class Quality(NamedTuple):
    """How much work a picture gets.

    Attributes:
      size: pixels of the longer side. Finer detail is that of the photograph.
      steps: mean number of steps of a phase.
      shares: relative shares of the steps for each scale; () for equal shares.
      split: whether the last phase of the method runs. It takes most of the time.
      learning_rate: of Adam. Few steps must be larger, or the picture hardly changes.
    """

    size: int
    steps: int
    shares: tuple[float, ...] = ()
    split: bool = True
    learning_rate: float = 4e-3


_QUALITIES = {
    'draft': Quality(192, 30, shares=(2.0, 1.0), split=False, learning_rate=0.012),
    'good': Quality(256, 200),
    'best': Quality(512, 200),
}

_QUALITY = flags.DEFINE_enum(
    'quality',
    'good',
    list(_QUALITIES),
    'draft takes about a minute on two cores, good several minutes, best longer still.',
)
_STRENGTH = flags.DEFINE_float(
    'strength', 0.6, 'How much the style changes.', lower_bound=0.0, upper_bound=1.0
)
_COLORS = flags.DEFINE_enum(
    'colors', 'style', list(style.COLORS), "'content' keeps the colors of the photograph."
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of random numbers.')
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; OUTPUT.run by default.')


def main(argv):
    if len(argv) != 4:
        raise UserError(
            'give PHOTO STYLE OUTPUT, for example: '
            'python -m experiments.stylize photo.jpg painting.jpg new.png'
        )
    photo, painting, output = argv[1:]
    output = pathlib.Path(output).expanduser()
    _check(pathlib.Path(photo).expanduser(), output)
    workdir = pathlib.Path(_WORKDIR.value or output.with_suffix('.run'))
    devices.cache_compilations()
    from imggen.training import train

    config = _config(photo, painting)
    print(f'Intermediate pictures: {workdir / "results"}')
    result = train.train(config.to_dict(), workdir, command=cli.command_line())
    if not result.finished:
        return 143
    for path, height, width in _write(workdir / 'results', output):
        print(f'{path}: {height} x {width}')
    return 0


def _config(photo: str, painting: str):
    quality = _QUALITIES[_QUALITY.value]
    config = cli.load_config(f'style_neighbours:size={quality.size}')
    config.seed = _SEED.value
    config.data.update(content=photo, style=painting, colors=_COLORS.value, detail=1.0)
    num_phases = len(config.method.scales) + quality.split
    config.method.num_steps = quality.steps * num_phases
    config.method.split_fraction = quality.split / num_phases
    config.method.shares = quality.shares
    config.method.learning_rate = quality.learning_rate
    config.method.strength = _STRENGTH.value
    config.run.sample_every_steps = quality.steps // 4  # A few pictures of every phase.
    return config


def _check(photo: pathlib.Path, output: pathlib.Path) -> None:
    """Refuses an output that cannot hold the results, before any work."""
    if output.exists():
        raise UserError(f'{output} exists: name a new OUTPUT.')
    if not photo.exists():
        raise UserError(f'{photo} does not exist: name a photograph, or a folder, as PHOTO.')
    if photo.is_dir():
        if output.suffix:
            raise UserError(f'{photo} is a folder: name a folder, not {output}, as OUTPUT.')
        return
    if output.suffix.lower() not in encode.OPTIONS:
        known = ', '.join(encode.OPTIONS)
        raise UserError(f'{output} cannot be written: OUTPUT ends in one of {known}.')
    if output.suffix.lower() not in encode.WITH_ALPHA and read(photo, 'PHOTO').alpha is not None:
        raise UserError(f'{output} cannot hold the transparency of {photo}: name a .png as OUTPUT.')


def _write(results: pathlib.Path, output: pathlib.Path) -> list[tuple[pathlib.Path, int, int]]:
    """Copies the finished pictures to the output, in its format; returns (path, height, width)."""
    written = []
    for path in sorted(results.glob('*.png')):
        target = output if output.suffix else output / path.name
        pixels, alpha, _ = decode.read(path)
        encode.write(target, pixels if alpha is None else np.dstack([pixels, alpha]))
        written.append((target, *pixels.shape[:2]))
    return written


if __name__ == '__main__':
    cli.run(main)
