r"""Times the training step of pix2pix side by side with PyTorch, and prints a Markdown table.

  python -m benchmarks.pix2pix
  python -m benchmarks.pix2pix --runs=5 --mallopt --torch_python=/other/venv/bin/python

It times the published networks at 256 x 256, one image per step: U-Net with dropout, PatchGAN,
batch normalization, the non-saturating loss and L1. Every run is a process of its own and the two
sides take turns. Ours goes through `loop.run`; the other side is `torch_pix2pix`, which
tests/methods/translation/test_pix2pix_parity.py compares with ours. A run is timed after its first
5 steps.

PyTorch may be installed in another environment. `--mallopt` makes glibc keep freed memory in both
processes (see benchmarks/train_step.py); `--cores=1` gives one core to each side.
"""

import json
import os
import statistics
import sys

import numpy as np
from absl import app, flags, logging

from benchmarks import sides

_RUNS = flags.DEFINE_integer('runs', 3, 'Processes of each side.', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 20, 'Timed steps of a run.', lower_bound=5)
_SIZE = flags.DEFINE_integer('size', 256, 'Side of the images, a power of two.')
_FEATURES = flags.DEFINE_integer('features', 64, 'Features of the first layers.')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 1, 'Images per step.', lower_bound=1)
_MALLOPT = flags.DEFINE_bool('mallopt', False, 'Keep freed memory in both processes.')
_CORES = flags.DEFINE_integer('cores', None, 'Number of cores per side; all by default.')
_TORCH_PYTHON = flags.DEFINE_string('torch_python', sys.executable, 'A Python with PyTorch.')
_SIDE = flags.DEFINE_enum('side', None, ['jax'], 'Run our side in this process.')

_DISPATCH_STEPS = 5
_NUM_IMAGES = 32


def _jax_side() -> dict:
    from imggen.data import dataset, pipeline
    from imggen.data.pairs import pairings

    shape = (_NUM_IMAGES, _SIZE.value, _SIZE.value, 6)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pairs = dataset.from_arrays(images, description='noise')._replace(
        pairing=dataset.Pairing(pairings.sides(3))
    )
    source = pipeline.shuffled(
        pairs, seed=0, batch_size=_BATCH_SIZE.value, augmentation={}, memory_budget_mib=1024
    )
    section = {
        'name': 'pix2pix',
        'num_steps': _DISPATCH_STEPS + _STEPS.value,
        'generator': {'features': _FEATURES.value},
        'discriminator': {'features': _FEATURES.value},
    }
    return sides.time_training(section, source, dispatch_steps=_DISPATCH_STEPS)


def _run(side: str) -> dict:
    """Runs one side in a process of its own."""
    sizes = [f'--size={_SIZE.value}', f'--features={_FEATURES.value}', f'--steps={_STEPS.value}']
    sizes += [f'--batch_size={_BATCH_SIZE.value}', *(['--mallopt'] if _MALLOPT.value else [])]
    if side == 'jax':
        command = [sys.executable, '-m', 'benchmarks.pix2pix', '--side=jax', *sizes]
    else:
        depth = _SIZE.value.bit_length() - 1
        command = [_TORCH_PYTHON.value, '-m', 'benchmarks.torch_pix2pix', *sizes]
        command += [f'--depth={min(depth, 8)}', f'--warmup={_DISPATCH_STEPS}']
    return sides.run(command)


def _cell(runs: list[dict]) -> tuple[float, str]:
    """Returns the median of milliseconds a step and a cell that shows it with the range."""
    times = [1000 * run['seconds'] / _STEPS.value for run in runs]
    median = statistics.median(times)
    return median, f'{median:.0f} ({min(times):.0f}..{max(times):.0f})'


def _print_table() -> None:
    load, runs = os.getloadavg()[0], {'jax': [], 'torch': []}
    for _ in range(_RUNS.value):
        for side, done in runs.items():
            done.append(_run(side))
            print('.', end='', file=sys.stderr, flush=True)
    ours, theirs = runs['jax'], runs['torch']
    if ours[0]['parameters'] != theirs[0]['parameters']:
        raise ValueError(f'The sides differ in parameters: {ours[0]}, {theirs[0]}.')
    (our_time, our_cell), (their_time, their_cell) = _cell(ours), _cell(theirs)
    parameters = ' + '.join(f'{count:,}' for count in ours[0]['parameters'])
    start = statistics.median(run['start'] for run in ours)
    print('', file=sys.stderr)
    print(
        f'{ours[0]["version"]}, {theirs[0]["version"]}; {ours[0]["hardware"]}; mallopt '
        f'{"on" if _MALLOPT.value else "off"} in both. {_STEPS.value} steps a run; runs of each '
        f'side, taking turns: {_RUNS.value}. Load of the machine before: {load:.1f}.\n'
    )
    print('| size | batch | parameters | imggen ms/step | PyTorch ms/step | ratio | start s |')
    print('| ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    print(
        f'| {_SIZE.value} | {_BATCH_SIZE.value} | {parameters} | {our_cell} | {their_cell} '
        f'| {their_time / our_time:.2f} | {start:.1f} |'
    )


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    logging.set_verbosity(logging.WARNING)
    sides.use_cores(_CORES.value)
    if _SIDE.value is None:
        _print_table()
        return
    if _MALLOPT.value:
        sides.keep_freed_memory()
    print(json.dumps(_jax_side()))


if __name__ == '__main__':
    app.run(main)
