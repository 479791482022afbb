"""Figures as SVG inside the page: courses of scalars, and dot plots of a metric.

matplotlib draws them. Its colors become variables of the page's style sheet, so that the
figures follow light and dark mode. Elements of a group carry its index and names, which the
page's script reads.
"""

import io
import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from imggen.report import averages
from imggen.report.averages import Curve
from imggen.report.formats import number, with_spread
from imggen.report.groups import Group, Summary

# Each color stands for a variable of page.css.
_COLORS = ['#1f66b1', '#c4561a', '#1e8159', '#a43a80', '#8a7400', '#5d4db3', '#b32c3a', '#137e90']
_OTHER, _INK, _SOFT, _RULE = '#b4b6b8', '#1d1f22', '#62666d', '#dedfdb'
_VARIABLES = {color: f'--c{index}' for index, color in enumerate(_COLORS)}
_VARIABLES |= {_OTHER: '--other', _INK: '--ink', _SOFT: '--soft', _RULE: '--rule'}
NUM_COLORS = len(_COLORS)  # Groups that get a color; the others are gray.
BANDS_TO = 4  # Groups up to which all bands show; more would hide each other.
MAX_ROWS = 24  # Of a dot plot.

_STYLE = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'imggen',
    'text.parse_math': False,
    'text.color': _INK,
    'path.simplify': False,
    'font.family': 'sans-serif',
    'font.size': 10.5,
    'xtick.color': _SOFT,
    'ytick.color': _SOFT,
    'grid.color': _RULE,
    'grid.linewidth': 1.0,
    **{f'axes.spines.{side}': False for side in ('left', 'right', 'top', 'bottom')},
}
_AREA = (46, 8, 300, 150)  # Left, top, width and height of the area of curves, in SVG units.
_RIGHT, _BOTTOM = 18, 24  # Margins; half of the last label of the steps lies in the right one.
_ROW, _DOTS_TOP, _DOTS_BOTTOM = 24, 10, 26
_DOTS_WIDTH, _DOTS_RIGHT = 400, 130
_LETTER = 6.6  # Width of a letter, from which the room for labels is computed.
_LABEL_LETTERS = 34
_SMOOTH_FROM = 48  # Points from which a curve is smoothed.
_MARKED_TO = 30  # Points up to which each is marked.
_TINY = 1e-290  # Below this, arithmetic on values loses its digits.
_LOG_FROM = 40.0  # Largest over smallest value from which a scale turns logarithmic.


def course(
    name: str,
    made: Sequence[Curve],
    grouped: Sequence[Group],
    colors: Mapping[int, int],
    *,
    steps: tuple[float, float],
    phases: Sequence[tuple[int, str]] = (),
    breaks: Sequence[Sequence[int]] = (),
) -> tuple[Markup, list[str]]:
    """Draws one scalar over training steps.

    Dense curves are smoothed with a centered window, which does not lag; the raw values lie
    faintly underneath. The band is one standard deviation over seeds to either side.

    Args:
      name: the scalar.
      made: its curves.
      grouped: all groups.
      colors: group -> 0 .. NUM_COLORS - 1; the other groups are gray.
      steps: the range of the axis of steps.
      phases: (first step, name) of each phase after the first, drawn as dashed lines.
      breaks: for each group, the first steps of its phases after the first. No curve is smoothed
        across them.

    Returns:
      (SVG, remarks on the scale and on points that lie outside).
    """
    import matplotlib

    dense = not averages.is_metric(name)
    shown = [
        (curve, *_shown(curve, breaks[curve.group] if breaks else (), dense=dense))
        for curve in made
    ]
    low, high, log = _value_limits(shown, with_bands=len(grouped) <= BANDS_TO)
    left, top, width, height = _AREA
    with matplotlib.rc_context(_STYLE):
        axes = _new_axes(_AREA, right=_RIGHT, bottom=_BOTTOM)
        _scale(axes, 'x', (*steps, False), count=4)
        _scale(axes, 'y', (low, high, log), count=4)
        axes.grid(axis='y')
        for step, _ in phases:
            axes.axvline(step, color=_SOFT, linewidth=1, linestyle=(0, (4, 3)))
        # Gray curves come first, so that colored ones lie over them.
        for curve, mean, spread in sorted(shown, key=lambda item: colors.get(item[0].group, -1)):
            _draw_curve(axes, curve, mean, spread, colors.get(curve.group), lowest=low)
        if not shown:
            axes.set(yticks=[])
            middle = {'transform': axes.transAxes, 'ha': 'center', 'va': 'center'}
            axes.text(0.5, 0.5, 'no finite value', color=_SOFT, **middle)
        values = np.concatenate([np.empty(0), *(mean for _, mean, _ in shown)])
        label = f'{name} over training steps'
        if len(values):
            label += f', from {tick_label(values.min())} to {tick_label(values.max())}'
        attributes = Markup('class="plot" data-x="{!r} {!r}" data-y="{!r} {!r} {}"').format(
            *map(float, (*steps, low, high)), int(log)
        )
        attributes += Markup(' data-area="{} {} {} {}"').format(left, top, width, height)
        drawing = _svg(axes, grouped, label=label, attributes=attributes)
    outside = int(((values < low) | (values > high)).sum())
    remarks = ['log scale'] * log + [f'{outside} points outside'] * (outside > 0)
    return drawing, remarks


