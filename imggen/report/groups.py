"""Groups runs that differ only in their seed, and metrics that were measured in the same way."""

import collections
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from imggen import seed_statistics
from imggen.report.formats import is_number, literal
from imggen.workdir import reader
from imggen.workdir.reader import Run

# Known metrics: (name in the report, whether less is better). The first one that was measured
# decides the order of the groups.
METRICS = {
    'frechet': ('Fréchet distance', True),
    'kid': ('KID', True),
    'lpips': ('LPIPS', True),
    'ssim': ('SSIM', False),
    'psnr': ('PSNR, dB', False),
    'precision': ('precision', False),
    'recall': ('recall', False),
    'density': ('density', False),
    'coverage': ('coverage', False),
    'class_score': ('class score', False),
    'class_kl': ('class KL', True),
    'frechet_infinite': ('Fréchet, infinitely many', True),
    'copying': ('copying', True),
    'copying_distance': ('distance from training images', False),
    'copying_thumbnails': ('copying in thumbnails', True),
    'frechet_reconstructed': ('Fréchet distance of reconstructions', True),
    'classes_reached': ('classes reached', False),
    'modes_reached': ('modes reached', False),
    'modes_kl': ('KL of modes', True),
    'test_accuracy': ('test accuracy', False),
    'calibration_error': ('calibration error', True),
    'transfer': ('transfer to a second classifier', False),
}
_LABEL_KEYS = 4


class Group(NamedTuple):
    """Runs that are equal except for their seed.

    Attributes:
      label: how the group differs from the others, in words.
      settings: this group's values of the keys that differ between groups.
      members: indices of its runs.
      about: label and names of the runs, which the page's filter searches.
    """

    label: str
    settings: dict[str, Any]
    members: list[int]
    about: str


class Protocol(NamedTuple):
    """How an evaluation was made; values under different protocols are not compared."""

    extractor: str
    digest: str
    reference: str
    num_reference: Any
    num_generated: Any


class Summary(NamedTuple):
    """One metric of one group: mean and sample standard deviation over its runs."""

    mean: float
    spread: float | None
    values: list[float]
    spread_of: str  # 'seeds', or 'resamples' if the evaluation brought its own spread.


def is_seed(key: str) -> bool:
    """Returns whether a key is a seed, such as `seed` or `data.seed`."""
    return key.rpartition('.')[2] == 'seed'


def settings_keys(runs: Sequence[Run]) -> list[str]:
    """Returns the keys that differ between runs, without seeds."""
    return [key for key in reader.differing(runs) if not is_seed(key)]


def group(runs: Sequence[Run]) -> list[Group]:
    """Groups runs that differ in the seed alone, in the order of their first runs."""
    keys = settings_keys(runs)
    found: dict[str, list[int]] = {}
    settings = {}
    for index, run in enumerate(runs):
        flat = reader.flatten(run.config)
        values = {key: flat.get(key) for key in keys}
        identity = repr(sorted((key, repr(value)) for key, value in values.items()))
        found.setdefault(identity, []).append(index)
        settings.setdefault(identity, values)
    made = []
    for identity, members in found.items():
        label = _label(runs[members[0]], settings[identity])
        about = ' '.join([label, *(runs[index].name for index in members)])
        made.append(Group(label, settings[identity], members, about))
    return made


def _label(run: Run, settings: dict[str, Any]) -> str:
    if not settings or len(settings) > _LABEL_KEYS:
        return re.sub(r'(^|[,_/])seed=?\d+', '', run.name).strip(',_/') or run.name
    short = [key.rpartition('.')[2] for key in settings]
    names = [
        last if short.count(last) == 1 else key for key, last in zip(settings, short, strict=True)
    ]
    return ', '.join(
        f'{name}={literal(value)}' for name, value in zip(names, settings.values(), strict=True)
    )


def evaluations(
    runs: Sequence[Run],
) -> dict[Protocol, dict[int, dict[str, Any]]]:
    """Returns each run's last evaluation under each protocol, the most common protocol first.

    Evaluations of the same step are merged; the later one takes precedence.
    """
    found: dict[Protocol, dict[int, dict[str, Any]]] = {}
    for index, run in enumerate(runs):
        for line in run.evaluations:
            protocol = Protocol(
                *(str(line.get(key, '')) for key in Protocol._fields[:3]),
                *(line.get(key) for key in Protocol._fields[3:]),
            )
            last = found.setdefault(protocol, {}).get(index)
            if last is None or line['step'] > last['step']:
                found[protocol][index] = line
            elif line['step'] == last['step']:
                found[protocol][index] = _merged(last, line)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    values = {
        key: (first.get(key) or {}) | (second.get(key) or {})
        for key in ('metrics', 'spread', 'floor')
    }
    return first | second | values


def metric_names(evaluated: dict[int, dict[str, Any]]) -> list[str]:
    """Returns the metrics of some evaluations: known ones first, those of few runs last."""
    counts = collections.Counter(
        name for line in evaluated.values() for name in line.get('metrics') or {}
    )
    known = {name: place for place, name in enumerate(METRICS)}

    def order(name):
        return 2 * counts[name] < len(evaluated), known.get(name, len(known))

    return sorted(counts, key=order)


def title(name: str) -> str:
    """Names a metric, with an arrow towards better values if that direction is known."""
    if name not in METRICS:
        return name
    label, less_is_better = METRICS[name]
    return f'{label} {"↓" if less_is_better else "↑"}'


def summarize(
    members: Sequence[int], evaluated: dict[int, dict[str, Any]], name: str
) -> Summary | None:
    """Averages a metric over the runs that have a finite value of it; None if no run has."""
    lines = [evaluated[index] for index in members if index in evaluated]
    lines = [line for line in lines if is_number((line.get('metrics') or {}).get(name))]
    values = [float(line['metrics'][name]) for line in lines]
    if not values:
        return None
    mean, deviation, count = seed_statistics.summarize(values)
    if count == 1:
        own = (lines[0].get('spread') or {}).get(name)
        return Summary(mean, own if is_number(own) else None, values, 'resamples')
    return Summary(mean, deviation, values, 'seeds')


def by_seed(
    one: Group, runs: Sequence[Run], evaluated: dict[int, dict[str, Any]], name: str
) -> dict[Any, float]:
    """Returns seed -> value of a metric, for comparisons that are paired by seed."""
    found = {}
    for index in one.members:
        value = (evaluated.get(index, {}).get('metrics') or {}).get(name)
        if is_number(value):
            found[runs[index].config.get('seed', 0)] = float(value)
    return found


def floor(evaluated: dict[int, dict[str, Any]], name: str) -> float | None:
    """Returns what real images score against others, averaged over the evaluations."""
    values = [(line.get('floor') or {}).get(name) for line in evaluated.values()]
    values = [value for value in values if is_number(value)]
    return math.fsum(values) / len(values) if values else None


def rank(
    groups: Sequence[Group], evaluated: dict[int, dict[str, Any]], name: str
) -> list[tuple[int, Summary]]:
    """Orders the groups that have a metric: best first, or rising if better is unknown."""
    found = [
        (index, summary)
        for index, one in enumerate(groups)
        if (summary := summarize(one.members, evaluated, name)) is not None
    ]
    sign = 1 if METRICS.get(name, ('', True))[1] else -1
    return sorted(found, key=lambda item: sign * item[1].mean)
