"""Curves of scalars over training steps, as inline SVG that takes the page's colors.

Dense curves are smoothed with a centerd window, which does not lag; the values as
they were lie faintly underneath. The band is one standard deviation over seeds to
either side.
"""

import math
from collections.abc import Sequence

import numpy as np

from imggen.report import averages, axes
from imggen.report.averages import Curve
from imggen.report.groups import MEASURES, Group
from imggen.report.markup import Markup, element, number
from imggen.workdir import reader as runs_lib

COLOURS = 8  # Groups that get a color; the others are gray.
_WIDTH, _HEIGHT = 300, 150  # Of the area that shows curves, in SVG units.
_LEFT, _TOP, _BOTTOM, _RIGHT = 46, 8, 24, 10
_SMOOTH_FROM = 48  # Points from which a curve is smoothed.
_BANDS_TO = 4  # Groups up to which all bands show; more would hide each other.
_DOTS_TO = 30  # Points up to which each is marked.


def section(
    runs: Sequence[runs_lib.Run],
    grouped: Sequence[Group],
    order: Sequence[int],
    colors: dict[int, int],
) -> list[Markup]:
    """Draws every recorded scalar, by kind, under one legend.

    Args:
      runs: all runs.
      grouped: their groups.
      order: of the groups in the legend.
      colors: group -> 0 .. COLOURS - 1; other groups are gray.
    """
    kinds = averages.names(runs)
    if not kinds:
        return [element('p', 'No run has recorded scalars.')]
    recorded = [record['step'] for run in runs for record in run.records]
    first, last = min(recorded), max(recorded)
    # One axis for all plots, so that what happens at one step stands in one line.
    x_axis = axes.Axis(0.0 if first < 0.2 * last else float(first), float(max(last, first + 1)))
    phases = _phases(runs[0]) if len(grouped) == 1 else []
    drawn = []
    for kind, names in kinds.items():
        figures = [
            plot(
                name, *averages.curves(runs, grouped, name), x_axis, grouped, colors, phases=phases
            )
            for name in names
        ]
        width = min(3, len(figures))  # Columns; small kinds share a row.
        drawn.append(element('div', element('h3', kind), figures, class_=f'kind span-{width}'))
    words = ['Over training steps; dense curves are smoothed']
    many = len(grouped) > _BANDS_TO
    if any(len(one.members) > 1 for one in grouped):
        words.append('line and band: mean and one standard deviation over seeds')
        if many:
            words.append('a band shows for what is picked in the legend')
    if any(len(one.members) == 1 for one in grouped):
        words.append('single runs show their values faintly behind')
    if phases:
        names = ', '.join(f'{name} from step {number(step)}' for step, name in phases)
        words.append(f'dashed: {names}')
    return [
        _legend(grouped, order, colors) if len(grouped) > 1 else None,
        element('div', drawn, class_='curves many' if many else 'curves'),
        element('p', '; '.join(words) + '.', class_='note'),
    ]


def _legend(grouped: Sequence[Group], order, colors) -> Markup:
    shown = [index for index in order if index in colors]
    buttons = [
        element(
            'button',
            element('i', class_=f'c{colors[index]}'),
            grouped[index].label,
            type='button',
            aria_pressed='false',
            data_group=index,
            data_find=grouped[index].about,
        )
        for index in shown
    ]
    if len(grouped) > len(shown):
        rest = f'{len(grouped) - len(shown)} others'
        buttons.append(element('span', element('i', class_='other'), rest))
    return element('div', buttons, class_='legend')


def _phases(run: runs_lib.Run) -> list[tuple[int, str]]:
    """Returns (first recorded step, name) of each phase after the first."""
    starts: dict[str, int] = {}
    for record in run.records:
        if isinstance(record.get('phase'), str):
            starts.setdefault(record['phase'], record['step'])
    return [(step, name) for name, step in starts.items()][1:]


