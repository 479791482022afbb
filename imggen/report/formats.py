"""How values, durations and Markdown tables are written."""

import html
import json
import math
from collections.abc import Sequence
from typing import Any


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite int or float; True and False are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -1e300 < value < 1e300


def number(value: Any) -> str:
    """Writes a number with four digits and a whole number in full; other values as they are."""
    if value is None:
        return '—'
    if not is_number(value):
        return literal(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e6):
        return f'{int(value):,}' if abs(value) >= 10_000 else str(int(value))
    if abs(value) >= 10_000:
        return f'{value:,.0f}' if abs(value) < 1e7 else f'{value:.3g}'
    if 1e-6 <= abs(value) < 1e-3:
        return f'{value:.{2 - math.floor(math.log10(abs(value)))}f}'.rstrip('0')
    return f'{value:.4g}' if abs(value) >= 1e-3 else f'{value:.3g}'


def literal(value: Any) -> str:
    """Writes a value of a config as a user would type it."""
    return value if isinstance(value, str) else json.dumps(value)


def with_spread(value: float, spread: float | None) -> str:
    """Writes `value ± spread`, both to the second digit of the spread; alone, to four digits."""
    if not is_number(value):
        return number(value)
    if not is_number(spread) or spread <= 0:
        return f'{value:#.4g}' if 1e-4 <= abs(value) < 1000 else number(value)
    decimals = max(0, 1 - math.floor(math.log10(spread)))
    if decimals > 6:
        return f'{value:.3g} ± {spread:.1g}'
    return f'{value:,.{decimals}f} ± {spread:,.{decimals}f}'


def duration(seconds: Any) -> str:
    """Writes seconds as people say them: 42 s, 3 min 32 s, 5 h 10 min."""
    if not is_number(seconds):
        return '—'
    if seconds < 60:
        return f'{seconds:.3g} s'
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f'{minutes} min {rest} s'
    hours, minutes = divmod(minutes, 60)
    return f'{hours:,} h {minutes} min'


def time_left(left: tuple[float, str]) -> str:
    """Writes what `progress.time_left` returns: 3 min 32 s left, or 42 s left of autoencoder."""
    seconds, phase = left
    return f'{duration(seconds)} left' + (f' of {phase}' if phase else '')


def markdown_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True
) -> str:
    """Writes a Markdown table that ends with a newline; cells are escaped.

    The first column is aligned to the left, and the others, if they hold `numbers`, to the right.
    """
    rule = ['---', *['---:' if numbers else '---'] * (len(headers) - 1)]
    lines = [map(markdown_text, headers), rule, *(map(markdown_text, row) for row in rows)]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def markdown_text(text: str) -> str:
    """Escapes text for Markdown: HTML, backslashes and the bars that separate cells."""
    text = html.escape(' '.join(text.split()), quote=False)
    return text.replace('\\', '\\\\').replace('|', '\\|')
