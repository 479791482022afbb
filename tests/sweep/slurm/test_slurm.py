"""A sweep as a job array on a real SLURM cluster of one machine (`make test-slurm`).

Skipped where the cluster cannot start: it needs slurm-wlm, munge and root.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from imggen.sweep import plan
from tests.helpers.made_sweep import Sweep

_ROOT = pathlib.Path(__file__).parents[3]
_CLUSTER = pathlib.Path(__file__).with_name('cluster.sh')
_PROGRAMS = ('munged', 'slurmctld', 'slurmd', 'sbatch', 'srun')

pytestmark = [
    pytest.mark.xdist_group('slurm'),  # One cluster at a time.
    pytest.mark.skipif(
        os.geteuid() != 0 or None in map(shutil.which, _PROGRAMS),
        reason='a SLURM cluster cannot start here: slurm-wlm, munge and root are needed',
    ),
]


@pytest.fixture(scope='module', autouse=True)
def cluster():
    with tempfile.TemporaryDirectory() as folder:
        started = subprocess.run(
            [_CLUSTER, 'start', folder], stderr=subprocess.PIPE, text=True, timeout=90
        )
        if started.returncode:
            pytest.skip(f'a SLURM cluster does not start here: {started.stderr.strip()[-300:]}')
        os.environ['SLURM_CONF'] = f'{folder}/slurm.conf'
        try:
            yield folder
        finally:
            subprocess.run([_CLUSTER, 'stop', folder], check=True, timeout=30)
            time.sleep(1)  # The daemons still write into the folder.
            del os.environ['SLURM_CONF']


@pytest.fixture
def runs(tmp_path):
    return Sweep(tmp_path)


def job(runs, name):
    """Waits until the sweep has noted the job of a run."""
    path = runs.folder / 'slurm' / 'jobs.json'
    for _ in range(200):
        if path.exists():
            return json.loads(path.read_text())[name]
        time.sleep(0.1)
    raise AssertionError('no job was submitted')


def _session(runs, name):
    return plan.read_info(runs.folder / name).get('pid')


def test_a_sweep_survives_requeues_and_the_loss_of_its_watcher(runs, tmp_path):
    options = ['--axis=method.loss=hinge,wgan', '--axis=seed=0,1', '--launcher=slurm', '--jobs=4']
    slow = [*options, '--slurm=timeout_min=5', '--config.run.step_seconds=0.5']
    (tmp_path / 'whole').mkdir()
    whole = Sweep(tmp_path / 'whole')
    assert whole.run(*options[:2]).returncode == 0  # Here, without SLURM and without a stop.

    process = runs.start(*slow)
    requeued, preempted = 'loss=hinge,seed=0', 'loss=wgan,seed=1'
    first = {name: runs.wait_for_step(name, 2)['pid'] for name in (requeued, preempted)}
    subprocess.run(['scontrol', 'requeue', job(runs, requeued)], check=True)
    # What SLURM sends before the time limit: submitit saves and requeues by itself.
    subprocess.run(['scancel', '--signal=USR2', job(runs, preempted)], check=True)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)

    result = runs.run(*slow, timeout=150)
    assert result.returncode == 0, result.stderr
    assert json.loads((runs.folder / 'slurm' / 'jobs.json').read_text())[requeued].endswith('_0')
    assert len(list((runs.folder / 'slurm').glob('*_submission.sh'))) == 1  # Submitted once.
    for name, pid in first.items():
        assert _session(runs, name) != pid, f'{name} was not started again'
    assert runs.results() == whole.results()
    assert [row['frechet mean'] for row in runs.rows()] == [
        row['frechet mean'] for row in whole.rows()
    ]
    assert 'not finished' not in (runs.folder / 'table.csv').read_text()


def _parent(pid):
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'^PPid:\s*(\d+)', status, flags=re.M)[1])


def test_jobs_that_fail_are_cancelled_or_die_are_reported(runs):
    options = ['--axis=method.loss=broken,hinge,wgan', '--launcher=slurm', '--jobs=3']
    process = runs.start(*options, '--config.run.step_seconds=1')
    cancelled = runs.wait_for_step('loss=hinge', 2)
    subprocess.run(['scancel', job(runs, 'loss=hinge')], check=True)
    os.kill(_parent(runs.wait_for_step('loss=wgan', 2)['pid']), signal.SIGKILL)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 1
    failed = [line for line in errors.splitlines() if line.startswith('failed: ')]
    assert 'exit status 1; ValueError: the loss is broken <b>' in failed[0]
    assert 'stopped before its end; the same command continues it' in failed[1]
    assert 'the job left the queue; the same command continues it' in failed[2]
    stopped = plan.read_info(runs.folder / 'loss=hinge')  # SIGTERM reached it, and it saved.
    assert stopped['status'] == 'stopped' and stopped['pid'] == cancelled['pid']


def test_the_batch_script_saves_and_queues_again(runs, tmp_path):
    """experiments/slurm.sh with the stand-in in the place of `python -m experiments.train`."""
    python = tmp_path / 'python'
    stand_in = pathlib.Path(__file__).parents[2] / 'helpers' / 'stand_in.py'
    python.write_text(f'#!/bin/bash\nexec {sys.executable} {stand_in} train "${{@:4}}"\n')
    python.chmod(0o755)
    name = 'run with a space'
    submitted = subprocess.run(
        [
            'sbatch',
            '--parsable',
            '--cpus-per-task=1',
            f'--output={tmp_path}/log.txt',
            _ROOT / 'experiments' / 'slurm.sh',
            f'--config={runs.config}',
            '--config.run.step_seconds=0.3',
            f'--workdir={runs.folder / name}',
        ],
        cwd=_ROOT,
        env={**os.environ, 'PYTHON': str(python)},
        capture_output=True,
        text=True,
        check=True,
    )
    first = runs.wait_for_step(name, 2)
    # What --signal=TERM@120 of the script does before the time limit.
    subprocess.run(['scancel', '--signal=TERM', submitted.stdout.strip()], check=True)
    last = runs.wait_for_step(name, 20)
    assert last['pid'] != first['pid'] and last['num_steps'] == 20
    assert 'requeueing job' in (tmp_path / 'log.txt').read_text()


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('--slurm=nodes=2', 'take nodes=1'),
        ('--slurm=slurm_partition=nowhere', 'SLURM accepted no job'),
        ('--slurm=nonsense=1', 'SLURM accepted no job'),
    ],
)
def test_what_slurm_refuses_is_said_in_one_sentence(runs, option, message):
    result = runs.run('--axis=seed=0,1', '--launcher=slurm', option)
    assert result.returncode == 1
    assert message in result.stderr and 'Traceback' not in result.stderr
    assert result.stderr.splitlines()[-1].startswith('error: ')
