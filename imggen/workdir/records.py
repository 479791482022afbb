"""Files of lines, each a JSON object with a `step`, and the columns of metrics.jsonl.

A run of days has a million lines. They are read a block at a time and kept as columns of float64,
which take a tenth of the room of their dicts.
"""

import json
import math
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from imggen.errors import UserError

_BLOCK_BYTES = 1 << 18  # A line that is longer is damaged.
_PLOT_BYTES = 10 << 20  # What is read of a longer file for plots: about 50,000 lines.
_LARGEST = 1e100  # Squares of larger values are not finite, so neither are the values.
_LARGEST_STEP = 2**53  # float64 holds all whole numbers up to here.
_DAMAGED = (ValueError, RecursionError)  # What `json.loads` raises for bytes that are no JSON.
_PLAIN = (int, float, str, bool, type(None))
_MARKS = bytes(byte in b':NI' for byte in range(256))


class Scalar(NamedTuple):
    """One recorded scalar: float64 [n] each, in the order of the file.

    A value is NaN if it is not finite.
    """

    steps: np.ndarray
    values: np.ndarray


class Records(NamedTuple):
    """The lines of metrics.jsonl as columns.

    Attributes:
      scalars: the numbers that were recorded, by name; without `step`.
      last: (value, step) of the last record of each name, numbers or not; without `step`.
      phases: (first step, name) of each phase, in order.
      steps: (first, last) step; None if there are no records.
      every: of lines that look alike, one in so many was read.
    """

    scalars: dict[str, Scalar]
    last: dict[str, tuple[Any, int]]
    phases: list[tuple[int, str]]
    steps: tuple[int, int] | None
    every: int = 1