def dots(
    grouped: Sequence[Group],
    ranked: Sequence[tuple[int, Summary]],
    floor: float | None,
    colors: Mapping[int, int],
    *,
    title: str,
) -> Markup:
    """Draws one metric of at most MAX_ROWS groups, the first of `ranked` on top.

    A large dot is a group's mean, the bar is one standard deviation to either side, and small
    dots are its runs. The dashed line is the floor, which real images score against others.
    """
    import matplotlib

    ranked = ranked[:MAX_ROWS]
    values = [value for _, summary in ranked for value in _extent(summary)]
    log = limits(values)[2] and (floor is None or floor > 0)
    values += [floor] if floor is not None else []
    left = round(24 + _LETTER * max(len(shorten(grouped[index].label)) for index, _ in ranked))
    area = (left, _DOTS_TOP, _DOTS_WIDTH, _ROW * len(ranked))
    titles = {
        index: f'{grouped[index].label}: {with_spread(summary.mean, summary.spread)}'
        for index, summary in ranked
    }
    with matplotlib.rc_context(_STYLE | {'font.size': 11.5}):
        axes = _new_axes(area, right=_DOTS_RIGHT, bottom=_DOTS_BOTTOM)
        _scale(axes, 'x', limits(values, log=log, trim=False), count=5)
        axes.set(ylim=(len(ranked) - 0.5, -0.5), yticks=[])
        axes.grid(axis='x')
        if floor is not None:
            axes.axvline(floor, color=_SOFT, linewidth=1, linestyle=(0, (4, 3)))
        for row, (index, summary) in enumerate(ranked):
            _draw_row(axes, row, index, summary, grouped[index].label, colors.get(index))
        label = f'{title} of {len(ranked)} groups, best first'
        attributes = Markup('class="dots"')
        return _svg(axes, grouped, label=label, attributes=attributes, titles=titles)


def limits(
    values: Sequence[float], *, log: bool | None = None, trim: bool = True
) -> tuple[float, float, bool]:
    """Chooses the range that shows finite values, with a small margin.

    With `trim`, a few outliers (one value in a hundred at either end) lie outside if they would
    take most of the room.

    Returns:
      (low, high, whether the scale is logarithmic). Unless `log` decides it, the scale is
      logarithmic if all values are above 0 and the largest is many times the smallest.
    """
    ordered = sorted(map(float, values)) or [0.0, 1.0]
    low, high, cut = ordered[0], ordered[-1], len(ordered) // 100
    inner_low, inner_high = ordered[cut], ordered[-1 - cut]
    if log is None:
        log = low > _TINY and inner_high / inner_low > _LOG_FROM
    if log:
        return low / 1.15, high * 1.15, True
    inner = inner_high - inner_low
    if trim and 0 < 4 * inner < high - low:
        low, high = max(low, inner_low - inner / 2), min(high, inner_high + inner / 2)
    air = 0.06 * (high - low)
    if air <= 1e-12 * abs(high):
        air = max(0.1 * abs(high), 1e-12)
    return 0.0 if 0 <= low <= 0.25 * high else low - air, high + air, False


