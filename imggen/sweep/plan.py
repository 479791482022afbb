"""The plan of a sweep: its runs by name, what they have left on disk, and what is left to do."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from imggen import files
from imggen.errors import UserError
from imggen.sweep.points import SEED, Point, flag, freeze, is_run_name, override, run_name
from imggen.workdir import reader


class Task(NamedTuple):
    """What is left to do for one run: commands that run one after the other.

    Every command is safe to repeat: it continues a run that was killed.
    """

    name: str
    workdir: pathlib.Path
    commands: tuple[tuple[str, ...], ...]


class Plan(NamedTuple):
    """All runs of a sweep, as sweep.json holds them.

    Attributes:
      command: the command that started the sweep.
      config: the config file with its argument.
      fixed: overrides that all runs share.
      runs: overrides by the name of the run, in order.
    """

    command: str
    config: str
    fixed: Point
    runs: dict[str, Point]

    @property
    def names(self) -> list[str]:
        """The options that differ, in order."""
        return list(dict.fromkeys(name for point in self.runs.values() for name in point))

    def variant(self, name: str) -> str:
        """Returns the name of a run without its seed: 'loss=hinge'."""
        point = {key: value for key, value in self.runs[name].items() if key != SEED}
        return run_name(point, self.names)


def make_plan(points: Sequence[Point], *, command: str, config: str, fixed: Point) -> Plan:
    """Names the runs of checked points.

    Raises:
      UserError: an option is both an axis and fixed.
    """
    names = list(dict.fromkeys(name for point in points for name in point))
    for name in names:
        if name in fixed:
            raise UserError(f'{name} is an axis and fixed by --config.{name}: give it once.')
    return Plan(command, config, fixed, {run_name(point, names): point for point in points})


def write_plan(plan: Plan, folder: str | os.PathLike) -> None:
    """Writes sweep.json.

    Raises:
      UserError: as `refuse_other`.
    """
    refuse_other(plan, folder)
    axes = [
        {
            'name': name,
            'values': _distinct(point[name] for point in plan.runs.values() if name in point),
        }
        for name in plan.names
    ]
    runs = [{'name': name, 'overrides': point} for name, point in plan.runs.items()]
    content = {
        'command': plan.command,
        'config': plan.config,
        'fixed': plan.fixed,
        'axes': axes,
        'runs': runs,
    }
    files.write_text(pathlib.Path(folder) / 'sweep.json', json.dumps(content, indent=2) + '\n')


def refuse_other(plan: Plan, folder: str | os.PathLike) -> None:
    """Raises UserError if the folder holds a sweep of another config."""
    if (pathlib.Path(folder) / 'sweep.json').exists():
        config = read_plan(folder).config
        if config != plan.config:
            raise UserError(f'{folder} holds a sweep of {config}: choose another --workdir.')


def is_same(plan: Plan, folder: str | os.PathLike) -> bool:
    """Returns whether sweep.json holds the same runs, whatever command they were planned by."""
    try:
        return read_plan(folder)._replace(command=plan.command) == plan
    except UserError:
        return False


def read_plan(folder: str | os.PathLike) -> Plan:
    """Reads sweep.json.

    Raises:
      UserError: there is no sweep.json, or it is damaged.
    """
    path = pathlib.Path(folder) / 'sweep.json'
    try:
        content = reader.read_object(path)
        if content is None:
            raise UserError(f'{folder} holds no sweep: there is no sweep.json in it.')
        runs = {
            _checked(run['name']): {name: freeze(value) for name, value in run['overrides'].items()}
            for run in content['runs']
        }
        given = content['command'], content['config'], content['fixed']
        if list(map(type, given)) != [str, str, dict] or not runs:
            raise ValueError('a command, a config and fixed options belong to runs')
        return Plan(*given, runs)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f'{path} cannot be read ({error!r}): restore or remove it.') from None


def left(
    plan: Plan,
    name: str,
    folder: pathlib.Path,
    config: ConfigDict,
    *,
    train: Sequence[str],
    evaluate: Sequence[str] | None,
    measured: Mapping[str, Any],
) -> Task | None:
    """Returns what is left to do for a run; None if it is done.

    A run is trained if run.json says 'finished' and config.json holds its config. It is
    evaluated if the last line of evaluations.jsonl belongs to its last step and to the flags
    `measured`.

    Args:
      plan: the plan of the sweep.
      name: the run.
      folder: the sweep's folder.
      config: the config with the plan's fixed overrides.
      train: the program that takes --config and --workdir.
      evaluate: the program that takes --workdir; None to train only.
      measured: the flags `extractor`, `num` and `measure` of `evaluate`, as far as they are given.
    """
    point, workdir, commands = plan.runs[name], folder / name, []
    if not _is_trained(workdir, override(config, point)):
        flags = [flag(*item) for item in (plan.fixed | point).items()]
        commands.append((*train, f'--config={plan.config}', *flags, f'--workdir={workdir}'))
    if evaluate and (commands or not _is_evaluated(workdir, measured)):
        how = [f'--{key}={value}' for key, value in measured.items()]
        commands.append((*evaluate, f'--workdir={workdir}', *how))
    return Task(name, workdir, tuple(commands)) if commands else None


def read_info(workdir: pathlib.Path) -> dict[str, Any]:
    """Returns run.json; {} if there is none yet, or a shared file system cannot read it now."""
    with contextlib.suppress(UserError):
        return reader.read_info(workdir)
    return {}


def _is_trained(workdir: pathlib.Path, config: dict[str, Any]) -> bool:
    if read_info(workdir).get('status') != 'finished':
        return False
    return _computed(reader.read_config(workdir) or {}) == _computed(config)


def _computed(config: dict[str, Any]) -> dict[str, Any]:
    """Leaves out config.run, which does not change what a run computes."""
    return {name: section for name, section in config.items() if name != 'run'}


def _is_evaluated(workdir: pathlib.Path, measured: Mapping[str, Any]) -> bool:
    run = reader.read(workdir)
    last = run.evaluations[-1] if run.evaluations else {}
    asked = measured['measure'].split(',') if 'measure' in measured else ()
    return (
        last.get('step') == run.info.get('step')
        and set(asked) <= last.get('metrics', {}).keys()
        and measured.get('extractor', last.get('extractor')) == last.get('extractor')
        and measured.get('num', last.get('num_images')) == last.get('num_images')
    )


def _checked(name: str) -> str:
    if not is_run_name(name):
        raise ValueError(f'{name!r} is not the name of a run')
    return name


def _distinct(values: Iterable[Any]) -> list[Any]:
    distinct = []
    for value in values:
        if value not in distinct:
            distinct.append(value)
    return distinct
