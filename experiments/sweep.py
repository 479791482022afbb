r"""Runs a config over axes and seeds, on this machine or a cluster, and compares the results.

python -m experiments.sweep --config=configs/gan_fashion_mnist.py --workdir=runs/losses
    --axis method.loss=nonsaturating,relativistic --axis seed=0..4 [--jobs=2]

Every --axis multiplies the number of runs. All --zip together are one axis: it takes the first
value of each, then the second of each. A config file may define axes with get_hyper(h), see
imggen/sweep/points.py; an --axis of the same option replaces them. Each run has a folder below
--workdir, named by what sets the run apart. All configs are checked before the first run starts.
The same command again continues interrupted runs, repeats failed ones and leaves finished ones
alone. It writes table.csv, table.md, table.html and the page report.html.

Sweeps of several configs in folders below one, such as runs/methods/gan and runs/methods/flow,
become one table: python -m experiments.sweep --table_only --workdir=runs/methods [--baseline=gan]

On a SLURM cluster, the runs are one job array:

python -m experiments.sweep ... --launcher=slurm --jobs=16
    --slurm=timeout_min=240 --slurm=gpus_per_node=1 --slurm=slurm_partition=gpu
"""

import ast
import json
import pathlib
import shlex
import signal
import sys

from absl import flags

from imggen import cli, files, report
from imggen.errors import UserError
from imggen.sweep import local, plan, points, table, validate
from imggen.sweep.monitor import watch
from imggen.sweep.slurm import Slurm
from imggen.workdir import reader

_CONFIG = cli.define_config()
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the sweep; made if missing.')
_AXES = flags.DEFINE_multi_string('axis', [], 'name=value,value or name=0..4; they multiply.')
_ZIPPED = flags.DEFINE_multi_string('zip', [], 'name=value,value; all of them are one axis.')
_LAUNCHER = flags.DEFINE_enum('launcher', 'local', ['local', 'slurm'], 'Where the runs run.')
_JOBS = flags.DEFINE_integer(
    'jobs', 1, 'Runs at a time; on this machine they share the cores.', lower_bound=1
)
_SLURM = flags.DEFINE_multi_string('slurm', [], 'name=value: a parameter of submitit.')
_EVALUATE = flags.DEFINE_bool('evaluate', True, 'Evaluate each run after its training.')
_EXTRACTOR = flags.DEFINE_string('extractor', None, 'As in experiments.evaluate.')
_NUM = flags.DEFINE_integer('num', None, 'As in experiments.evaluate.')
_MEASURE = flags.DEFINE_string('measure', None, 'As in experiments.evaluate.')
_DRY_RUN = flags.DEFINE_bool(
    'dry_run', False, 'Check the runs and print their commands, but run nothing.'
)
_TABLE_ONLY = flags.DEFINE_bool('table_only', False, 'Only write the table of what has run.')
_BASELINE = flags.DEFINE_string(
    'baseline', None, 'The variant to compare with; by default the first.'
)


# The package is `experiments` in a clone, and `imggen.experiments` once installed.
_TRAIN_COMMAND = (sys.executable, '-m', f'{__package__}.train')
_EVALUATE_COMMAND = (sys.executable, '-m', f'{__package__}.evaluate')


