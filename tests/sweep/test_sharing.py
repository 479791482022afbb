"""Processes that share a sweep, sweeps without a terminal, and what the status says of each."""

import os
import re
import signal
import subprocess
import sys
import time

from imggen.sweep import claims, failures, monitor, plan, standing
from imggen.sweep.points import sweep
from tests.helpers.made_sweep import Sweep


def _until(condition, *, seconds=30.0):
    for _ in range(int(seconds / 0.05)):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError('it did not come to this')


def _sessions(runs):
    """How often a command was started for each run."""
    logs = sorted((runs.folder / 'logs').glob('*.txt'))
    return {log.stem: log.read_text().count('$ ') for log in logs}


def test_two_processes_share_the_runs_and_one_takes_over_what_the_other_leaves(tmp_path):
    runs = Sweep(tmp_path)
    slow = ['--axis=seed=0..2', '--config.run.step_seconds=0.2']
    processes = {process.pid: process for process in (runs.start(*slow), runs.start(*slow))}

    def holders():
        found = [claims.holder(runs.folder, f'seed={seed}') for seed in (0, 1)]
        return None not in found and [int(each.rpartition(' ')[2]) for each in found]

    dies, stays = map(processes.get, _until(holders))  # Both work at the same time.
    runs.wait_for_step('seed=0', 2)
    dies.send_signal(signal.SIGKILL)
    dies.communicate(timeout=60)
    _, errors = stays.communicate(timeout=60)
    assert stays.returncode == 0, errors
    assert _sessions(runs) == {'seed=0': 3, 'seed=1': 2, 'seed=2': 2}
    (tmp_path / 'alone').mkdir()
    alone = Sweep(tmp_path / 'alone')
    assert alone.run(slow[0], '--jobs=3').returncode == 0
    assert runs.results() == alone.results()


def test_a_failure_of_one_process_is_not_repeated_by_another(tmp_path):
    runs = Sweep(tmp_path)
    options = ['--axis=method.loss=broken,hinge', '--config.run.step_seconds=0.2']
    first = runs.start(*options)
    _until(lambda: (runs.folder / 'failed.json').exists())
    second = runs.start(*options)
    for process in (first, second):
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert 'failed: loss=broken: exit status 1; ValueError' in errors
    assert _sessions(runs) == {'loss=broken': 1, 'loss=hinge': 2}


def test_another_sweep_in_the_folder_waits(tmp_path):
    runs = Sweep(tmp_path)
    first = runs.start('--axis=seed=0', '--config.run.step_seconds=0.05')
    runs.wait_for_step('seed=0', 2)
    second = runs.start('--axis=seed=0,1')
    _, errors = second.communicate(timeout=60)
    first.communicate(timeout=60)
    assert 'Waiting for another sweep' in errors and second.returncode == 0
    assert [row['frechet n'] for row in runs.rows()] == ['2']


