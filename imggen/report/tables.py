"""Tables that sort by a click on a header: every cell holds the value that it sorts by."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from imggen.report.formats import is_number, literal, number

_LONGEST_LINE = 40  # Characters. Longer text wraps, or the numbers beside it leave the page.


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
      text: what is shown.
      sort: what the column is sorted by; '' stays last.
      kind: 'number', 'blank', 'long' or ''.
      run: index of the run that the cell links to.
      status: (kind, sentence) of a run, shown as a chip.
    """

    text: str
    sort: str = ''
    kind: str = ''
    run: int | None = None
    status: tuple[str, str] | None = None


class Table(NamedTuple):
    """A sortable table.

    Attributes:
      headers: (name, whether the column holds numbers) of each column.
      rows: (cells, text that the page's filter searches; None if the row is not filtered).
      footer: cells of a row that stays below when the table is sorted.
    """

    caption: str
    headers: list[tuple[str, bool]]
    rows: list[tuple[list[Cell], str | None]]
    footer: list[Cell]


def cell(value: Any, *, text: str | None = None) -> Cell:
    """Makes a cell that sorts by `value` and shows `text`, or the value itself."""
    shown = number(value) if text is None else text
    if is_number(value):
        return Cell(shown, repr(value), 'number')
    if value is None:
        return Cell(shown, kind='blank')
    return Cell(shown, number(value), 'long' if len(shown) > _LONGEST_LINE else '')


def setting(value: Any) -> Cell:
    """Makes a cell of a config's value."""
    return cell(value, text=None if value is None else literal(value))


def table(
    headers: Sequence[str],
    rows: Sequence[tuple[list[Cell], str | None]],
    *,
    caption: str,
    footer: Sequence[Cell] = (),
) -> Table:
    """Makes a table; a column holds numbers if any of its cells does."""
    numeric = [any(cells[at].kind == 'number' for cells, _ in rows) for at in range(len(headers))]
    return Table(caption, list(zip(headers, numeric, strict=True)), list(rows), list(footer))