def main(argv, *, train=_TRAIN_COMMAND, evaluate=_EVALUATE_COMMAND, check=validate.check):
    """Runs the sweep; returns the exit status, 1 if a run failed.

    The programs that train and evaluate a run, and the check of the configs, are arguments so
    that tests can replace them.
    """
    if len(argv) > 1:
        raise UserError(f'{argv[1]!r} is not an option: write --axis name=value,value.')
    if not _WORKDIR.value:
        raise UserError('--workdir is missing: name the folder of the sweep.')
    folder = pathlib.Path(_WORKDIR.value)
    if _TABLE_ONLY.value:
        return _write_table(folder)
    config, planned = _plan()
    asked = {'extractor': _EXTRACTOR.value, 'num': _NUM.value, 'measure': _MEASURE.value}
    measured = {name: value for name, value in asked.items() if value is not None}
    evaluate = evaluate if _EVALUATE.value else None

    def tasks():
        return plan.make_tasks(
            planned, folder, config, train=train, evaluate=evaluate, measured=measured
        )

    to_do = tasks()
    check({task.name: points.override(config, planned.runs[task.name]) for task in to_do})
    if _DRY_RUN.value:
        _print_tasks(planned, to_do)
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with local.lock(folder) as lock:
        plan.write_plan(planned, folder)
        _write_failures(folder, {})
        failed = _run(tasks(), folder, num_runs=len(planned.runs), lock=lock)
        _write_failures(folder, failed)
        _write_table(folder)
    for name, reason in failed.items():
        print(f'failed: {name}: {reason}', file=sys.stderr)
    return 1 if failed else 0


def _plan():
    """Returns the config with the overrides that all runs share, and the plan."""
    if _CONFIG.value is None:
        raise UserError('--config is missing: name a file of configs/.')
    given, fixed = cli.given_config()
    config = _CONFIG.value
    zipped = [points.parse_axis(text, config) for text in _ZIPPED.value]
    axes = [points.zipped(zipped)] if zipped else []
    axes += [points.parse_axis(text, config) for text in _AXES.value]
    asked = {name for axis in axes for point in axis for name in point}
    # An option that the config file leaves at its default has no type until a flag sets it.
    written = reader.flatten(cli.load_config(given).to_dict())
    fixed = {name: value for name, value in fixed.items() if name in written or name not in asked}
    own = points.without(_hyper(given.partition(':')[0]), asked)
    runs = points.check(points.product([own, *axes]), config)
    if runs == [{}]:
        raise UserError('the sweep has no axis: give --axis name=value,value or get_hyper(h).')
    return config, plan.make_plan(runs, command=cli.command_line(), config=given, fixed=fixed)


def _hyper(name):
    """Returns the points of the config's own get_hyper(h), or one empty point if it has none."""
    module = cli.load_config_module(name)
    return module.get_hyper(points.HYPER) if hasattr(module, 'get_hyper') else [{}]


def _run(tasks, folder, *, num_runs, lock):
    """Runs the tasks; returns why tasks failed, by name."""
    if not tasks:
        print(f'All {num_runs} runs are done.', file=sys.stderr)
        return {}
    if _LAUNCHER.value == 'slurm':
        launcher = Slurm(tasks, folder, jobs=_JOBS.value, options=_slurm_options())
    else:
        launcher = local.Local(tasks, folder, jobs=_JOBS.value, lock=lock)
    print(f'{len(tasks)} of {num_runs} runs to do, {launcher.where}.', file=sys.stderr)
    seconds = 5.0 if _LAUNCHER.value == 'slurm' else 0.5
    return watch(launcher, tasks, folder, num_runs=num_runs, every_seconds=seconds)


def _write_failures(folder, failed):
    """Leaves failed.json, from which the report tells a run that failed from one to come."""
    files.write_text(folder / 'failed.json', json.dumps(failed, indent=2) + '\n')


def _slurm_options():
    options = {}
    for text in _SLURM.value:
        name, equals, value = text.partition('=')
        if not equals:
            raise UserError(f'--slurm={text} has no value: write --slurm=name=value.')
        try:
            options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value
    return options


def _print_tasks(planned, tasks):
    left = {task.name: task.commands for task in tasks}
    for name in planned.runs:
        print(f'{name}: {"done" if name not in left else ""}')
        for command in left.get(name, ()):
            print(f'  {shlex.join(command)}')


def _write_table(folder):
    made = table.write(folder, baseline=_BASELINE.value)
    print(table.to_markdown(made))
    print(f'{folder / "table.html"}, table.md, table.csv')
    if any(row.summaries for row in made.rows):
        print(report.write([folder]))
    return 0


if __name__ == '__main__':
    cli.run(main)
