"""One training at a time in a workdir, which is a folder."""

import os
import signal
import subprocess
import sys

import pytest

from imggen.errors import UserError
from imggen.workdir import lock

_HOLD = (
    'import pathlib, sys, time\n'
    'from imggen.workdir import lock\n'
    'with lock.held(pathlib.Path(sys.argv[1]), say=print):\n'
    '    print("held", flush=True)\n'
    '    time.sleep(60)\n'
)


def test_a_second_training_is_refused_until_the_first_is_killed(tmp_path):
    workdir = tmp_path / 'new/run'
    command = [sys.executable, '-c', _HOLD, str(workdir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'held\n'
        with pytest.raises(UserError, match='run is in use by another training: wait until'):
            lock.held(workdir, say=print).__enter__()
        process.send_signal(signal.SIGKILL)
    with lock.held(workdir, say=print):
        pass
    with lock.held(workdir, say=print):  # It was given back.
        pass


def test_only_the_process_that_holds_the_lock_is_stopped(tmp_path):
    """Not one that a stale file names, nor one that has the file open without the lock."""
    assert lock.holder(tmp_path) is None
    (tmp_path / '.lock').write_text(str(os.getpid()))
    with (tmp_path / '.lock').open():
        assert lock.holder(tmp_path) is None
        with pytest.raises(UserError, match='no process of this machine trains in'):
            lock.stop(tmp_path)
    for damage in ('', '-1', '0', 'x', '9' * 30, '../../1'):
        (tmp_path / '.lock').write_text(damage)
        assert lock.holder(tmp_path) is None
    command = [sys.executable, '-c', _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'held\n'
        assert lock.holder(tmp_path) == process.pid
        lock.stop(tmp_path)
        assert process.wait() == -signal.SIGTERM
    assert lock.holder(tmp_path) is None


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(95, 'Operation not supported')

    monkeypatch.setattr(lock.fcntl, 'flock', refuse)
    said = []
    with lock.held(tmp_path, say=said.append):
        assert said == [
            f'{tmp_path} cannot be locked (Operation not supported): run one training in it at a '
            'time.'
        ]


@pytest.mark.parametrize('name', ['x' * 300, 'file/run'])
def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, name):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match=r'cannot be written to \(.*\): take another folder'):
        lock.held(tmp_path / name, say=print).__enter__()
