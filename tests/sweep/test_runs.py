"""Sweeps at work: what is run and what is not, failures, kills, Ctrl-C, cores.

The runs are real processes of a stand-in for experiments.train and
experiments.evaluate, tests/helpers/stand_in.py.
"""

import io
import os
import re
import shlex
import signal
import time

import pytest

from imggen.sweep import local, logs, plan
from imggen.sweep.monitor import watch
from tests.helpers.made_sweep import CONFIG, Sweep


@pytest.fixture
def runs(tmp_path):
    return Sweep(tmp_path)


@pytest.fixture(scope='module')
def measured_run(tmp_path_factory):
    done = Sweep(tmp_path_factory.mktemp('measured'))
    assert done.run('--axis=seed=0').returncode == 0
    return done


def test_a_sweep_makes_a_table_and_runs_nothing_twice(runs):
    axes = ['--axis=method.loss=hinge,wgan', '--axis=seed=0..1', '--jobs=2']
    first = runs.run(*axes)
    assert first.returncode == 0, first.stderr
    assert 'loss=wgan,seed=1: done' in first.stderr
    rows = runs.rows()
    assert [row['variant'] for row in rows] == ['loss=hinge', 'loss=wgan']
    assert [row['frechet n'] for row in rows] == ['2', '2']
    # The stand-in computes the same for both losses, plus 5 for the second one.
    assert abs(float(rows[1]['frechet difference']) - 5) < 1e-9
    assert rows[1]['frechet note'] == 'few seeds'
    assert float(rows[0]['images/s mean']) == 100
    assert 'loss=wgan' in (runs.folder / 'report.html').read_text()
    results = runs.results()

    again = runs.run(*axes)
    assert again.returncode == 0 and 'All 4 runs are done' in again.stderr
    assert runs.results() == results

    more = runs.run('--axis=method.loss=hinge,wgan', '--axis=seed=0..2')
    assert '2 of 6 runs to do' in more.stderr
    assert {name: runs.results()[name] for name in results} == results
    assert [row['frechet n'] for row in runs.rows()] == ['3', '3']

    only = runs.run('--table_only')
    assert only.returncode == 0 and '| loss=wgan |' in only.stdout
    header = (runs.folder / 'table.csv').read_text()
    assert '# seeds: 0, 1, 2\n' in header and '# revision: abc1234\n' in header


def test_a_run_of_another_config_is_not_taken_for_this_one(runs):
    assert runs.run('--axis=seed=0..1').returncode == 0
    changed = runs.run('--axis=seed=0..1', '--config.method.sigma=0.7', '--dry_run')
    assert changed.stdout.count('--config.method.sigma=0.7') == 2
    watched = runs.run('--axis=seed=0..1', '--config.run.step_seconds=0.1', '--dry_run')
    assert watched.stdout.count('done') == 2


@pytest.mark.parametrize(
    ('how', 'programs'),
    [
        ([], []),
        (['--measure=frechet', '--num=20', '--extractor=fashion_classifier'], []),
        (['--measure=frechet,kid'], ['evaluate']),
        (['--extractor=lite0'], ['evaluate']),
        (['--num=30'], ['evaluate']),
        (['--noevaluate'], []),
    ],
)
def test_what_was_measured_otherwise_is_measured_again(measured_run, how, programs):
    result = measured_run.run('--axis=seed=0', '--dry_run', *how)
    commands = [shlex.split(line) for line in result.stdout.splitlines() if line.startswith('  ')]
    assert [command[2] for command in commands] == programs
    if programs:
        assert set(how) <= set(commands[0])


def test_a_failed_run_is_reported_and_the_others_go_on(runs):
    result = runs.run('--axis=method.loss=hinge,broken,wgan')
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert 'failed: loss=broken: exit status 1; ValueError: the loss is broken' in last
    assert [row['frechet n'] for row in runs.rows()] == ['1', '', '1']
    text = (runs.folder / 'table.html').read_text()
    assert 'failed: loss=broken: exit status 1; ValueError: the loss is broken &lt;b&gt;' in text
    assert '<td>loss=broken (1 failed)</td>' in text
    page = (runs.folder / 'report.html').read_text()
    assert 'exit status 1; ValueError: the loss is broken &lt;b&gt;' in page
    log = logs.log_path(runs.folder, 'loss=broken').read_text()
    assert 'Traceback' in log and log.startswith('$ ')


