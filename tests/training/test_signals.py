"""SIGTERM and Ctrl-C while the main thread hears nothing."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from imggen.training import signals

# A long call outside Python, as a compilation is: Python's handlers wait for its end.
_BUSY = """
import hashlib, sys, time
from imggen.training import signals
leave = lambda signum: print('left', signum, flush=True)
with signals.caught(seconds=float(sys.argv[1]), leave=leave) as found:
    print('ready', flush=True)
    if sys.argv[2] == 'saving':
        found.saving = True
        time.sleep(1.0)
    else:
        hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)
print('came', found.came, flush=True)
"""


def start(*arguments):
    command = [sys.executable, '-c', _BUSY, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'ready\n'
    return process


@pytest.mark.parametrize('signum', [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_does_not_come_to_save_leaves_in_time(signum):
    process = start(0.3, 'busy')
    sent = time.monotonic()
    process.send_signal(signum)
    out, said = process.communicate()
    assert process.returncode == 128 + signum and time.monotonic() - sent < 10.0
    assert said == f'{signum.name}: saving, then stopping\n' and out == f'left {int(signum)}\n'


def test_a_process_that_saves_is_waited_for():
    process = start(0.1, 'saving')
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate()
    assert (process.returncode, out) == (0, f'came [{int(signal.SIGTERM)}]\n')


def test_a_second_ctrl_c_leaves_at_once():
    process = start(30, 'busy')
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline() == 'SIGTERM: saving, then stopping\n'
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    process.communicate()


def test_handlers_are_as_before_afterwards():
    before = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)]
    threads = threading.active_count()
    with signals.caught() as found:
        signal.raise_signal(signal.SIGTERM)
        assert found.came == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert before == [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)]
    assert threading.active_count() == threads


def test_another_thread_than_the_main_one_catches_nothing():
    found = []

    def enter():
        with signals.caught() as caught:
            found.append(caught.came)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [[]]
