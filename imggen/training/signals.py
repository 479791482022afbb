"""SIGTERM and Ctrl-C: the first asks the run to save and stop, a second Ctrl-C ends it."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

_CAUGHT = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """What came.

    Attributes:
      came: numbers of the signals, in order.
      saving: whether the state is being saved, or is saved, so that no deadline holds any more.
    """

    def __init__(self):
        self.came: list[int] = []
        self.saving = False


@contextlib.contextmanager
def caught(
    *, seconds: float | None = None, leave: Callable[[int], None] = lambda signum: None
) -> Iterator[Signals]:
    """Catches both signals, in the main thread; elsewhere they stay as they are.

    Python runs a handler between two of its instructions, so not while XLA compiles or a device is
    waited for. A thread therefore reads the signals as they come.

    Args:
      seconds: how long the process may go on after the first signal without saving. After that it
        ends with the status 143 or 130. A second Ctrl-C then ends it at once. None, for processes
        with more to lose than this run: it may take as long as it takes.
      leave: called with the signal before the process ends like that.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def handle(signum, frame):
        if signals.came and signum == signal.SIGINT:
            raise KeyboardInterrupt
        signals.came.append(signum)

    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = {signum: signal.signal(signum, handle) for signum in _CAUGHT}
    waked = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(reading, signals, seconds, leave), daemon=True)
    watch.start()
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(waked)
        for signum, handler in before.items():
            signal.signal(signum, handler)
        writing.close()  # The thread reads the end and returns.
        watch.join()
        reading.close()


def _watch(reading: socket.socket, signals: Signals, seconds, leave) -> None:
    """Says what comes, and ends the process if nothing else does."""
    first, end = None, None
    while True:
        reading.settimeout(None if end is None else max(0.0, end - time.monotonic()))
        try:
            read = reading.recv(1)
        except TimeoutError:
            if signals.saving:
                end = None
                continue
            break
        if not read:
            return
        signum = read[0]
        if signum not in _CAUGHT:
            continue
        if first is None:
            first, end = signum, None if seconds is None else time.monotonic() + seconds
            name = signal.Signals(signum).name
            print(f'{name}: saving, then stopping', file=sys.stderr, flush=True)
        elif signum == signal.SIGINT and seconds is not None:
            first = signum
            break
    leave(first)
    sys.stderr.flush()
    os._exit(128 + first)
