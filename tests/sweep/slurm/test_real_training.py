"""A sweep of real trainings as one job array; one of them is requeued in the middle."""

import json
import os
import pathlib
import subprocess
import sys

from imggen.workdir import reader
from tests.helpers import processes
from tests.helpers.made_sweep import Sweep
from tests.sweep.slurm.test_slurm import cluster, job, pytestmark  # noqa: F401

_ROOT = pathlib.Path(__file__).parents[3]
_OPTIONS = (
    '--config=configs/gan_fashion_mnist.py:smoke',
    '--config.data.max_examples=2000',
    '--config.total_images=1600',
    '--config.run.checkpoint_every_steps=10',
    '--config.run.sample_every_steps=100',
    '--config.run.log_every_steps=5',
    '--num=64',
    '--measure=frechet',
)


class _Real(Sweep):
    """The real command in the place of the driver with the stand-in."""

    def start(self, *options, **environment):
        return subprocess.Popen(
            [sys.executable, '-m', 'experiments.sweep', f'--workdir={self.folder}', *options],
            cwd=_ROOT,
            # What one has compiled the others read.
            env={**os.environ, 'JAX_NUM_CPU_DEVICES': '1', **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _scalars(workdir):
    """The records of a run without what a clock measured."""
    clocks = ('seconds', 'images_per_second', 'steps_per_second')
    return [
        {k: v for k, v in record.items() if k not in clocks}
        for record in processes.records(workdir)
    ]


def test_a_requeued_training_ends_as_if_it_had_not_been(tmp_path):
    real = _Real(tmp_path)
    process = real.start(
        *_OPTIONS, '--axis=seed=0,1', '--launcher=slurm', '--jobs=2', '--slurm=timeout_min=10'
    )
    name = 'seed=1'
    real.wait_for_step(name, 10, seconds=240)
    subprocess.run(['scontrol', 'requeue', job(real, name)], check=True)
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    requeued = reader.read(real.folder / name)
    assert requeued.info['sessions'] == 2 and requeued.info['step'] == 100

    # The same run alone, here and without a stop.
    alone = tmp_path / 'alone'
    subprocess.run(
        [
            sys.executable,
            *('-m', 'experiments.train', *_OPTIONS[:-2], f'--workdir={alone}'),
            f'--config.seed={requeued.config["seed"]}',
        ],
        cwd=_ROOT,
        env={**os.environ, 'JAX_NUM_CPU_DEVICES': '1'},
        capture_output=True,
        check=True,
        timeout=200,
    )
    assert _scalars(real.folder / name) == _scalars(alone)

    (row,) = real.rows()
    assert row['frechet n'] == '2'
    plan = json.loads((real.folder / 'sweep.json').read_text())
    assert all(len(reader.read(real.folder / run['name']).evaluations) == 1 for run in plan['runs'])