def test_a_claim_ends_with_the_process_and_names_it(tmp_path):
    assert claims.holder(tmp_path, 'seed=0') is None
    code = (
        'import pathlib, sys, time; from imggen.sweep import claims\n'
        'claims.take(pathlib.Path(sys.argv[1]), "seed=0"); print("taken", flush=True)\n'
        'time.sleep(60)'
    )
    command = [sys.executable, '-c', code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert claims.take(tmp_path, 'seed=0') is None
        assert claims.holder(tmp_path, 'seed=0').endswith(f', process {process.pid}')
        process.kill()
        process.wait()
    assert claims.holder(tmp_path, 'seed=0') is None
    os.close(claims.take(tmp_path, 'seed=0'))


def test_a_detached_sweep_outlives_its_command_and_is_watched_and_stopped(tmp_path):
    runs = Sweep(tmp_path)
    options = ['--axis=seed=0..2', '--config.run.step_seconds=0.1']
    result = runs.run(*options, '--detach')
    assert result.returncode == 0
    pid = int(re.search(r'^stop:  kill (\d+)$', result.stdout, re.MULTILINE)[1])
    assert os.getsid(pid) == pid  # No terminal can hang up on it.
    runs.wait_for_step('seed=0', 2)
    lines = runs.status()
    assert re.match(rf'seed=0  running  +\d+/20 .*, process {pid}$', lines[0])
    assert lines[2].split() == ['seed=2', 'waiting'] and '3 runs: 1 running, 2 waiting' in lines[3]
    os.kill(pid, signal.SIGTERM)
    _until(lambda: claims.holder(runs.folder, 'seed=0') is None)
    lines = runs.status()
    assert re.match(r'seed=0  stopped  +\d+/20$', lines[0])
    assert lines[3].endswith('nobody works on them, and the same command goes on:')
    assert '--detach' in lines[4]
    again = runs.run(*options)
    assert again.returncode == 0, again.stderr
    lines = runs.status()
    assert re.match(r'seed=0  done  20/20  frechet 0\.\d+$', lines[0]) and len(lines) == 4
    assert 'Stopping.' in (runs.folder / 'sweep.log').read_text()


def test_a_detached_sweep_says_who_works_on_its_runs_already(tmp_path):
    runs = Sweep(tmp_path)
    claim = claims.take(runs.folder, 'seed=0')
    result = runs.run('--axis=seed=0', '--detach')
    assert f'process {os.getpid()} works on runs of this sweep' in result.stdout
    os.kill(int(re.search(r'^stop:  kill (\d+)$', result.stdout, re.MULTILINE)[1]), signal.SIGTERM)
    os.close(claim)


def test_the_status_tells_runs_that_died_failed_or_wait_apart(tmp_path):
    names = ['dead', 'failed', 'new', 'done', 'measured']
    planned = plan.make_plan(sweep('a', names), command='go', config='c', fixed={})
    plan.write_plan(planned, tmp_path)
    infos = {
        'dead': '{"status": "running", "step": 5, "num_steps": 20}',
        'failed': '{"status": "running", "step": 3, "num_steps": 20}',
        'done': '{"status": "finished", "step": 20, "num_steps": 20}',
        'measured': '{"status": "finished", "step": 20, "num_steps": 20}',
    }
    for name, info in infos.items():
        (tmp_path / f'a={name}').mkdir()
        (tmp_path / f'a={name}' / 'run.json').write_text(info)
    failures.note(tmp_path, 'a=failed', 'exit status 1;\nno room')
    records = ''.join(f'{{"step": {n}, "seconds": {2 * n}, "frechet": {9 - n}}}\n' for n in (1, 2))
    (tmp_path / 'a=dead' / 'metrics.jsonl').write_text(
        records + '{"step": 3, "seconds": "4"}\n{"step": 7, "sec'
    )
    claim = claims.take(tmp_path, 'a=measured')
    found = {each.name: each for each in standing.standings(tmp_path)}
    os.close(claim)
    assert [each.state for each in found.values()] == [
        *('died', 'failed', 'waiting', 'done', 'measuring'),
    ]
    assert found['a=failed'].note == 'exit status 1; no room'
    assert found['a=dead'].course == standing.Course(5, 20, 4, (36.0, ''), ('frechet', 7))


def test_the_time_left_of_a_sweep_is_that_of_the_steps_that_are_left():
    """However long its runs compile: that is over, or no run of it tells how long it takes."""
    compiles = standing.Course(0, 200, 0.0, None, None)
    first = standing.Course(50, 200, 10.0, (5.0, 'autoencoder'), None)
    half = standing.Course(100, 200, 200.0, (200.0, ''), None)
    assert monitor.seconds_left([compiles], 3) is None
    assert monitor.seconds_left([first], 3) is None
    assert monitor.seconds_left([half], 1) == 200.0
    assert monitor.seconds_left([half], 3) == 200.0 + 2 * 400.0
    assert monitor.seconds_left([half, compiles], 3) == (200.0 + 2 * 400.0) / 2


def test_the_time_left_counts_all_of_a_run_once_one_has_finished():
    assert monitor.seconds_left_after([], [10.0], 3) is None
    # Four runs of 20 seconds are left, of which two have run for 5 seconds and for 30.
    assert monitor.seconds_left_after([15.0, 25.0], [5.0, 30.0], 4) == (4 * 20 - 5 - 20) / 2
