"""The rounds of a search that learns: a plan grows by some trials, runs, and is measured."""

import math
import pathlib
from collections.abc import Callable, Iterator, Sequence

from imggen.sweep import table
from imggen.sweep.plan import Plan, write_plan
from imggen.sweep.points import Point, product, run_name
from imggen.sweep.search import Study


def rounds(
    study: Study,
    folder: pathlib.Path,
    make_plan: Callable[[Sequence[Point]], Plan],
    *,
    seeds: Sequence[Point],
    measure: str,
    num_trials: int,
    at_once: int,
) -> Iterator[Plan]:
    """Yields the plan of all trials so far, to be run before the next one is asked for.

    The trials of a study that was interrupted come first. All trials of a round are asked for
    together: what a trial knows does not depend on which of them ended first.

    Args:
      study: proposes the trials.
      folder: the sweep's folder.
      make_plan: makes a plan of points.
      seeds: the points of the seeds; each trial runs with all of them, and is told their mean.
      measure: what is told.
      num_trials: number of trials in all.
      at_once: number of trials in a round.
    """
    while True:
        trials = study.points()
        if trials:
            planned = make_plan(product([trials, seeds]))
            write_plan(planned, folder)
            yield planned
            found = means(folder, measure, num_seeds=len(seeds))
            for number, trial in enumerate(trials):
                if (variant := run_name(trial, planned.names)) in found:
                    study.tell(number, found[variant])
        if len(trials) >= num_trials:
            return
        for _ in range(min(at_once, num_trials - len(trials))):
            study.ask()


def means(folder: pathlib.Path, measure: str, *, num_seeds: int) -> dict[str, float]:
    """Returns the mean of a measure over the seeds, by variant, where every seed has been measured.

    Values that are not finite are left out.
    """
    found = {row.variant: row.summaries.get(measure) for row in table.make(folder).rows}
    return {
        variant: summary.mean
        for variant, summary in found.items()
        if summary and summary.count == num_seeds and math.isfinite(summary.mean)
    }
