"""Searches: trials drawn from ranges of options, at random or by Optuna.

An axis of a search is a range, 'method.learning_rate=1e-4:1e-2:log' or 'method.features=32:256',
or a list of choices, 'method.loss=hinge,wgan'. Both ends of a range are included. A trial is a
point of a sweep. Values of float options are rounded to four digits, so that they can be read and
typed.
"""

import hashlib
import json
import math
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from imggen.errors import UserError
from imggen.report.groups import METRICS
from imggen.sweep.points import Point, kind_of, parse_axis

_JOURNAL = 'optuna.log'
_AXES = 'imggen:axes'  # The attribute of a study that holds what it searches.


class Range(NamedTuple):
    """The numbers from `low` to `high` of an int or float option; evenly in the logarithm if `log`.

    The type of the bounds is the type of the values.
    """

    name: str
    low: float
    high: float
    log: bool

    @property
    def extremes(self) -> list[float]:
        """The values that are tried before a search starts."""
        return [self.low, self.high]

    def at(self, uniform: float) -> float:
        """Returns the value at a number in [0, 1)."""
        # Each whole number has one unit of the line, so that all are as likely.
        half = 0.5 if isinstance(self.low, int) else 0.0
        low, high = self.low - half, self.high + half
        if self.log:
            return self.fit(low * (high / low) ** uniform)
        return self.fit(low + (high - low) * uniform)

    def fit(self, value: float) -> float:
        """Rounds a value, and keeps it in the range."""
        value = round(value) if isinstance(self.low, int) else float(f'{value:.4g}')
        return min(max(value, self.low), self.high)


class Choice(NamedTuple):
    """The values of an option that a search may take."""

    name: str
    values: tuple[Any, ...]

    @property
    def extremes(self) -> list[Any]:
        """The values that are tried before a search starts."""
        return list(self.values)

    def at(self, uniform: float) -> Any:
        """Returns the value at a number in [0, 1)."""
        return self.values[int(uniform * len(self.values))]


Axis = Range | Choice


def is_range(text: str, config: ConfigDict) -> bool:
    """Returns whether an axis such as 'seed=0:9' is a range."""
    name, _, values = text.partition('=')
    return ':' in values and kind_of(name, config) in (int, float)


def parse(text: str, config: ConfigDict) -> Axis:
    """Reads an axis of a search; a list of choices as `points.parse_axis` does.

    Raises:
      UserError: the config has no such option, or the text is no range or list of its type.
    """
    if not is_range(text, config):
        values = [point[text.partition('=')[0]] for point in parse_axis(text, config)]
        return Choice(text.partition('=')[0], tuple(dict.fromkeys(values)))
    name, _, values = text.partition('=')
    low, high, *scale = values.split(':')
    kind = kind_of(name, config)
    try:
        low, high = kind(low), kind(high)
        if scale not in ([], ['log']) or not math.isfinite(high - low):
            raise ValueError
    except (ValueError, OverflowError):
        raise UserError(
            f'the axis {text!r} is no range of type {kind.__name__}: write {name}=LOW:HIGH or '
            f'{name}=LOW:HIGH:log.'
        ) from None
    if low >= high or (scale and low <= 0):
        reason = 'has no logarithm' if low < high else 'is empty'
        raise UserError(
            f'the axis {text!r} {reason}: write the smaller number first'
            + (', greater than 0.' if scale else '.')
        )
    return Range(name, low, high, bool(scale))


def corners(axes: Sequence[Axis]) -> list[Point]:
    """Returns points that reach both ends of every range and every choice, to check them."""
    first = {axis.name: axis.extremes[0] for axis in axes}
    rest = [first | {axis.name: value} for axis in axes for value in axis.extremes[1:]]
    return [first, *rest]


def random_trials(axes: Sequence[Axis], num_trials: int, *, seed: int) -> list[Point]:
    """Draws trials. Trial i depends on the seed and i alone, so more trials keep the first ones."""
    return [
        {axis.name: axis.at(_uniform(seed, trial, axis.name)) for axis in axes}
        for trial in range(num_trials)
    ]


def is_less_better(measure: str) -> bool:
    """Returns whether a search minimizes a measure.

    Raises:
      UserError: that is not known.
    """
    if measure not in METRICS:
        raise UserError(
            f'--measure={measure} is no measure to search by: take one of {", ".join(METRICS)}.'
        )
    return METRICS[measure][1]


class Study:
    """A search by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011).

    The study lies in `optuna.log` in the folder of the sweep, a journal that Optuna's tools read.
    Trial n is a function of the seed, n and the values that the study was told before. A trial
    that has no value, since its run has not ended or has failed, counts as a bad one.

    Args:
      folder: the sweep's folder.
      axes: what to search.
      seed: the seed of the proposals.
      measure: what is searched for.

    Raises:
      UserError: Optuna is not installed, or the folder holds another search.
    """

    def __init__(self, folder: pathlib.Path, axes: Sequence[Axis], *, seed: int, measure: str):
        optuna = import_optuna()
        self._axes, self._seed = axes, seed
        folder.mkdir(parents=True, exist_ok=True)
        backend = optuna.storages.journal.JournalFileBackend(str(folder / _JOURNAL))
        direction = 'minimize' if is_less_better(measure) else 'maximize'
        try:
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name='imggen',
                direction=direction,
                load_if_exists=True,
            )
        except Exception as error:  # A damaged journal can fail in any way.
            path, reason = folder / _JOURNAL, str(error) or type(error).__name__
            raise UserError(f'{path} cannot be read ({reason}): restore or remove it.') from error
        asked = json.dumps([measure, seed, *axes])
        found = self._study.user_attrs.setdefault(_AXES, asked)
        if found != asked:
            raise UserError(
                f'{folder} holds a search with other axes, another measure or another seed: '
                'choose another --workdir.'
            )
        self._study.set_user_attr(_AXES, asked)

    def points(self) -> list[Point]:
        """Returns all trials in order."""
        return [self._point(trial.params) for trial in self._study.get_trials(deepcopy=False)]

    def ask(self) -> None:
        """Adds a trial."""
        optuna = import_optuna()
        number = len(self._study.get_trials(deepcopy=False))
        seed = int(_uniform(self._seed, number, 'optuna') * 2**32)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed)
        self._study.ask({axis.name: _distribution(optuna, axis) for axis in self._axes})

    def tell(self, number: int, value: float) -> None:
        """Gives a trial its value, if it has none."""
        self._study.tell(number, value, skip_if_finished=True)

    def _point(self, params: Mapping[str, Any]) -> Point:
        return {
            axis.name: axis.fit(params[axis.name])
            if isinstance(axis, Range)
            else {str(value): value for value in axis.values}[params[axis.name]]
            for axis in self._axes
        }


def import_optuna():
    """Returns the module optuna, which then prints warnings alone.

    Raises:
      UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UserError("--search=optuna needs Optuna: pip install 'imggen[search]'.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings('ignore', category=optuna.exceptions.ExperimentalWarning)
    return optuna


def _distribution(optuna, axis: Axis):
    if isinstance(axis, Choice):
        return optuna.distributions.CategoricalDistribution(tuple(map(str, axis.values)))
    name = 'IntDistribution' if isinstance(axis.low, int) else 'FloatDistribution'
    return getattr(optuna.distributions, name)(axis.low, axis.high, log=axis.log)


def _uniform(seed: int, trial: int, name: str) -> float:
    """Returns a number in [0, 1) that depends on the arguments alone."""
    digest = hashlib.sha256(f'{seed} {trial} {name}'.encode()).digest()
    return (int.from_bytes(digest[:8], 'big') >> 11) / 2**53
