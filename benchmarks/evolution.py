r"""Times evolution in images evaluated per second, and compares it with other ways to do it.

  python -m benchmarks.evolution
  python -m benchmarks.evolution --classifiers=dense --runs=5 --torch_python=/path/to/python

Each way runs in its own process, in turn:

  ours        hill climbing (1 to 20 pixels, greedy) with `loop.run`, from the random draws to the
              metrics, at the best of --chains
  forward     only the classifier's forward pass, at the best of --chains: an upper bound
  jax loop    one image per call from a Python loop in JAX, as in the original
  torch loop  the same in PyTorch with the same weights, with benchmarks/torch_classifier.py

The table shows medians over --runs processes, with the range in brackets. --torch_python names a
Python with PyTorch; without it the torch loop is left out.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags, logging

from benchmarks import sides

_CLASSIFIERS = flags.DEFINE_list('classifiers', 'convolutional,dense', 'Classifiers to time.')
_RUNS = flags.DEFINE_integer('runs', 5, 'Processes per way.', lower_bound=1)
_SECONDS = flags.DEFINE_float('seconds', 2.0, 'Approximate duration of each measurement.')
_CHAINS = flags.DEFINE_list('chains', '128,256,512,1024', 'Population sizes to choose from.')
_CORES = flags.DEFINE_integer(
    'cores', None, 'Number of cores that a process may use; all by default.'
)
_TORCH = flags.DEFINE_string('torch_python', '', 'A Python with PyTorch.')
_WAY = flags.DEFINE_string('way', None, 'Time one way in this process.')

_DISPATCH_STEPS = 50
_MOST, _TARGET = 20, 2


def _ours(name: str) -> float:
    from imggen import data, devices, methods
    from imggen.training import loop

    def speed(chains):
        config = {
            'name': 'hill_climb',
            'num_steps': 1000 * _DISPATCH_STEPS,
            'problem': {'classifier': name, 'class_names': ('Pullover',)},
            'moves': {'few_pixels': {'least': 1, 'most': _MOST}},
            'chains_per_class': chains,
        }
        records = []
        loop.run(
            methods.make(config),
            data.make({'name': 'none'}, seed=0),
            seed=0,
            mesh=devices.make_mesh(),
            log_every_steps=_DISPATCH_STEPS,
            observers=[records.append],
            stop=lambda: sum(record.seconds for record in records[1:]) > _SECONDS.value,
        )
        timed = records[1:]  # The first dispatch is a warm-up.
        steps = sum(record.num_steps for record in timed)
        return steps * chains / sum(record.seconds for record in timed)

    return max(speed(int(chains)) for chains in _CHAINS.value)


def _forward(name: str) -> float:
    import jax

    from imggen import devices
    from imggen.methods.evolution import classifiers

    classifier = classifiers.load(name)
    options = devices.compiler_options(devices.make_mesh())

    def speed(count):
        batch = jax.random.uniform(jax.random.key(0), (count, *classifier.shape), minval=-1.0)
        ask = (
            jax.jit(classifier.logits)
            .lower(classifier.params, batch)
            .compile(compiler_options=options)
        )
        return count * _repeat(lambda: ask(classifier.params, batch).block_until_ready())

    return max(speed(int(count)) for count in _CHAINS.value)


def _jax_loop(name: str) -> float:
    import jax

    from imggen.methods.evolution import classifiers

    classifier = classifiers.load(name)
    params = jax.device_put(classifier.params)
    ask = jax.jit(
        lambda params, image: jax.nn.softmax(classifier.logits(params, image)[0])[_TARGET]
    )
    generator = np.random.default_rng(0)
    image = generator.uniform(-1, 1, classifier.shape).astype(np.float32)
    value = float(ask(params, image[None]))

    def step():
        nonlocal image, value
        changed = image.copy().reshape(-1)
        count = generator.integers(1, _MOST + 1)
        changed[generator.integers(0, changed.size, count)] = generator.uniform(-1, 1, count)
        changed = changed.reshape(classifier.shape)
        answer = float(ask(params, changed[None]))
        if answer >= value:
            image, value = changed, answer

    return _repeat(step)


def _repeat(function) -> float:
    """Calls a function until --seconds have passed; returns calls per second."""
    function()
    calls, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < _SECONDS.value:
        function()
        calls += 1
    return calls / seconds


_WAYS = {'ours': _ours, 'forward': _forward, 'jax loop': _jax_loop}


def _run_way(way: str, name: str, folder: str) -> float:
    """Runs one way in its own process and returns its speed."""
    command = [
        sys.executable,
        '-m',
        'benchmarks.evolution',
        f'--way={way}',
        f'--classifiers={name}',
    ]
    command += [f'--seconds={_SECONDS.value}', f'--chains={",".join(_CHAINS.value)}']
    if way == 'torch loop':
        command = [_TORCH.value, 'benchmarks/torch_classifier.py']
        command += [f'{folder}/weights.npz', f'{folder}/check.npz', name, str(_SECONDS.value)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])['speed']


def _write_weights(name: str, folder: str) -> None:
    """Writes the weights for PyTorch, with one answer that it must reproduce."""
    import jax

    from imggen.features import fashion_classifier
    from imggen.methods.evolution import classifiers

    classifier = classifiers.load(name)
    fashion_classifier.save(f'{folder}/weights.npz', classifier.params)
    image = np.random.default_rng(1).uniform(-1, 1, (1, *classifier.shape)).astype(np.float32)
    probability = jax.nn.softmax(classifier.logits(classifier.params, image))[0, _TARGET]
    np.savez(f'{folder}/check.npz', image=image, probability=probability)


def _row(name: str, ways: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        _write_weights(name, folder)
        speeds = {way: [] for way in ways}
        for _ in range(_RUNS.value):
            for way in ways:
                speeds[way].append(_run_way(way, name, folder))
                print('.', end='', file=sys.stderr, flush=True)
    middle = {way: statistics.median(values) for way, values in speeds.items()}
    cells = [
        f'{middle[way]:,.0f} ({min(values):,.0f}..{max(values):,.0f})'
        for way, values in speeds.items()
    ]
    cells.append(f'{100 * middle["ours"] / middle["forward"]:.0f} %')
    cells += [f'{middle["ours"] / middle[way]:.0f}' for way in ways[2:]]
    return f'| {name} | {" | ".join(cells)} |'


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    logging.set_verbosity(logging.WARNING)
    sides.use_cores(_CORES.value)
    if _WAY.value:
        print(json.dumps({'speed': _WAYS[_WAY.value](_CLASSIFIERS.value[0])}))
        return
    load, ways = os.getloadavg()[0], [*_WAYS, *(['torch loop'] if _TORCH.value else [])]
    rows = [_row(name, ways) for name in _CLASSIFIERS.value]
    from imggen import devices

    print('', file=sys.stderr)
    print(f'{devices.hardware()}; load average before: {load:.1f}; images evaluated per second.')
    names = ['classifier', *ways, 'of forward', *(f'times the {way}' for way in ways[2:])]
    print(f'\n| {" | ".join(names)} |')
    print(f'| --- |{" ---: |" * (len(names) - 1)}')
    print('\n'.join(rows))


if __name__ == '__main__':
    app.run(main)
