"""Scalars over training steps, averaged over the runs of a group.

Runs are averaged at the steps at which they have records; long runs are averaged within narrow
bins of steps. The spread is one standard deviation over seeds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from imggen.report.groups import METRICS, Group
from imggen.workdir.records import Scalar

_POINTS = 6000  # All curves of a plot together have about as many; the bounds are for each curve.
_MIN_POINTS, _MAX_POINTS = 40, 240

Scalars = Mapping[str, Scalar]  # Those of one run, by name.


class Curve(NamedTuple):
    """One scalar of one group: float64 [n] each; `spread` is None for a single run.

    `mean` and `spread` are the average and the standard deviation over the runs of the group,
    whose index is `group`.
    """

    group: int
    steps: np.ndarray
    mean: np.ndarray
    spread: np.ndarray | None


def names(recorded: Sequence[Scalars]) -> dict[str, list[str]]:
    """Returns the names of recorded scalars by kind: metrics, losses, health, throughput."""
    kinds = {'Metrics': [], 'Losses': [], 'Health': [], 'Throughput': []}
    for name in sorted(set().union(*recorded) - {'seconds'}):
        kinds[_kind(name)].append(name)
    return {kind: members for kind, members in kinds.items() if members}


def is_metric(name: str) -> bool:
    """Returns whether a scalar is a metric, which is recorded rarely and never smoothed."""
    return name.rpartition('/')[2] in METRICS


def _kind(name: str) -> str:
    if is_metric(name):
        return 'Metrics'
    if name == 'images_per_second':
        return 'Throughput'
    return 'Losses' if 'loss' in name.lower() else 'Health'


def curves(
    recorded: Sequence[Scalars], groups: Sequence[Group], name: str
) -> tuple[list[Curve], int]:
    """Averages one scalar over each group; counts the recorded values that are not finite."""
    finite, lost = {}, 0
    for index, of_run in enumerate(recorded):
        if name in of_run:
            steps, values = of_run[name]
            kept = np.isfinite(values)
            lost += len(values) - int(kept.sum())
            if kept.any():
                finite[index] = steps[kept], values[kept]
    if not finite:
        return [], lost
    steps = np.unique(np.concatenate([steps for steps, _ in finite.values()]))
    num_bins = min(_MAX_POINTS, max(_MIN_POINTS, _POINTS // len(groups)))
    width = 1.0 if len(steps) <= num_bins else (steps[-1] + 1) / num_bins
    made = []
    for index, group in enumerate(groups):
        members = [_binned(*finite[member], width) for member in group.members if member in finite]
        if members:
            made.append(_average(index, members))
    return made, lost


def _binned(steps: np.ndarray, values: np.ndarray, width: float) -> tuple[np.ndarray, ...]:
    """Averages steps and values within bins of `width` steps; returns (bins, steps, values)."""
    bins, index, counts = np.unique(steps // width, return_inverse=True, return_counts=True)
    means = (np.bincount(index, weights) / counts for weights in (steps, values))
    return bins, *means


def _average(group: int, members: Sequence[tuple[np.ndarray, ...]]) -> Curve:
    """Averages runs, each (bins, steps, values); a run may lack some bins."""
    bins = np.unique(np.concatenate([member[0] for member in members]))
    table = np.full((2, len(members), len(bins)), np.nan)
    for row, (own, *both) in enumerate(members):
        table[:, row, np.searchsorted(bins, own)] = both
    counts = np.isfinite(table[0]).sum(axis=0)
    steps, mean = np.nansum(table, axis=1) / counts
    if len(members) == 1:
        return Curve(group, steps, mean, None)
    squares = np.nansum((table[1] - mean) ** 2, axis=0)
    return Curve(group, steps, mean, np.sqrt(squares / np.maximum(counts - 1, 1)))


def smooth(values: np.ndarray) -> np.ndarray:
    """Averages [n] over a centered triangular window of about n / 16; shorter at the ends."""
    count, reach = len(values), max(1, len(values) // 16)
    window = 1.0 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    weight = np.convolve(np.ones(count), window)[reach : reach + count]
    return np.convolve(values, window)[reach : reach + count] / weight
