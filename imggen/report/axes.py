"""Axes: which range a plot shows, linear or logarithmic, and where its ticks lie."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from imggen.report.markup import number

_TINY = 1e-290  # Below, arithmetic on values loses its digits.
_LOG_FROM = 40.0  # Largest over smallest from which a scale turns logarithmic.


class Axis(NamedTuple):
    """A map from values to [0, 1].

    Attributes:
      low: the value at 0.
      high: the value at 1.
      log: whether equal distances are equal ratios.
    """

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Returns where a value lies; outside [0, 1] if it is out of range."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return -1.0
        low = math.log(self.low)
        return (math.log(value) - low) / (math.log(self.high) - low)

    def ticks(self, *, count: int = 5) -> list[float]:
        """Returns round values inside the range, about `count` of them."""
        if self.log:
            return self._log_ticks(count)
        step = _round_step((self.high - self.low) / count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def _log_ticks(self, count: int) -> list[float]:
        low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        stride = max(1, (high - low) // count)
        within = (1,) if high - low > 3 else (1, 2, 5)
        ticks = [digit * 10.0**power for power in range(low, high + 1, stride) for digit in within]
        return [tick for tick in ticks if self.low <= tick * 1.000001 and tick <= self.high]


def fit(values: Sequence[float], *, log: bool | None = None, trim: bool = True) -> Axis:
    """Chooses the range that shows finite values, with a little air.

    With `trim`, a few outliers (one value in a hundred at either end) do not
    squeeze the rest: where they would take most of the room, they lie outside.
    Values above 0 get a logarithmic axis if the largest is many times the smallest.
    """
    ordered = sorted(map(float, values))
    if not ordered:
        return Axis(0.0, 1.0)
    low, high = ordered[0], ordered[-1]
    inner_low, inner_high = _quantile(ordered, 0.01), _quantile(ordered, 0.99)
    if log is None:
        log = low > _TINY and inner_high / inner_low > _LOG_FROM
    if log:
        return Axis(low / 1.15, high * 1.15, log=True)
    if trim and inner_high > inner_low and high - low > 4 * (inner_high - inner_low):
        reach = 0.5 * (inner_high - inner_low)
        low, high = max(low, inner_low - reach), min(high, inner_high + reach)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        air = max(abs(high) * 0.1, _TINY)
    else:
        air = 0.06 * (high - low)
    bottom = 0.0 if 0 <= low <= 0.25 * high else low - air
    return Axis(bottom, high + air)


def tick_label(value: float) -> str:
    """Writes a tick shortly: 4k, 1.5M, 0.02."""
    size = abs(value)
    for limit, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if limit <= size < limit * 1e3 and (size >= 1e4 or size % 1e3 == 0 or letter != 'k'):
            return f'{value / limit:.4g}{letter}'
    return number(float(f'{value:.6g}'))


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 2.5, 5, 10) if digit * power >= step * 0.999)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Returns an order statistic; with fewer than a hundred values, the extreme itself."""
    count = len(ordered)
    index = math.floor(share * count) if share < 0.5 else count - 1 - math.floor(0.01 * count)
    return ordered[index]