def tick_label(value: float) -> str:
    """Writes a tick in few characters: 4k, 1.5M, 0.02."""
    size = abs(value)
    for limit, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if limit <= size < limit * 1e3 and (size >= 1e4 or size % 1e3 == 0 or letter != 'k'):
            return f'{value / limit:.4g}{letter}'
    return number(float(f'{value:.6g}'))


def shorten(label: str) -> str:
    """Fits a label into its column: drops the names of its settings, then cuts it."""
    if len(label) > _LABEL_LETTERS:
        parts = label.split(', ')
        label = ', '.join(part.partition('=')[2] or part for part in parts)
    return label if len(label) <= _LABEL_LETTERS else label[: _LABEL_LETTERS - 1] + '…'


def _shown(
    curve: Curve, breaks: Sequence[int], *, dense: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns mean and spread as drawn: smoothed within each phase if there are many points."""
    if not dense or len(curve.mean) < _SMOOTH_FROM:
        return curve.mean, curve.spread

    def smoothed(values):
        parts = np.split(values, np.searchsorted(curve.steps, breaks))
        return np.concatenate([averages.smooth(part) if len(part) else part for part in parts])

    return smoothed(curve.mean), None if curve.spread is None else smoothed(curve.spread)


def _value_limits(shown, *, with_bands: bool) -> tuple[float, float, bool]:
    """Chooses the range for what is drawn: curves, raw values, and bands if they show."""
    recorded = [value for curve, *_ in shown for value in curve.mean]
    log, reach = limits(recorded)[2], []
    for curve, mean, spread in shown:
        reach += [*mean] if spread is not None else [*mean, *curve.mean]
        if spread is not None and with_bands:
            # A band that comes near 0 must not stretch a logarithmic axis without end.
            band = np.concatenate([mean - spread, mean + spread])
            reach += [*band[band > min(recorded) / 3]] if log else [*band]
    return limits(reach, log=log)


def _draw_curve(axes, curve: Curve, mean, spread, color: int | None, *, lowest: float) -> None:
    """Draws a curve with its band, or with its values faintly behind if it is smoothed."""
    mark, steps = f'group-{curve.group}', curve.steps
    if color is None:
        axes.plot(steps, mean, color=_OTHER, linewidth=1, alpha=0.7, gid=f'{mark}-line')
        return
    paint = {'color': _COLORS[color], 'solid_joinstyle': 'round'}
    if spread is not None:
        band = np.maximum(mean - spread, lowest), mean + spread
        axes.fill_between(
            steps, *band, color=_COLORS[color], alpha=0.16, linewidth=0, gid=f'{mark}-band'
        )
    elif mean is not curve.mean:
        axes.plot(steps, curve.mean, **paint, linewidth=1, alpha=0.35, gid=f'{mark}-raw')
    dotted = {'marker': 'o', 'markersize': 4, 'markeredgewidth': 0}
    dotted = dotted if len(steps) <= _MARKED_TO else {}
    axes.plot(steps, mean, **paint, **dotted, linewidth=1.8, gid=f'{mark}-line')


def _draw_row(axes, row: int, index: int, summary: Summary, label: str, color: int | None) -> None:
    """Draws one group of a dot plot: label, spread, runs, mean, and the mean in digits."""
    paint = {'color': _OTHER if color is None else _COLORS[color], 'gid': f'group-{index}-row'}
    if summary.spread:
        axes.plot(_extent(summary)[:2], [row, row], **paint, linewidth=2)
    dotted = {'linestyle': '', 'marker': 'o', 'markeredgewidth': 0, 'clip_on': False}
    if len(summary.values) > 1:
        axes.plot(summary.values, [row] * len(summary.values), **paint, **dotted, ms=4.4, alpha=0.6)
    axes.plot([summary.mean], [row], **paint, **dotted, ms=9)
    places = {'va': 'center_baseline', 'gid': paint['gid']}
    places['transform'] = axes.get_yaxis_transform()
    axes.text(-12 / _DOTS_WIDTH, row, _line(shorten(label)), ha='right', **places)
    value = with_spread(summary.mean, summary.spread)
    axes.text(1 + 12 / _DOTS_WIDTH, row, value, ha='left', **places)


def _extent(summary: Summary) -> list[float]:
    spread = summary.spread or 0.0
    return [summary.mean - spread, summary.mean + spread, *summary.values]


def _line(text: str) -> str:
    return ' '.join(text.split())


def _new_axes(area: tuple[int, int, int, int], *, right: int, bottom: int):
    """Returns the axes of a new figure whose points are SVG units."""
    from matplotlib.figure import Figure

    left, top, width, height = area
    whole_width, whole_height = left + width + right, top + height + bottom
    figure = Figure(figsize=(whole_width / 72, whole_height / 72), dpi=72)
    figure.patch.set_visible(False)
    place = (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    axes = figure.add_axes(place)
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)
    return axes


def _scale(axes, side: str, chosen: tuple[float, float, bool], *, count: int) -> None:
    """Sets the range of an axis, and about `count` round ticks."""
    from matplotlib import ticker

    low, high, log = chosen
    axes.set(**{f'{side}scale': 'log' if log else 'linear'})
    axes.set(**{f'{side}lim': (low, high)})
    axis = getattr(axes, f'{side}axis')
    if log:
        subs = (1, 2, 5) if high < 1e2 * low else (1,)
        axis.set_major_locator(ticker.LogLocator(subs=subs, numticks=count + 2))
    else:
        axis.set_major_locator(ticker.MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: tick_label(value)))


def _svg(
    axes,
    grouped: Sequence[Group],
    *,
    label: str,
    attributes: Markup,
    titles: Mapping[int, str] | None = None,
) -> Markup:
    """Writes a figure as an element of the page.

    Args:
      axes: the drawing; the `gid` of an element of a group is 'group-INDEX-PART'.
      grouped: the groups.
      label: what the figure shows, for screen readers.
      attributes: attributes of the svg element.
      titles: the text that the pointer shows on a group.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The browser has other fonts than the one that matplotlib measures text with.
        warnings.filterwarnings('ignore', message='Glyph')
        nothing = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
        axes.figure.savefig(buffer, format='svg', metadata=nothing)

    def tag(match: re.Match) -> str:
        written = match[0]
        if found := re.fullmatch(r'<g id="group-(\d+)-(\w+)">', written):
            index, group = int(found[1]), grouped[int(found[1])]
            opened = Markup('<g class="{}" data-group="{}" data-label="{}" data-find="{}">')
            opened = opened.format(found[2], index, group.label, group.about)
            title = Markup('<title>{}</title>').format(titles[index]) if titles else ''
            return opened + title
        # Many figures share a page, so only the ids that something refers to are kept.
        written = re.sub(r' id="(?![a-zA-Z]\w*[0-9a-f]{10}")[^"]*"', '', written)
        return re.sub(r'(?<=: )#[0-9a-f]{6}', lambda color: f'var({_VARIABLES[color[0]]})', written)

    # In text, `<` and `>` are escaped, so everything between them is a tag.
    text = re.sub(r'<[^>]*>', tag, buffer.getvalue())
    inside = text[text.index('</defs>') + len('</defs>') : text.rindex('</svg>')]
    width, height = axes.figure.bbox.bounds[2:]
    opening = Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}" {}>')
    return opening.format(width, height, label, attributes) + Markup(f'{inside}</svg>')
