"""Files that were passed over: all of them in skipped.txt, the first of them on the terminal."""

import pathlib
from collections.abc import Sequence

from imggen import files

NAME = 'skipped.txt'
_MAX_LISTED = 20


def write(folder: pathlib.Path, reasons: Sequence[str]) -> None:
    """Writes one line for each skipped file to skipped.txt in a folder of the caller.

    Without any, an older skipped.txt is removed.
    """
    if reasons:
        files.write_text(folder / NAME, ''.join(f'{printable(reason)}\n' for reason in reasons))
    else:
        (folder / NAME).unlink(missing_ok=True)


def lines(reasons: Sequence[str], *, folder: pathlib.Path | None = None) -> list[str]:
    """Returns what a terminal shows of them: the first, and how many more there are.

    `folder` is where `write` has written all of them, if it has.
    """
    shown = [f'skipped: {printable(reason)}' for reason in reasons[:_MAX_LISTED]]
    more = len(reasons) - len(shown)
    where = '' if folder is None else f', all in {printable(str(folder / NAME))}'
    return [*shown, f'skipped: {more:,} more{where}'] if more else shown


def printable(text: str) -> str:
    r"""Escapes what a terminal would obey or cannot show: a file may be named 'a\n' or b'\xff'."""
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode('ascii') for c in text
    )
