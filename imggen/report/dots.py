"""A dot plot of one measure: groups in order, their seeds, their spread, the floor."""

from collections.abc import Sequence

from imggen.report import axes
from imggen.report.groups import Group, Summary
from imggen.report.markup import Markup, element, with_spread

_ROW, _TOP, _BOTTOM = 24, 10, 26
_WIDTH, _RIGHT = 400, 130
_LETTER = 6.6  # Width of a letter; labels take the room that they need.
_LABEL_LETTERS = 34
MAX_ROWS = 24


def plot(
    groups: Sequence[Group],
    ranked: Sequence[tuple[int, Summary]],
    floor: float | None,
    colors: dict[int, int],
    *,
    title: str,
) -> Markup:
    """Draws at most MAX_ROWS groups, the first of `ranked` on top.

    A large dot is a group's mean, the bar one standard deviation to either side,
    small dots are its runs, the dashed line is the real-versus-real floor.
    """
    shown = ranked[:MAX_ROWS]
    reach = [value for _, summary in shown for value in _extent(summary)]
    log = axes.fit(reach).log and (floor is None or floor > 0)
    axis = axes.fit(reach + ([floor] if floor is not None else []), log=log, trim=False)
    height = _ROW * len(shown)
    left = 24 + _LETTER * max(len(shorten(groups[index].label)) for index, _ in shown)
    parts = []
    for tick in axis.ticks(count=5):
        x = _x(axis, tick)
        parts.append(element('line', x1=x, x2=x, y1=_TOP, y2=_TOP + height, class_='rule'))
        label = axes.tick_label(tick)
        parts.append(element('text', label, x=x, y=_TOP + height + 17, text_anchor='middle'))
    if floor is not None:
        x = _x(axis, floor)
        parts.append(element('line', x1=x, x2=x, y1=_TOP, y2=_TOP + height, class_='floor'))
    for row, (index, summary) in enumerate(shown):
        parts.append(_row(groups[index], summary, axis, _TOP + _ROW * (row + 0.5), index, colors))
    return element(
        'svg',
        parts,
        # The axis begins at 0, so labels lie at negative x.
        viewBox=f'{-left:.0f} 0 {left + _WIDTH + _RIGHT:.0f} {_TOP + height + _BOTTOM}',
        role='img',
        aria_label=f'{title} of {len(shown)} groups, best first',
        class_='dots',
    )


def shorten(label: str) -> str:
    """Fits a label into its column: without the names of its settings, then cut."""
    if len(label) > _LABEL_LETTERS:
        parts = label.split(', ')
        label = ', '.join(part.partition('=')[2] or part for part in parts)
    return label if len(label) <= _LABEL_LETTERS else label[: _LABEL_LETTERS - 1] + '…'


def _row(group: Group, summary: Summary, axis: axes.Axis, y: float, index: int, colors) -> Markup:
    label = shorten(group.label)
    parts = [
        element('title', f'{group.label}: {with_spread(summary.mean, summary.spread)}'),
        element('text', label, x=-12, y=y, dy='0.33em', text_anchor='end', class_='label'),
    ]
    if summary.spread:
        low, high = (_x(axis, value) for value in _extent(summary)[:2])
        parts.append(element('line', x1=low, x2=high, y1=y, y2=y, class_='bar'))
    if len(summary.values) > 1:
        parts += [element('circle', cx=_x(axis, v), cy=y, r=2.2) for v in summary.values]
    parts.append(element('circle', cx=_x(axis, summary.mean), cy=y, r=4.5, class_='mean'))
    parts.append(
        element(
            'text',
            with_spread(summary.mean, summary.spread),
            x=_WIDTH + 12,
            y=y,
            dy='0.33em',
            class_='label',
        )
    )
    color = f'c{colors[index]}' if index in colors else 'other'
    return element('g', parts, class_=color, data_find=group.about)


def _extent(summary: Summary) -> list[float]:
    spread = summary.spread or 0.0
    return [summary.mean - spread, summary.mean + spread, *summary.values]


def _x(axis: axes.Axis, value: float) -> str:
    return f'{axis.place(value) * _WIDTH:.1f}'