def plot(
    name: str,
    made: Sequence[Curve],
    lost: int,
    x_axis: axes.Axis,
    grouped: Sequence[Group],
    colors: dict[int, int],
    *,
    phases: Sequence[tuple[int, str]] = (),
) -> Markup:
    """Draws one figure.

    Args:
      name: of the scalar.
      made: the curves, from `curves`.
      lost: how many values were not finite.
      x_axis: the axis of steps.
      grouped: all groups.
      colors: group -> 0 .. COLOURS - 1; other groups are gray.
      phases: (first step, name) of each phase after the first.
    """
    dense = name.rpartition('/')[2] not in MEASURES
    shown = [_shown(curve, dense) for curve in made]
    values = [value for mean, _ in shown for value in mean.tolist()]
    y_axis = _y_axis(made, shown, with_bands=len(grouped) <= _BANDS_TO)
    # Gray curves first, colored ones over them.
    ordered = sorted(made, key=lambda curve: colors.get(curve.group, -1))
    lines = [_line(curve, x_axis, y_axis, grouped, colors, dense) for curve in ordered]
    notes = ['log scale'] if y_axis.log else []
    if lost:
        notes.append(f'{lost:,} values not finite')
    outside = sum(not -1e-6 <= y_axis.place(value) <= 1 + 1e-6 for value in values)
    if outside:
        notes.append(f'{outside} points outside')
    marks = [
        element(
            'line', x1=_px(x_axis, step), x2=_px(x_axis, step), y1=0, y2=_HEIGHT, class_='phase'
        )
        for step, _ in phases
    ]
    area = element(
        'svg',
        marks,
        lines,
        x=_LEFT,
        y=_TOP,
        width=_WIDTH,
        height=_HEIGHT,
        viewBox=f'0 0 {_WIDTH} {_HEIGHT}',
        class_='area',
    )
    summary = f'{name} over training steps'
    if values:
        summary += f', from {axes.tick_label(min(values))} to {axes.tick_label(max(values))}'
    drawing = element(
        'svg',
        _frame(x_axis, y_axis),
        area,
        viewBox=f'0 0 {_LEFT + _WIDTH + _RIGHT} {_TOP + _HEIGHT + _BOTTOM}',
        role='img',
        aria_label=summary,
        class_='plot',
        data_x=f'{x_axis.low!r} {x_axis.high!r}',
        data_y=f'{y_axis.low!r} {y_axis.high!r} {int(y_axis.log)}',
        data_area=f'{_LEFT} {_TOP} {_WIDTH} {_HEIGHT}',
    )
    heading = element(
        'figcaption', element('code', name), element('span', ' · '.join(notes), class_='note')
    )
    return element('figure', heading, drawing, class_='curve')


def _shown(curve: Curve, dense: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns mean and spread as drawn: smoothed if there are many points."""
    if not dense or len(curve.mean) < _SMOOTH_FROM:
        return curve.mean, curve.spread
    spread = None if curve.spread is None else averages.smooth(curve.spread)
    return averages.smooth(curve.mean), spread


def _y_axis(made, shown, *, with_bands: bool) -> axes.Axis:
    """Chooses the range for what is drawn: curves, raw values, bands if they show."""
    recorded = [value for curve in made for value in curve.mean.tolist()]
    log = axes.fit(recorded).log
    reach = [value for mean, _ in shown for value in mean.tolist()]
    # A band that comes near 0 does not stretch a logarithmic axis without end.
    lowest = min(recorded, default=0.0) / 3 if log else -math.inf
    for curve, (mean, spread) in zip(made, shown, strict=True):
        if spread is None:
            reach += curve.mean.tolist()
        elif with_bands:
            reach += [value for value in [*(mean - spread), *(mean + spread)] if value > lowest]
    return axes.fit(reach, log=log)


def _px(axis: axes.Axis, step: float) -> str:
    return f'{axis.place(step) * _WIDTH:.1f}'


def _frame(x_axis: axes.Axis, y_axis: axes.Axis) -> list[Markup]:
    """Draws rules and labels of both axes."""
    parts = []
    for tick in y_axis.ticks(count=4):
        y = f'{_TOP + (1 - y_axis.place(tick)) * _HEIGHT:.1f}'
        parts.append(element('line', x1=_LEFT, x2=_LEFT + _WIDTH, y1=y, y2=y, class_='rule'))
        label = axes.tick_label(tick)
        parts.append(element('text', label, x=_LEFT - 6, y=y, dy='0.33em', text_anchor='end'))
    for tick in x_axis.ticks(count=4):
        x = f'{_LEFT + x_axis.place(tick) * _WIDTH:.1f}'
        label = axes.tick_label(tick)
        parts.append(element('text', label, x=x, y=_TOP + _HEIGHT + 16, text_anchor='middle'))
    return parts


def _line(curve, x_axis, y_axis, grouped, colors, dense) -> Markup:
    """Draws one curve: its band, its values faintly if it is smoothed, itself."""
    color = f'c{colors[curve.group]}' if curve.group in colors else 'other'
    mean, spread = _shown(curve, dense)
    parts = []
    if spread is not None:
        low = mean - spread
        if y_axis.log:
            low = np.maximum(low, y_axis.low)
        around = _points(curve.steps, mean + spread, x_axis, y_axis) + list(
            reversed(_points(curve.steps, low, x_axis, y_axis))
        )
        parts.append(element('polygon', points=' '.join(around), class_='band'))
    elif mean is not curve.mean:
        raw = _points(curve.steps, curve.mean, x_axis, y_axis)
        parts.append(element('polyline', points=' '.join(raw), class_='raw'))
    points = _points(curve.steps, mean, x_axis, y_axis)
    parts.append(element('polyline', points=' '.join(points), class_='line'))
    if len(points) <= _DOTS_TO:
        for point in points:
            x, y = point.split(',')
            parts.append(element('circle', cx=x, cy=y, r=2))
    one = grouped[curve.group]
    return element(
        'g',
        parts,
        class_=color,
        data_group=curve.group,
        data_label=one.label,
        data_find=one.about,
    )


def _points(steps, values, x_axis, y_axis) -> list[str]:
    return [
        f'{x_axis.place(step) * _WIDTH:.1f},{(1 - y_axis.place(value)) * _HEIGHT:.2f}'
        for step, value in zip(steps.tolist(), values.tolist(), strict=True)
    ]