NO_RECORDS = Records({}, {}, [], None)


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Reads one JSON object with a `step` from each line; [] if there is no such file.

    A line that is damaged is skipped, and named in a warning. An incomplete last line, which a
    killed process leaves, is no damage.

    Raises:
      UserError: the file cannot be read.
    """
    return [record for block in _blocks(path) for record in block]


def read_records(path: pathlib.Path, *, thin: bool = False) -> Records:
    """Reads metrics.jsonl as columns; damage as in `read_lines`.

    Args:
      path: the file.
      thin: whether to read only a part of a long file's lines, as a plot of some hundred points
        needs. Rare kinds of lines, with other names or with NaN or infinity, are all read.

    Raises:
      UserError: the file cannot be read.
    """
    size = path.stat().st_size if thin and path.is_file() else 0
    every = max(1, -(-size // _PLOT_BYTES))
    return collect(_blocks(path, every=every))._replace(every=every)


def collect(blocks: Iterable[Sequence[dict[str, Any]]]) -> Records:
    """Turns blocks of lines, each a dict with a `step`, into columns."""
    parts: dict[str, list[Scalar]] = {}
    last: dict[str, tuple[Any, int]] = {}
    phases: dict[str, int] = {}
    first_step, last_step = math.inf, -1
    for block in blocks:
        for columns in _columns(block):
            given = columns.pop('step')
            steps, end = np.array(given, np.float64), given[-1]
            first_step, last_step = min(first_step, *given[:1]), max(last_step, end)
            for name, column in columns.items():
                if (scalar := _scalar(steps, column)) is not None:
                    parts.setdefault(name, []).append(scalar)
                if end >= last.get(name, (None, -1))[1] and isinstance(column[-1], _PLAIN):
                    last[name] = column[-1], end
            for phase in _texts(columns.get('phase', ())):
                step = given[columns['phase'].index(phase)]
                phases[phase] = min(step, phases.get(phase, step))
    if not last:
        return NO_RECORDS
    in_order = sorted((step, name) for name, step in phases.items())
    return Records(_joined(parts), last, in_order, (int(first_step), last_step))


def _blocks(path: pathlib.Path, *, every: int = 1) -> Iterator[list[dict[str, Any]]]:
    """Yields the records of a file of lines, and names the damaged ones in one warning."""
    if not path.is_file():
        return
    damaged, count, rest = [], 0, b''
    try:
        with path.open('rb') as file:
            while block := file.read(_BLOCK_BYTES):
                text = rest + block
                cut = text.rfind(b'\n') + 1
                text, rest = text[:cut], text[cut:]
                if len(rest) > _BLOCK_BYTES:
                    rest = b'\0'  # No JSON, so that the line counts as damaged when it ends.
                lines = text.split(b'\n')[:-1] if every == 1 else _thinned(text, every)
                yield _parse(lines, count, damaged)
                count += len(lines)
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror}); check its rights.') from None
    yield _parse([rest], count, [])
    if damaged:
        more = f' and {len(damaged) - 1} more are' if len(damaged) > 1 else ' is'
        logging.warning('%s: line %d%s damaged and left out.', path, damaged[0], more)


def _thinned(text: bytes, every: int) -> list[bytes]:
    """Splits lines, each with its end; empties all but one in `every` of each frequent kind.

    Lines are of one kind if they have as many colons and letters of NaN and Infinity. A kind is
    rare if it makes less than one line in `every`, so that few lines are kept, whatever they are.
    The last line is kept.
    """
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord('\n'))
    lines = [b''] * len(ends)
    if not lines:
        return lines
    starts = np.append(0, ends[:-1] + 1)
    is_mark = np.frombuffer(text.translate(_MARKS), np.uint8)
    marks = np.add.reduceat(is_mark, starts, dtype=np.intp)
    # Multiplicative hashing, because two kinds of lines may alternate.
    chosen = (np.arange(len(ends)) * 2654435761 >> 8) % every == 0
    is_rare = np.bincount(marks) * every <= max(every, len(lines))
    chosen |= is_rare[marks]
    chosen[-1] = True
    for index in np.flatnonzero(chosen).tolist():
        lines[index] = text[starts[index] : ends[index]]
    return lines


def _parse(lines: Sequence[bytes], before: int, damaged: list[int]) -> list[dict[str, Any]]:
    """Returns the records of lines; adds the numbers of damaged lines to `damaged`."""
    try:
        # One call for all lines takes half the time of one for each. The zeros between them show
        # whether a line ends inside of a record, or holds several.
        together = [line for line in lines if line and not line.isspace()]
        values = json.loads(f'[{b",0,".join(together).decode()}]')
        records, zeros = values[::2], values[1::2]
        if len(records) == len(together) and not any(zeros) and _are_records(records):
            return records
    except _DAMAGED:
        pass
    records = []
    for number, line in enumerate(lines, before + 1):
        try:
            record = json.loads(line.decode()) if line.strip() else None
        except _DAMAGED:
            record = False
        if _is_record(record):
            records.append(record)
        elif record is not None:
            damaged.append(number)
    return records


def is_step(value: Any) -> bool:
    """Returns whether a JSON value can be a step."""
    return type(value) is int and 0 <= value < _LARGEST_STEP


def _is_record(value: Any) -> bool:
    return type(value) is dict and is_step(value.get('step'))


def _are_records(values: Sequence[Any]) -> bool:
    """Returns whether all values are records; faster than to ask each."""
    if set(map(type, values)) - {dict} or not all('step' in value for value in values):
        return False
    steps = [value['step'] for value in values]
    return not steps or (
        set(map(type, steps)) == {int} and 0 <= min(steps) <= max(steps) < _LARGEST_STEP
    )


def _columns(records: Sequence[dict[str, Any]]) -> Iterator[dict[str, tuple]]:
    """Yields the values by name of all records that have the same names."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in records:
        alike.setdefault(tuple(record), []).append(record)
    for names, some in alike.items():
        yield dict(zip(names, zip(*map(dict.values, some), strict=True), strict=True))


def _texts(column: Sequence[Any]) -> set[str]:
    if set(map(type, column)) == {str}:
        return set(column)
    return {value for value in column if isinstance(value, str)}


def _scalar(steps: np.ndarray, column: Sequence[Any]) -> Scalar | None:
    """Returns the numbers of a column; None if it holds none."""
    if set(map(type, column)) - {int, float}:
        kept = [type(value) in (int, float) for value in column]
        steps = steps[kept]
        column = [value for value, is_number in zip(column, kept, strict=True) if is_number]
    if not column:
        return None
    try:
        values = np.array(column, np.float64)
    except OverflowError:
        values = np.array([value if abs(value) < _LARGEST else math.nan for value in column])
    values[~(np.abs(values) < _LARGEST)] = np.nan
    return Scalar(steps, values)


def _joined(parts: dict[str, list[Scalar]]) -> dict[str, Scalar]:
    """Joins the parts of each scalar; scalars that were recorded together share their steps."""
    joined, shared = {}, {}
    for name in list(parts):
        pieces = parts.pop(name)
        together = tuple(id(piece.steps) for piece in pieces)
        if together not in shared:
            # The pieces are kept, since the identity of an array that is gone may be reused.
            shared[together] = np.concatenate([piece.steps for piece in pieces]), pieces[0].steps
        values = np.concatenate([piece.values for piece in pieces])
        joined[name] = Scalar(shared[together][0], values)
    return joined
