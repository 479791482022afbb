r"""Times whole training steps side by side with PyTorch, and prints a Markdown table.

  python -m benchmarks.train_step
  python -m benchmarks.train_step --cases=residual --runs=5 --mallopt

Every run is a process of its own. The two sides take turns, so that a machine that slows down slows
both. Both train the same networks with the same losses on the same number of random images. Our
side goes through `loop.run`, from the data set to the metrics; the other side is `torch_gan`, which
tests/benchmarks/test_parity.py compares with ours. A run is timed after its first dispatch of 10
steps. Images/s are the median of the runs with their range in brackets; the ratio is above 1 if
our side is faster. "Start" is the time that our side spends before its first step: initialization,
tracing and compilation, without a cache.

`--mallopt` makes glibc keep freed memory in both processes, instead of returning it to the system
and requesting it again at every step. Run the benchmark on an idle machine: the threads of PyTorch
wait for each other at every operation, so that losing a core slows it down many times. `--cores=1`
gives one core to each side, which is the steadier comparison on a shared machine.
"""

import importlib
import json
import os
import statistics
import sys
import time
from typing import NamedTuple

import numpy as np
from absl import app, flags, logging

from benchmarks import sides

_CASES = flags.DEFINE_list('cases', 'perceptron,dcgan,dcgan32,residual,residual32', 'What to time.')
_RUNS = flags.DEFINE_integer('runs', 5, 'Processes of each side.', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 50, 'Timed steps of a run.', lower_bound=10)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 64, 'Images per step.', lower_bound=2)
_MALLOPT = flags.DEFINE_bool('mallopt', False, 'Keep freed memory in both processes.')
_CORES = flags.DEFINE_integer('cores', None, 'Number of cores per side; all by default.')
_SIDE = flags.DEFINE_enum('side', None, ['jax', 'torch'], 'Run one side in this process.')

_DISPATCH_STEPS = 10
_NUM_IMAGES = 10_000


class Case(NamedTuple):
    """A config of configs/, the shape of the images that it is trained on, and its argument."""

    config: str
    shape: tuple[int, int, int]
    argument: str | None = None


CASES = {
    'perceptron': Case('gan_perceptron_digits', (28, 28, 1)),
    'dcgan': Case('gan_fashion_mnist', (28, 28, 1), 'published'),
    'dcgan32': Case('gan_fashion_mnist', (32, 32, 3), 'published'),
    'residual': Case('r3gan_fashion_mnist', (28, 28, 1)),
    'residual32': Case('r3gan_fashion_mnist', (32, 32, 3)),
}


def _method_section(case: Case) -> dict:
    config = importlib.import_module(f'configs.{case.config}').get_config(case.argument)
    section = config.method.to_dict()
    section['num_steps'] = _DISPATCH_STEPS + _STEPS.value
    return section


def _images(case: Case) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (_NUM_IMAGES, *case.shape), np.uint8)


def _jax_side(case: Case) -> dict:
    from imggen.data import dataset, pipeline

    source = pipeline.shuffled(
        dataset.from_arrays(_images(case), description='noise'),
        seed=0,
        batch_size=_BATCH_SIZE.value,
        augmentation={},
        memory_budget_mib=1024,
    )
    section = _method_section(case)
    return sides.time_training(section, source, dispatch_steps=_DISPATCH_STEPS)


def _torch_side(case: Case) -> dict:
    import torch

    from benchmarks import torch_gan
    from imggen import options
    from imggen.methods.adversarial import gan

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    section = _method_section(case)
    del section['name']
    config = options.build(gan.Config, section, where='config.method')
    trainer = torch_gan.Trainer(config, case.shape)
    images = torch.from_numpy(_images(case))
    for step in range(config.num_steps):
        if step == _DISPATCH_STEPS:
            start = time.perf_counter()
        metrics = trainer.train(images, _BATCH_SIZE.value)
        if (step + 1) % _DISPATCH_STEPS == 0:
            values = {name: float(value) for name, value in metrics.items()}
    seconds = time.perf_counter() - start
    if any(value != value for value in values.values()):
        raise ValueError(f"PyTorch's metrics are not numbers: {values}.")
    networks = (trainer.generator, trainer.discriminator)
    return {
        'seconds': seconds,
        'parameters': [sum(p.numel() for p in network.parameters()) for network in networks],
        'version': f'PyTorch {torch.__version__}',
    }


def _run_side(side: str, name: str) -> dict:
    """Runs one side in a process of its own."""
    command = [sys.executable, '-m', 'benchmarks.train_step', f'--side={side}', f'--cases={name}']
    command += [f'--steps={_STEPS.value}', f'--batch_size={_BATCH_SIZE.value}']
    command += ['--mallopt'] if _MALLOPT.value else []
    command += [f'--cores={_CORES.value}'] if _CORES.value else []
    return sides.run(command)


def _speed(runs: list[dict]) -> tuple[float, str]:
    """Returns the median of images/s and a cell that shows it with the range."""
    speeds = [_STEPS.value * _BATCH_SIZE.value / run['seconds'] for run in runs]
    median = statistics.median(speeds)
    return median, f'{median:.0f} ({min(speeds):.0f}..{max(speeds):.0f})'


def _print_table() -> None:
    rows, load = [], os.getloadavg()[0]
    for name in _CASES.value:
        runs = {'jax': [], 'torch': []}
        for _ in range(_RUNS.value):
            for side in runs:
                runs[side].append(_run_side(side, name))
                print('.', end='', file=sys.stderr, flush=True)
        ours, theirs = runs['jax'], runs['torch']
        if ours[0]['parameters'] != theirs[0]['parameters']:
            raise ValueError(f'{name}: the sides differ in parameters, {ours[0]}, {theirs[0]}.')
        (our_speed, our_cell), (their_speed, their_cell) = _speed(ours), _speed(theirs)
        parameters = ' + '.join(f'{count:,}' for count in ours[0]['parameters'])
        start = statistics.median(run['start'] for run in ours)
        rows.append(
            f'| {name} | {parameters} | {our_cell} | {their_cell} '
            f'| {our_speed / their_speed:.2f} | {start:.1f} |'
        )
    print('', file=sys.stderr)
    print(
        f'{ours[0]["version"]}, {theirs[0]["version"]}, Python {sys.version.split()[0]}; '
        f'{ours[0]["hardware"]}; mallopt {"on" if _MALLOPT.value else "off"} in both. '
        f'Batch {_BATCH_SIZE.value}, {_STEPS.value} steps a run; runs of each side, taking turns: '
        f'{_RUNS.value}. Load of the machine before: {load:.1f}. '
        'Parameters: generator + discriminator, the same in both.\n'
    )
    print('| case | parameters | imggen images/s | PyTorch images/s | ratio | start s |')
    print('| --- | ---: | ---: | ---: | ---: | ---: |')
    print('\n'.join(rows))


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    if unknown := set(_CASES.value) - CASES.keys():
        raise app.UsageError(f'--cases={",".join(unknown)}: there are {", ".join(CASES)}.')
    if _SIDE.value is None:
        _print_table()
        return
    logging.set_verbosity(logging.WARNING)
    sides.use_cores(_CORES.value)
    if _MALLOPT.value:
        sides.keep_freed_memory()
    side = {'jax': _jax_side, 'torch': _torch_side}[_SIDE.value]
    print(json.dumps(side(CASES[_CASES.value[0]])))


if __name__ == '__main__':
    app.run(main)
