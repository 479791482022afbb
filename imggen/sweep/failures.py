"""The failures of a sweep: failed.json, which says why runs failed, by name.

It holds the failures of the last command, or of all processes that share the runs. The report, the
table and the status read it, and tell a run that failed from one that is to come.
"""

import json
import pathlib

from imggen import files
from imggen.sweep import claims
from imggen.workdir import reader


def clear(folder: pathlib.Path) -> None:
    """Forgets the failures of an earlier command."""
    _write(folder, {})


def note(folder: pathlib.Path, name: str, reason: str) -> None:
    """Adds why a run failed."""
    with claims.mutex(folder):
        _write(folder, reader.failures(folder) | {name: reason})


def _write(folder: pathlib.Path, failed: dict[str, str]) -> None:
    files.write_text(folder / 'failed.json', json.dumps(failed, indent=2) + '\n')
