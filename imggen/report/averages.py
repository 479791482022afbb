"""Scalars over training steps, averaged over the runs of a group.

Runs are averaged where they have records at the same steps (long runs: in the
same narrow stretch of steps); the spread is one standard deviation over seeds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from imggen.report.groups import MEASURES, Group
from imggen.report.markup import is_number
from imggen.workdir import reader as runs_lib

_POINTS = 6000  # Of all curves in a plot together; between the bounds below for each.
_MIN_POINTS, _MAX_POINTS = 40, 240
_NO_SCALARS = ('step', 'seconds')


class Curve(NamedTuple):
    """One group's course of one scalar.

    Attributes:
      group: index of the group.
      steps: [n] training steps.
      mean: [n] averages over the group's runs.
      spread: [n] standard deviations over its runs, or None with a single run.
    """

    group: int
    steps: np.ndarray
    mean: np.ndarray
    spread: np.ndarray | None


def names(runs: Sequence[runs_lib.Run]) -> dict[str, list[str]]:
    """Returns the recorded scalars by kind: measures, losses, health, throughput."""
    found = dict.fromkeys(
        name
        for run in runs
        for record in run.records
        for name, value in record.items()
        if name not in _NO_SCALARS and isinstance(value, int | float)
    )
    kinds = {'Measures': [], 'Losses': [], 'Health': [], 'Throughput': []}
    for name in found:
        kinds[_kind(name)].append(name)
    return {kind: sorted(members) for kind, members in kinds.items() if members}


def _kind(name: str) -> str:
    if name.rpartition('/')[2] in MEASURES:
        return 'Measures'
    if name == 'images_per_second':
        return 'Throughput'
    return 'Losses' if 'loss' in name.lower() else 'Health'


def curves(
    runs: Sequence[runs_lib.Run], groups: Sequence[Group], name: str
) -> tuple[list[Curve], int]:
    """Averages one scalar over each group.

    Returns:
      (curves, the number of recorded values that are not finite).
    """
    points = [
        [(record['step'], record[name]) for record in run.records if name in record] for run in runs
    ]
    finite = [[(step, value) for step, value in some if is_number(value)] for some in points]
    lost = sum(len(some) for some in points) - sum(len(some) for some in finite)
    steps = {step for some in finite for step, _ in some}
    bins = min(_MAX_POINTS, max(_MIN_POINTS, _POINTS // max(1, len(groups))))
    width = 1 if len(steps) <= bins else (max(steps) + 1) / bins
    made = []
    for index, one in enumerate(groups):
        per_run = [_binned(finite[member], width) for member in one.members if finite[member]]
        if per_run:
            made.append(_average(index, per_run))
    return made, lost


def _binned(points, width) -> dict[int, tuple[float, float]]:
    """Averages (step, value) within stretches of `width` steps."""
    stretches: dict[int, list] = {}
    for step, value in points:
        stretches.setdefault(int(step // width), []).append((step, value))
    return {index: tuple(np.mean(some, axis=0)) for index, some in stretches.items()}


def _average(group: int, per_run) -> Curve:
    indices = sorted(set().union(*per_run))
    steps, mean, spread = [], [], []
    for index in indices:
        some = np.array([run[index] for run in per_run if index in run])
        steps.append(some[:, 0].mean())
        mean.append(some[:, 1].mean())
        spread.append(some[:, 1].std(ddof=1) if len(some) > 1 else 0.0)
    return Curve(
        group,
        np.array(steps),
        np.array(mean),
        np.array(spread) if len(per_run) > 1 else None,
    )


def smooth(values: np.ndarray) -> np.ndarray:
    """Averages [n] over a centerd triangular window of about n / 16; shorter at the ends."""
    count, reach = len(values), max(1, len(values) // 16)
    window = 1.0 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    weight = np.convolve(np.ones(count), window)[reach : reach + count]
    return np.convolve(values, window)[reach : reach + count] / weight
