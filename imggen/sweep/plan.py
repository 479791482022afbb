"""The plan of a sweep: its runs by name, what lies on disk of them, and what is left to do."""

import json
import os
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from imggen.errors import UserError
from imggen.sweep.points import SEED, Point, flag, freeze, is_run_name, override, run_name
from imggen.workdir import reader

TRAIN = (sys.executable, '-m', 'experiments.train')
EVALUATE = (sys.executable, '-m', 'experiments.evaluate')


class Task(NamedTuple):
    """What is left to do for one run: its name, its workdir, and commands in order."""

    name: str
    workdir: pathlib.Path
    commands: tuple[tuple[str, ...], ...]


class Plan(NamedTuple):
    """What sweep.json holds.

    Attributes:
      command: how the sweep was started.
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
        """Returns what a run is besides its seed: 'loss=hinge'."""
        point = {key: value for key, value in self.runs[name].items() if key != SEED}
        return run_name(point, self.names)


def make_plan(points: Sequence[Point], *, command: str, config: str, fixed: Point) -> Plan:
    """Names the runs of checked points."""
    names = list(dict.fromkeys(name for point in points for name in point))
    for name in names:
        if name in fixed:
            raise UserError(f'{name} is an axis and fixed by --config.{name}: give it once.')
    return Plan(command, config, fixed, {run_name(point, names): point for point in points})


def write_plan(plan: Plan, folder: str | os.PathLike) -> None:
    """Writes sweep.json; a folder with the sweep of another config is refused."""
    folder = pathlib.Path(folder)
    if (folder / 'sweep.json').exists():
        config = read_plan(folder).config
        if config != plan.config:
            raise UserError(f'{folder} holds a sweep of {config}: choose another --workdir.')
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
    replace_text(folder / 'sweep.json', json.dumps(content, indent=2) + '\n')


def read_plan(folder: str | os.PathLike) -> Plan:
    """Reads sweep.json; raises UserError if there is none, or it is damaged."""
    path = pathlib.Path(folder) / 'sweep.json'
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        runs = {
            _checked(run['name']): {name: freeze(value) for name, value in run['overrides'].items()}
            for run in content['runs']
        }
        return Plan(content['command'], content['config'], content['fixed'], runs)
    except FileNotFoundError:
        raise UserError(f'{folder} holds no sweep: there is no sweep.json in it.') from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f'{path} cannot be read ({error!r}): restore or remove it.') from None


def make_tasks(
    plan: Plan,
    folder: pathlib.Path,
    config: ConfigDict,
    *,
    train: Sequence[str] = TRAIN,
    evaluate: Sequence[str] | None = EVALUATE,
    measured: Mapping[str, Any] | None = None,
) -> list[Task]:
    """Returns one task a run that is not done.

    A run is trained if run.json says 'finished' and config.json is its config,
    and evaluated if the last line of evaluations.jsonl is of its last step and was
    measured as asked. What is half done is continued by the same command.

    Args:
      plan: the runs.
      folder: the sweep's folder.
      config: the config with the plan's fixed overrides.
      train: the program that takes --config and --workdir.
      evaluate: the program that takes --workdir; None to train only.
      measured: how to evaluate: its flags `extractor`, `num` and `measure`.
    """
    tasks = []
    measured = measured or {}
    how = [f'--{name}={value}' for name, value in measured.items()]
    for name, point in plan.runs.items():
        workdir = folder / name
        commands = []
        if not _is_trained(workdir, override(config, point)):
            flags = [flag(*item) for item in (plan.fixed | point).items()]
            commands.append((*train, f'--config={plan.config}', *flags, f'--workdir={workdir}'))
        if evaluate and (commands or not _is_evaluated(workdir, measured)):
            commands.append((*evaluate, f'--workdir={workdir}', *how))
        if commands:
            tasks.append(Task(name, workdir, tuple(commands)))
    return tasks


def read_info(workdir: pathlib.Path) -> dict[str, Any]:
    """Returns run.json, {} while there is none."""
    try:
        info = json.loads((workdir / 'run.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def replace_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.partial')
    partial.write_text(text, encoding='utf-8')
    partial.replace(path)


def _is_trained(workdir: pathlib.Path, config: dict[str, Any]) -> bool:
    if read_info(workdir).get('status') != 'finished' or not (workdir / 'config.json').exists():
        return False
    return _computed(reader.read(workdir).config) == _computed(config)


def _computed(config: dict[str, Any]) -> dict[str, Any]:
    """Leaves out config.run, which says how a run is watched and not what it computes."""
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
        raise ValueError(f'{name!r} is no name of a run')
    return name


def _distinct(values: Iterable[Any]) -> list[Any]:
    distinct = []
    for value in values:
        if value not in distinct:
            distinct.append(value)
    return distinct
