r"""Measures how long a training run takes to start, and prints a Markdown table.

  python -m benchmarks.start
  python -m benchmarks.start --configs=configs/classifier_fashion_mnist.py --runs=3

Runs `experiments.train` for two steps at full batch size. "Cold" is the first run, with an empty
cache of compiled programs, and "warm" is the run after it. Seconds count from the start of the
command: until the run reports that it has read its data, until the record of its first step is on
disk, and until the process has written a sheet of samples and a checkpoint and has ended. A record
is written while the next step is computed, so the second column may include up to one more step.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from absl import app, flags

_CONFIGS = flags.DEFINE_list(
    'configs', 'configs/gan_fashion_mnist.py,configs/r3gan_fashion_mnist.py', 'Configs to start.'
)
_RUNS = flags.DEFINE_integer(
    'runs', 3, 'Number of cold and of warm starts of each config.', lower_bound=1
)

_POLL_SECONDS = 0.01


class Times(NamedTuple):
    """Seconds from the command."""

    data: float
    first_step: float
    end: float


def _start(config: str, cache: pathlib.Path) -> Times:
    """Runs two steps; compiled programs are cached in `cache`."""
    with tempfile.TemporaryDirectory() as workdir:
        command = [sys.executable, '-m', 'experiments.train', f'--config={config}']
        command += [f'--workdir={workdir}', '--config.run.log_every_steps=1']
        command += ['--config.method.num_steps=2']
        # Only the cache of programs is separate: data sets stay where they are.
        environment = os.environ | {
            'JAX_COMPILATION_CACHE_DIR': str(cache),
            'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.5',
        }
        metrics = pathlib.Path(workdir, 'metrics.jsonl')
        begin = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if 'step 0 of' in line:
                break
        data = time.perf_counter() - begin
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
            time.sleep(_POLL_SECONDS)
        first_step = time.perf_counter() - begin
        lines += process.communicate()[1]
        if process.returncode:
            raise RuntimeError(f'{" ".join(command)} failed: {"".join(lines)}')
        return Times(data, first_step, time.perf_counter() - begin)


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    print('| config | cache | data s | first step s | end s |')
    print('| --- | --- | ---: | ---: | ---: |')
    for config in _CONFIGS.value:
        times = {'cold': [], 'warm': []}
        for _ in range(_RUNS.value):
            with tempfile.TemporaryDirectory() as cache:
                for state in times:
                    times[state].append(_start(config, pathlib.Path(cache)))
        for state, runs in times.items():
            cells = [f'{statistics.median(column):.1f}' for column in zip(*runs, strict=True)]
            print(f'| {config} | {state} | ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
    app.run(main)
