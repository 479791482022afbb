"""Runs a program of the machine, such as a package client."""

import pathlib
import subprocess

_TIMEOUT_SECONDS = 600


def run(command: list[str], folder: pathlib.Path, *, reason: slice = slice(-1, None)) -> None:
    """Runs a command in a folder.

    Args:
      command: the program and its arguments.
      folder: where it runs.
      reason: which lines of its standard error say why it failed.

    Raises:
      OSError: the program does not exist, fails or takes too long.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            check=False,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            text=True,
            errors='replace',
        )
    except FileNotFoundError as error:
        raise OSError(f'{command[0]} is not on this machine') from error
    except subprocess.TimeoutExpired as error:
        raise OSError(f'{command[0]} took more than {_TIMEOUT_SECONDS} seconds') from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f'exit status {done.returncode}']
        raise OSError(f'{command[0]}: {"; ".join(lines[reason])}')