def test_killed_twice_in_the_middle_ends_the_same(runs, tmp_path):
    axes = ['--axis=seed=0..2', '--jobs=2']
    slow = [*axes, '--config.run.step_seconds=0.1']
    (tmp_path / 'whole').mkdir()
    whole = Sweep(tmp_path / 'whole')
    assert whole.run(*axes).returncode == 0

    process = runs.start(*slow)  # A run is killed; the others go on.
    os.kill(runs.wait_for_step('seed=0', 7)['pid'], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'seed=0: FAILED: killed by SIGKILL' in errors and 'seed=2: done' in errors

    process = runs.start(*slow)  # The sweep itself is killed; its run saves and ends.
    time.sleep(0.5)
    child = runs.wait_for_step('seed=0', 9)['pid']
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    last = runs.run(*slow)  # Waits for that, then goes on.
    assert last.returncode == 0, last.stderr
    assert plan.read_info(runs.folder / 'seed=0')['pid'] != child
    assert runs.results() == whole.results()
    metrics = [row['frechet mean'] for row in runs.rows()]
    assert metrics == [row['frechet mean'] for row in whole.rows()] and metrics[0]


def test_ctrl_c_lets_the_runs_save(runs):
    options = ['--axis=seed=0..2', '--jobs=2', '--config.run.step_seconds=0.05']
    process = runs.start(*options)
    pids = [runs.wait_for_step(name, 2)['pid'] for name in ('seed=0', 'seed=1')]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and 'Traceback' not in errors
    for name in ('seed=0', 'seed=1'):
        assert plan.read_info(runs.folder / name)['status'] == 'stopped'
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not (runs.folder / 'seed=2').exists()
    assert runs.run(*options).returncode == 0


def test_dry_run_prints_commands_that_a_shell_reads_back(runs):
    result = runs.run('--axis', 'method.loss=a b,$(x)', '--config.data.sigma=3', '--dry_run')
    assert result.returncode == 0 and not runs.folder.exists()
    commands = [shlex.split(line) for line in result.stdout.splitlines() if line.startswith('  ')]
    assert len(commands) == 4
    assert commands[0][2:6] == [
        'train',
        f'--config={runs.config}',
        '--config.data.sigma=3.0',
        '--config.method.loss=a b',
    ]
    assert '--config.method.loss=$(x)' in commands[2]


def test_hostile_values_run(runs):
    result = runs.run('--axis', 'method.loss=../up,new\nline,a b', '--measure=frechet,kid')
    assert result.returncode == 0, result.stderr
    assert len(runs.results()) == 3 and 'kid mean' in runs.rows()[0]
    assert not (runs.folder.parent / 'up').exists()


def test_axes_of_the_config_file_multiply_with_those_of_the_command(runs):
    hyper = """
def get_hyper(h):
    width = h.zip([h.sweep('method.widths', [(1,), (2,)]), h.sweep('method.sigma', [1, 2])])
    return h.chain([h.sweep('method.loss', ['wgan']), width])
"""
    runs.config.write_text(CONFIG + hyper)
    result = runs.run('--axis=seed=0,1', '--dry_run')
    names = re.findall(r'^(\S+):(?: done)?$', result.stdout, flags=re.M)
    assert names == [
        f'{variant},seed={seed}'
        for variant in ('loss=wgan', 'widths=1,sigma=1.0', 'widths=2,sigma=2.0')
        for seed in (0, 1)
    ]


def test_an_axis_of_the_command_replaces_the_config_files_own(runs):
    hyper = """
def get_hyper(h):
    losses = h.sweep('method.loss', ['wgan', 'hinge'])
    return h.product([losses, h.sweep('seed', range(5))])
"""
    runs.config.write_text(CONFIG + hyper)
    result = runs.run('--axis=seed=7', '--dry_run')
    names = re.findall(r'^(\S+):(?: done)?$', result.stdout, flags=re.M)
    assert names == ['loss=wgan,seed=7', 'loss=hinge,seed=7']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--axis=method.typo=1'], "no 'method.typo'"),
        (['--axis=seed=0', '--config.nothing=1'], 'nothing'),
        (['--axis=seed=0', '--axis=seed=1'], 'seed is on two axes'),
        (['--axis=seed=0,1', '--config.seed=3'], 'seed is an axis and fixed'),
        (['--zip=seed=0,1', '--zip=method.sigma=1'], 'differ in length'),
        ([], 'has no axis'),
        (['--axis=seed=0', '--config=nowhere.py'], 'nowhere.py'),
        (['--table_only'], 'holds no sweep'),
        (['--axis=seed=0', 'method.loss=hinge'], 'is not an option'),
        (['--axis=seed=0', '--baseline=bas'], "did you mean 'base'?"),
        (['--axis=seed=0', '--launcher=slurm', '--slurm=gpus'], '--slurm=gpus has no value'),
        (['--axis=method.sigma=0:1', '--search=random', '--measure=fid'], '--measure=fid is no'),
    ],
)
def test_bad_input_is_refused_before_anything_starts(runs, options, message):
    result = runs.run(*options)
    assert result.returncode == 1
    assert message in result.stderr and 'Traceback' not in result.stderr
    assert not runs.folder.exists()


