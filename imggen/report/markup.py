"""HTML that is safe by construction, and how numbers are written.

Text becomes markup in one place, `element`, which escapes it; only `Markup`
passes as it is. Names of files and values of configs are data, never tags.
"""

import html
import json
import math
import re
from typing import Any

_VOID = frozenset({'img', 'input', 'meta', 'link', 'br'})


class Markup(str):
    """Text that is HTML already."""


def escape(value: Any) -> Markup:
    """Escapes text for an element or a quoted attribute; lone surrogates become '?'."""
    if isinstance(value, Markup):
        return value
    text = str(value).replace('\0', '\N{REPLACEMENT CHARACTER}')
    return Markup(html.escape(text.encode('utf-8', 'replace').decode('utf-8')))


def join(*children: Any) -> Markup:
    """Escapes and concatenates; lists are walked, None is nothing."""
    parts = []
    for child in children:
        if isinstance(child, list | tuple):
            parts.append(join(*child))
        elif child is not None:
            parts.append(escape(child))
    return Markup(''.join(parts))


def element(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """Writes one element.

    Attributes: `class_` stands for class, `data_sort` for data-sort; True writes
    the bare name, None and False leave the attribute out.
    """
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip('_').replace('_', '-')
        written.append(f' {key}' if value is True else f' {key}="{escape(value)}"')
    opening = f'<{name}{"".join(written)}>'
    return Markup(opening if name in _VOID else f'{opening}{join(*children)}</{name}>')


def breakable(text: str) -> Markup:
    """Lets a long name break after its commas, slashes and underscores."""
    return join([[part, Markup('<wbr>')] for part in re.split(r'(?<=[,/_])', text)])


def json_script(identifier: str, value: Any) -> Markup:
    """Embeds data for the page's script; no text in it can end the element."""
    text = json.dumps(value, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    return element('script', Markup(text), type='application/json', id=identifier)


def is_number(value: Any) -> bool:
    """Tells a finite number from everything else; True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -1e300 < value < 1e300


def number(value: Any) -> str:
    """Writes a number with four digits, whole numbers in full, other values as they are."""
    if value is None:
        return '—'
    if not is_number(value):
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e6):
        return f'{int(value):,}' if abs(value) >= 10_000 else str(int(value))
    if abs(value) >= 10_000:
        return f'{value:,.0f}' if abs(value) < 1e7 else f'{value:.3g}'
    if 1e-6 <= abs(value) < 1e-3:
        return f'{value:.{2 - math.floor(math.log10(abs(value)))}f}'.rstrip('0')
    return f'{value:.4g}' if abs(value) >= 1e-3 else f'{value:.3g}'


def literal(value: Any) -> str:
    """Writes a config's value as one would type it."""
    return value if isinstance(value, str) else json.dumps(value)


def with_spread(value: float, spread: float | None) -> str:
    """Writes `value ± spread`, both to the second digit of the spread; four digits without."""
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
