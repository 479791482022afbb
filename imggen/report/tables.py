"""Tables that sort by a click on a header; every cell knows its sorting value."""

from collections.abc import Sequence
from typing import Any

from imggen.report.markup import Markup, element, is_number, literal, number

_LONGEST_LINE = 40  # Characters. Longer ones wrap, or the measures beside them leave the page.


def cell(value: Any, *, text: Any = None) -> Markup:
    """Writes one cell: numbers to the right, sorted as numbers; `text` is shown in their place."""
    shown = number(value) if text is None else text
    if is_number(value):
        return element('td', shown, class_='number', data_sort=repr(value))
    if value is None:
        return element('td', shown, class_='blank', data_sort='')
    wraps = len(str(shown)) > _LONGEST_LINE
    return element('td', shown, class_='long' if wraps else None, data_sort=number(value))


def _is_number(written: Markup) -> bool:
    return written.startswith('<td class="number"')


def setting(value: Any) -> Markup:
    """Writes one cell with a config's value."""
    return cell(value, text=None if value is None else literal(value))


def table(
    headers: Sequence[str],
    rows: Sequence[tuple[Sequence[Markup], dict[str, Any]]],
    *,
    caption: str,
    footer: Sequence[Markup] = (),
) -> Markup:
    """Writes a sortable table.

    Args:
      headers: the columns' names.
      rows: (cells, attributes of the row).
      caption: what the table shows, for those who hear it.
      footer: cells of a row that stays below, whatever the order.
    """
    heads = [
        element(
            'th',
            element('button', name, type='button'),
            scope='col',
            aria_sort='none',
            class_='number' if any(_is_number(cells[column]) for cells, _ in rows) else None,
        )
        for column, name in enumerate(headers)
    ]
    return element(
        'div',
        element(
            'table',
            element('caption', caption),
            element('thead', element('tr', heads)),
            element('tbody', [element('tr', list(cells), **extra) for cells, extra in rows]),
            element('tfoot', element('tr', list(footer))) if footer else None,
            class_='sortable',
        ),
        class_='scroll',
        tabindex='0',
        role='region',
        aria_label=caption,
    )


def pairs(values: dict[str, Any], *, caption: str) -> Markup:
    """Writes names and values, two columns, unsorted."""
    rows = [
        element('tr', element('th', key, scope='row'), element('td', literal(value)))
        for key, value in values.items()
    ]
    return element(
        'div',
        element('table', element('caption', caption), element('tbody', rows), class_='pairs'),
        class_='scroll',
    )