@pytest.mark.skipif(not hasattr(os, 'sched_getaffinity'), reason='cores cannot be bound here')
def test_jobs_share_the_cores(runs):
    assert runs.run('--axis=seed=0,1', '--jobs=2').returncode == 0
    first, second = (plan.read_info(runs.folder / f'seed={seed}')['cores'] for seed in (0, 1))
    mine = sorted(os.sched_getaffinity(0))
    assert first and second
    if len(mine) > 1:
        assert sorted(first + second) == mine


@pytest.mark.parametrize(
    ('visible', 'gpus', 'memory'),
    [('3,5,7,8', ['3,5', '7,8'], None), ('4', ['4', '4'], '0.450')],
)
def test_jobs_share_the_gpus(runs, visible, gpus, memory):
    process = runs.start(
        '--axis=seed=0,1',
        '--jobs=2',
        '--noevaluate',
        JAX_PLATFORMS='',
        CUDA_VISIBLE_DEVICES=visible,
    )
    process.communicate(timeout=60)
    infos = [plan.read_info(runs.folder / f'seed={seed}') for seed in (0, 1)]
    assert [info['gpus'] for info in infos] == gpus
    assert {info['memory'] for info in infos} == {memory}


def test_a_second_ctrl_c_kills(runs):
    process = runs.start('--axis=seed=0', '--config.run.step_seconds=3600')
    for _ in range(200):
        if pid := plan.read_info(runs.folder / 'seed=0').get('pid'):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None  # The run is inside a step that takes an hour.
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_terminal_shows_one_line(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    class Launcher:
        states = iter(['waiting', 'running', 'ended'])

        def poll(self):
            return {'seed=0': local.TaskState(next(self.states))}

    (tmp_path / 'seed=0').mkdir()
    (tmp_path / 'seed=0' / 'run.json').write_text('{"num_steps": 200, "step": 10}')
    (tmp_path / 'seed=0' / 'metrics.jsonl').write_text('{"step": 50}\n{"step": 6')
    out = Terminal()
    task = plan.Task('seed=0', tmp_path / 'seed=0', ())
    failed = watch(Launcher(), [task], num_runs=3, every_seconds=0, out=out)
    lines = out.getvalue().split('\r\x1b[K')
    assert failed == {}
    assert lines[1:4] == ['2 of 3 runs', '2 of 3 runs | seed=0 50/200', 'seed=0: done\n']
    assert lines[4].startswith('3 of 3 runs') and lines[5] == ''


def test_a_reader_that_closes_the_pipe_gets_no_traceback(runs):
    axis = '--axis=seed=0..2000'  # More lines than a pipe holds.
    with runs.start(axis, '--dry_run') as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ''
    assert process.returncode == 141
