"""How cost grows with the batch, the size of images, the number of files and of devices.

  python -m benchmarks.growth [--only=batch,size] [--again]

It draws benchmarks/growth.png anew after every point; the points lie beside it as .jsonl, and the
same command again goes on with the next one. Devices are virtual: they share the cores of this
machine, so that a level curve is the best there is. Run it on an idle machine.
"""

import json
import pathlib
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from absl import app, flags

from benchmarks import sides
from imggen import files

_ONLY = flags.DEFINE_list('only', [], 'Names of curves; all by default.')
_AGAIN = flags.DEFINE_bool('again', False, 'Measure points again that are there.')
_OUTPUT = flags.DEFINE_string('output', 'benchmarks/growth.png', 'The plots.')


class Curve(NamedTuple):
    """A cost as a function of one number.

    Attributes:
      title: what is measured.
      x: the name of the number.
      values: its values.
      function: a side of `benchmarks.ours`.
      options: value -> its keyword arguments.
      work: value -> units of work in a turn; the plot shows milliseconds a unit.
      unit: the unit.
      turns: the names of single turns, each a line of the plot; () for the median of three turns.
      devices: whether the value is the number of virtual devices.
    """

    title: str
    x: str
    values: Sequence[int]
    function: str
    options: Any
    work: Any
    unit: str
    turns: Sequence[str] = ()
    devices: bool = False


def _dcgan(batch_size: int, shape: Sequence[int], steps: int) -> dict[str, Any]:
    options = {'config': 'gan_fashion_mnist', 'argument': 'published', 'shape': shape}
    return {**options, 'steps': steps, 'batch_size': batch_size}


CURVES = {
    'batch': Curve(
        'DCGAN, 28 x 28, training',
        'batch size',
        (8, 16, 32, 64, 128, 256),
        'benchmarks.ours.gan',
        lambda batch: _dcgan(batch, (28, 28, 1), max(1, 512 // batch)),
        lambda batch: max(1, 512 // batch) * batch,
        'image',
    ),
    'size': Curve(
        'DCGAN in color, training, batch 8',
        'height and width',
        (32, 64, 128, 256),
        'benchmarks.ours.gan',
        lambda size: _dcgan(8, (size, size, 3), max(1, 256 // size)),
        lambda size: max(1, 256 // size) * 8,
        'image',
    ),
    'files': Curve(
        'a folder of PNG files, 16 x 16',
        'files',
        (1_000, 10_000, 100_000),
        'benchmarks.ours.many_files',
        lambda count: {'count': count},
        lambda count: count,
        'file',
        turns=('first time', 'again'),
    ),
    'devices': Curve(
        'DCGAN, 28 x 28, training, batch 64',
        'virtual devices',
        (1, 2, 4, 8),
        'benchmarks.ours.gan',
        lambda count: _dcgan(64, (28, 28, 1), 5),
        lambda count: 5 * 64,
        'image',
        devices=True,
    ),
}


def measure(curve: Curve, value: int) -> list[float]:
    """Returns the seconds of each turn at one value."""
    variables = {'TF_CPP_MIN_LOG_LEVEL': '2'}
    if curve.devices:
        variables |= {'JAX_PLATFORMS': 'cpu', 'JAX_NUM_CPU_DEVICES': str(value)}
    with sides.started(curve.function, curve.options(value), variables=variables) as side:
        return [side.turn()['seconds'] for _ in curve.turns or range(3)]


def draw(path: pathlib.Path, points: Mapping[tuple[str, int], Sequence[float]]) -> None:
    """Draws all curves that have points into one PNG."""
    import matplotlib

    matplotlib.use('agg')
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 7), layout='constrained')
    for axis, (name, curve) in zip(axes.flat, CURVES.items(), strict=True):
        values = [value for value in curve.values if (name, value) in points]
        axis.set_title(curve.title, fontsize=10)
        if not values:
            continue
        for index, label in enumerate(curve.turns or ('median',)):
            seconds = [points[name, value] for value in values]
            times = [one[index] if curve.turns else statistics.median(one) for one in seconds]
            cost = [
                1e3 * time / curve.work(value) for time, value in zip(times, values, strict=True)
            ]
            axis.plot(values, cost, 'o-', label=label)
        axis.set_xscale('log', base=10 if curve.turns else 2)
        axis.set_yscale('log')
        low, high = axis.get_ylim()
        if high < 10 * low:  # One decade at least, so that noise looks like noise.
            middle = (low * high) ** 0.5
            axis.set_ylim(middle / 10**0.5, middle * 10**0.5)
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter('{x:g}')
        axis.yaxis.set_minor_formatter('')
        axis.set_xticks(values, [f'{value:,}' for value in values])
        axis.set_xlabel(curve.x)
        axis.set_ylabel(f'ms per {curve.unit}')
        axis.grid(alpha=0.3, which='both')
        if curve.turns:
            axis.legend()
    with files.writing(path) as partial:
        figure.savefig(partial, format='png', dpi=80)
    pyplot.close(figure)


def read(path: pathlib.Path) -> dict[tuple[str, int], list[float]]:
    """Returns the stored points: {(curve, value): seconds of turns}."""
    lines = path.read_text(encoding='utf-8').splitlines() if path.exists() else []
    return {(point['curve'], point['value']): point['seconds'] for point in map(json.loads, lines)}


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    if unknown := [name for name in _ONLY.value if name not in CURVES]:
        raise app.UsageError(f'--only={unknown[0]}: there are {", ".join(CURVES)}.')
    output = pathlib.Path(_OUTPUT.value)
    stored = output.with_suffix('.jsonl')
    points = read(stored)
    for name in _ONLY.value or CURVES:
        for value in CURVES[name].values:
            if (name, value) in points and not _AGAIN.value:
                continue
            print(f'{name} {value:,} ...', file=sys.stderr, flush=True)
            try:
                points[name, value] = measure(CURVES[name], value)
            except sides.SideError as error:
                print(f'{name} {value:,} failed: {error}', file=sys.stderr, flush=True)
                continue
            lines = [
                json.dumps({'curve': curve, 'value': value, 'seconds': seconds})
                for (curve, value), seconds in points.items()
            ]
            files.write_text(stored, '\n'.join(lines) + '\n')
            draw(output, points)


if __name__ == '__main__':
    app.run(main)
