"""The logs of a sweep, `logs/NAME.txt`: the output of the commands of one run."""

import os
import pathlib
import re

_TAIL_BYTES = 65_536


def log_path(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Returns the file that holds the output of a run's commands."""
    return folder / 'logs' / f'{name}.txt'


def explain(folder: pathlib.Path, name: str, reason: str) -> str:
    """Adds to a reason the last line of the run's output that looks like an error."""
    log = log_path(folder, name)
    found = _last_error(log)
    return f'{reason}; {found} (see {log})' if found else f'{reason} (see {log})'


def tail(path: pathlib.Path) -> bytes:
    """Returns the last 64 KiB of a file; b'' if it cannot be read."""
    try:
        with path.open('rb') as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            return file.read()
    except OSError:
        return b''


def _last_error(log: pathlib.Path) -> str:
    """Returns the line that says what went wrong in the last command of a log.

    JAX may add remarks after a traceback, so the last line that looks like an error is preferred
    to the last line.
    """
    text = tail(log).decode('utf-8', 'replace')
    lines = [line.strip() for line in re.split(r'^\$ ', text, flags=re.M)[-1].splitlines()[1:]]
    lines = [line for line in lines if line]
    errors = [line for line in lines if re.match(r'error: |[\w.]*(Error|Exception|Exit)\b', line)]
    return (errors or lines or [''])[-1][:500]
