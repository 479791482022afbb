"""A progress line: how many steps are done, at what speed, and how much time is left."""

import bisect
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

_PLAIN_EVERY_SECONDS = 15.0
_SMOOTHING = 0.3  # The weight of the newest pace that is told, as in tqdm.
_RECENT = 10  # Records from which the pace of a run is taken.
# Without tqdm's time left, which counts what happens once.
_BAR_FORMAT = '{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]'


class Progress:
    """Shows progress: one updating line on a terminal, a plain line every 15 seconds elsewhere.

    The time left is estimated from the units with the same label, since the phases of a run may
    take very different times per step. A caller that knows how long a unit takes says so: the clock
    also counts what happens once, such as compiling. The first time that the clock gives for a
    label is therefore forgotten as soon as there is a second one. The mean over all others counts,
    because work may come in chunks: many images are drawn, and a few at a time are measured.

    Args:
      total: number of units.
      unit: what is counted, for example 'step'.
      initial: number of units that an earlier session has done.
      active: whether this process shows anything.
    """

    def __init__(self, total: int, *, unit: str = 'step', initial: int = 0, active: bool = True):
        self._total, self._unit = total, unit
        self._done, self._label, self._pace = initial, '', None
        self._advanced = self._said = time.monotonic()
        self._since = None  # (time, units done) after the first of a label, if the clock gave it.
        self._active = active
        self._bar = None
        if active and sys.stderr.isatty():
            self._bar = tqdm(
                total=total, initial=initial, dynamic_ncols=True, bar_format=_BAR_FORMAT
            )

    def advance(
        self,
        done: int,
        *,
        label: str = '',
        scalars: Mapping[str, float] | None = None,
        seconds: float | None = None,
        until: int | None = None,
    ):
        """Shows that `done` units of the total are done.

        Args:
          done: number of units, also those of earlier sessions.
          label: the phase.
          scalars: values to show, by name.
          seconds: how long one unit takes now; by default what the clock says.
          until: the unit that ends the phase. The time left is then that of the phase, because
            nobody knows yet how long the units of the next one take.
        """
        scalars = {name: f'{value:.4g}' for name, value in (scalars or {}).items()}
        now, before = time.monotonic(), self._done
        self._measure(now, done, label, seconds)
        until = self._total if until is None else until
        left = [f'{clock((self._pace or 0.0) * (until - done))} left']
        if until < self._total:  # At the end of the phase nothing is known of the next one.
            left = [f'{left[0]} of {label}'] if done < until else []
        if self._bar is not None:
            self._bar.set_description_str(label, refresh=False)
            values = [*left, *(f'{name}={value}' for name, value in scalars.items())]
            self._bar.set_postfix_str(', '.join(values), refresh=False)
            self._bar.update(done - before)
        if self._active and self._bar is None:
            if now - self._said < _PLAIN_EVERY_SECONDS and done < self._total:
                return
            self._said = now
            counted = f'{label} {self._unit} {done}/{self._total}'.strip()
            values = [f'{name} {value}' for name, value in scalars.items()]
            self.say(', '.join([counted, *left, *values]))

    def _measure(self, now: float, done: int, label: str, seconds: float | None) -> None:
        """Updates the pace with the units since the last call."""
        if done > self._done:
            is_first = self._pace is None or label != self._label
            if seconds is None and (is_first or self._since is None):
                self._pace = (now - self._advanced) / (done - self._done)
                self._since = now, done
            elif seconds is None:
                since, before = self._since
                self._pace = (now - since) / (done - before)
            elif is_first or self._since is not None:
                self._pace, self._since = seconds, None
            else:
                self._pace += _SMOOTHING * (seconds - self._pace)
        self._done, self._label, self._advanced = done, label, now

    def say(self, line: str) -> None:
        """Prints a line without tearing the progress line."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        elif self._active:
            print(line.strip(), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the line."""
        if self._bar is not None:
            self._bar.close()


def pace(steps: Sequence[float], seconds: Sequence[float], *, begin: int = 0) -> float | None:
    """Returns the seconds that a step of a run takes, from its last records; None without any.

    Args:
      steps: the step of each record, in order.
      seconds: the time of all steps until then, without compiling.
      begin: the step at which the phase of the last record began. Earlier records do not count.
    """
    if not len(steps) or steps[-1] <= begin:
        return None
    first = max(bisect.bisect_left(steps, begin), len(steps) - 1 - _RECENT)
    is_alone = first == len(steps) - 1
    if is_alone and begin:
        return None  # It does not say when the phase began.
    step, second = (0.0, 0.0) if is_alone else (steps[first], seconds[first])
    done, took = steps[-1] - step, seconds[-1] - second
    return float(took / done) if done > 0 and math.isfinite(took) else None


def time_left(
    info: Mapping[str, Any], steps: Sequence[float], seconds: Sequence[float]
) -> tuple[float, str] | None:
    """Estimates how long a run or its phase goes on; None if nothing tells.

    Args:
      info: what run.json holds.
      steps, seconds: as in `pace`.

    Returns:
      The seconds, and the name of the phase if others follow, otherwise ''.
    """
    if not (planned := info.get('num_steps')):
        return None
    phase = info.get('phase', {'name': '', 'begin': 0, 'end': planned})
    if (measured := pace(steps, seconds, begin=phase['begin'])) is None:
        return None
    is_last = phase['end'] >= planned
    left = measured * max(0.0, phase['end'] - steps[-1])
    return None if not (left or is_last) else (left, '' if is_last else phase['name'])


def clock(seconds: float) -> str:
    """Writes seconds as hours, minutes and seconds, such as '1:02:03' or '2:03'."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'
