"""The table: one row for each fault, printed as it is measured."""

import pathlib
import sys
from typing import NamedTuple

_HEADER = '| fault | injected | survived | lost |\n| --- | ---: | ---: | ---: |'


class Row(NamedTuple):
    """What became of one kind of fault.

    Attributes:
      fault: what was done, to what.
      injected: how often.
      survived: how often the run ended as the uninterrupted one, or refused in one sentence.
      lost: a sentence for each of the others.
    """

    fault: str
    injected: int
    survived: int
    lost: tuple[str, ...] = ()


class Table:
    """Prints rows in Markdown, and appends them to a file if one is named."""

    def __init__(self, path: pathlib.Path | None):
        self._path = path
        self.lost = 0
        self._write(_HEADER)

    def add(self, row: Row) -> None:
        self.lost += len(row.lost)
        self._write(f'| {row.fault} | {row.injected} | {row.survived} | {len(row.lost)} |')
        for sentence in row.lost:
            print(f'lost: {row.fault}: {sentence}', file=sys.stderr, flush=True)

    def _write(self, line: str) -> None:
        print(line, flush=True)
        if self._path:
            with open(self._path, 'a') as file:
                file.write(line + '\n')
