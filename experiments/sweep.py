r"""Runs a config over axes and seeds, on this machine or a cluster, and compares the results.

python -m experiments.sweep --config=configs/gan_fashion_mnist.py --workdir=runs/losses
    --axis method.loss=nonsaturating,relativistic --axis seed=0..4 [--jobs=2]

Every --axis multiplies the number of runs. All --zip together are one axis: it takes the first
value of each, then the second of each. A config file may define axes with get_hyper(h), see
imggen/sweep/points.py; an --axis of the same option replaces them. Each run has a folder below
--workdir, named by what sets the run apart. All configs are checked before the first run starts.
The same command again continues interrupted runs, repeats failed ones and leaves finished ones
alone; started on several machines with a shared folder, it shares the runs among them. It writes
table.csv, table.md, table.html and the page report.html.

How the runs stand, and a sweep that outlives the terminal:

python -m experiments.sweep status runs/losses
python -m experiments.sweep ... --detach

A search draws trials from ranges (LOW:HIGH, LOW:HIGH:log) and lists. Every trial runs with every
seed of --axis seed. Optuna learns from the measure of earlier trials:

python -m experiments.sweep --config=configs/gan_fashion_mnist.py --workdir=runs/search
    --search=optuna --trials=30 --measure=frechet --jobs=2
    --axis method.learning_rate=1e-4:1e-2:log --axis method.loss=nonsaturating,relativistic

Sweeps of several configs in folders below one, such as runs/methods/gan and runs/methods/flow,
become one table: python -m experiments.sweep --table_only --workdir=runs/methods [--baseline=gan]

On a SLURM cluster, the runs are one job array:

python -m experiments.sweep ... --launcher=slurm --jobs=16
    --slurm=timeout_min=240 --slurm=gpus_per_node=1 --slurm=slurm_partition=gpu
"""

import ast
import os
import pathlib
import shlex
import signal
import sys
from functools import partial

from absl import flags

from imggen import cli, report
from imggen.errors import UserError
from imggen.sweep import (
    claims,
    failures,
    local,
    plan,
    points,
    rounds,
    search,
    standing,
    table,
    validate,
)
from imggen.sweep.monitor import watch
from imggen.sweep.slurm import Slurm
from imggen.workdir import reader

_CONFIG = cli.define_config()
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the sweep; made if missing.')
_AXES = flags.DEFINE_multi_string('axis', [], 'name=value,value or name=0..4; they multiply.')
_ZIPPED = flags.DEFINE_multi_string('zip', [], 'name=value,value; all of them are one axis.')
_SEARCH = flags.DEFINE_enum('search', None, ['random', 'optuna'], 'Draw trials from the axes.')
_TRIALS = flags.DEFINE_integer('trials', 20, 'Trials of a search.', lower_bound=1)
_SEARCH_SEED = flags.DEFINE_integer('search_seed', 0, 'Seed of the trials of a search.')
_LAUNCHER = flags.DEFINE_enum('launcher', 'local', ['local', 'slurm'], 'Where the runs run.')
_JOBS = flags.DEFINE_integer(
    'jobs', 1, 'Runs at a time; on this machine they share the cores.', lower_bound=1
)
_SLURM = flags.DEFINE_multi_string('slurm', [], 'name=value: a parameter of submitit.')
_EVALUATE = flags.DEFINE_bool('evaluate', True, 'Evaluate each run after its training.')
_EXTRACTOR = flags.DEFINE_string('extractor', None, 'As in experiments.evaluate.')
_NUM = flags.DEFINE_integer('num', None, 'As in experiments.evaluate.')
_MEASURE = flags.DEFINE_string('measure', None, 'As in experiments.evaluate.')
_DETACH = flags.DEFINE_bool(
    'detach', False, 'Go on in the background, also when the terminal is closed.'
)
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
    if argv[1:2] == ['status']:
        return _print_status(argv[2:])
    folder = _folder(argv[1:])
    if _TABLE_ONLY.value:
        return _write_table(folder)
    config, make_plan = _config()
    asked = {'extractor': _EXTRACTOR.value, 'num': _NUM.value, 'measure': _MEASURE.value}
    measured = {name: value for name, value in asked.items() if value is not None}
    left = partial(
        plan.left,
        folder=folder,
        config=config,
        train=train,
        evaluate=evaluate if _EVALUATE.value else None,
        measured=measured,
    )
    axes, seeds = _read_search(config) if _SEARCH.value else ((), ())
    planned = make_plan(points.product([_trials(axes), seeds]) if axes else _points(config))
    plan.refuse_other(planned, folder)
    _check_flags(planned)
    tasks = _tasks(planned, left)
    check({each.name: points.override(config, planned.runs[each.name]) for each in tasks}, measured)
    if _DRY_RUN.value:
        _print_tasks(planned, tasks)
        return 0
    plans = [planned]
    if _SEARCH.value == 'optuna':
        plans = _rounds(folder, axes, seeds, make_plan)
    if _DETACH.value and _detach(folder, planned.runs):
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = _run_all(plans, folder, left)
    if axes and _MEASURE.value:
        _print_best(folder, num_seeds=len(seeds))
    for name, reason in failed.items():
        print(f'failed: {name}: {reason}', file=sys.stderr)
    return 1 if failed else 0


def _folder(arguments):
    if arguments:
        raise UserError(
            f'{arguments[0]!r} is not an option: write --axis name=value,value, or status WORKDIR.'
        )
    if not _WORKDIR.value:
        raise UserError('--workdir is missing: name the folder of the sweep.')
    idle = [flag.name for flag in (_TRIALS, _SEARCH_SEED) if flag.present and not _SEARCH.value]
    if idle:
        raise UserError(f'--{idle[0]} does nothing without --search: give --search=random.')
    return pathlib.Path(_WORKDIR.value)


def _check_flags(planned):
    """Refuses what would be noticed after the runs."""
    _slurm_options()
    if _SEARCH.value and _MEASURE.value:
        search.is_less_better(_MEASURE.value.split(',')[0])
    if _BASELINE.value and _SEARCH.value != 'optuna':  # It asks for its trials one by one.
        table.check_baseline(_BASELINE.value, dict.fromkeys(map(planned.variant, planned.runs)))


def _config():
    """Returns the config with the overrides that all runs share, and (points) -> their plan."""
    if _CONFIG.value is None:
        raise UserError('--config is missing: name a file of configs/.')
    given, fixed = cli.given_config()
    config = _CONFIG.value
    # An option that the config file leaves at its default has no type until a flag sets it.
    written = reader.flatten(cli.load_config(given).to_dict())
    axes = {text.partition('=')[0] for text in (*_AXES.value, *_ZIPPED.value)}
    fixed = {name: value for name, value in fixed.items() if name in written or name not in axes}

    def make_plan(given_points):
        runs = points.check(given_points, config)
        if runs == [{}]:
            raise UserError('the sweep has no axis: give --axis name=value,value or get_hyper(h).')
        return plan.make_plan(runs, command=cli.command_line(), config=given, fixed=fixed)

    return config, make_plan


def _points(config):
    """Returns the points of the axes, and of the config's own get_hyper(h)."""
    texts = (*_AXES.value, *_ZIPPED.value)
    for text in texts:
        if search.is_range(text, config):
            raise UserError(f'the axis {text!r} is a range: give --search=random, too.')
    zipped = [points.parse_axis(text, config) for text in _ZIPPED.value]
    axes = [points.zipped(zipped)] if zipped else []
    axes += [points.parse_axis(text, config) for text in _AXES.value]
    asked = {name for axis in axes for point in axis for name in point}
    given, _ = cli.given_config()
    return points.product([points.without(_hyper(given.partition(':')[0]), asked), *axes])


def _read_search(config):
    """Returns the axes to search, and the points of the seeds: each trial runs with all of them."""
    if _ZIPPED.value:
        raise UserError('a search draws each axis by itself: leave out --zip.')
    texts = {text.partition('=')[0]: text for text in _AXES.value}
    if len(texts) < len(_AXES.value):
        raise UserError('an option is on two axes: give it once.')
    seeds = [{}]
    if text := texts.pop(points.SEED, None):
        seeds = points.parse_axis(text, config)
    if not texts:
        raise UserError('a search needs an axis: give --axis name=LOW:HIGH or name=value,value.')
    return [search.parse(text, config) for text in texts.values()], seeds


def _trials(axes):
    """Returns the trials of a random search; for another, those that try all that it may ask."""
    if _SEARCH.value == 'random':
        return search.random_trials(axes, _TRIALS.value, seed=_SEARCH_SEED.value)
    return search.corners(axes)


def _rounds(folder, axes, seeds, make_plan):
    """Returns the plans of a search that learns."""
    if not _MEASURE.value or not _EVALUATE.value:
        raise UserError('--search=optuna learns from a measure: give --measure=frechet.')
    measure = _MEASURE.value.split(',')[0]
    study = search.Study(folder, axes, seed=_SEARCH_SEED.value, measure=measure)
    return rounds.rounds(
        study,
        folder,
        make_plan,
        seeds=seeds,
        measure=measure,
        num_trials=_TRIALS.value,
        at_once=_JOBS.value,
    )


def _hyper(name):
    """Returns the points of the config's own get_hyper(h), or one empty point if it has none."""
    module = cli.load_config_module(name)
    return module.get_hyper(points.HYPER) if hasattr(module, 'get_hyper') else [{}]


def _run_all(plans, folder, left):
    """Runs one plan, or those of a search, and writes the table; returns why runs failed."""
    whole = plans[0] if isinstance(plans, list) else None  # None if the plan grows.

    def begin():
        failures.clear(folder)
        if whole:
            plan.write_plan(whole, folder)

    def joins():
        # The jobs of SLURM and a search that learns have one master.
        return _LAUNCHER.value == 'local' and whole and plan.is_same(whole, folder)

    failed = {}
    with claims.sweeping(folder, begin=begin, joins=joins):
        for each in plans:
            tasks = [task for task in _tasks(each, left) if task.name not in failed]
            failed |= _run(tasks, folder, num_runs=len(each.runs), left=partial(left, each))
            for name, reason in failed.items():
                failures.note(folder, name, reason)
        with claims.mutex(folder):
            _write_table(folder)
    return failed


def _tasks(planned, left):
    return [task for name in planned.runs if (task := left(planned, name)) is not None]


def _run(tasks, folder, *, num_runs, left):
    """Runs the tasks; returns why tasks failed, by name."""
    if not tasks:
        print(f'All {num_runs} runs are done.', file=sys.stderr)
        return {}
    if _LAUNCHER.value == 'slurm':
        launcher = Slurm(tasks, folder, jobs=_JOBS.value, options=_slurm_options())
    else:
        launcher = local.Local(tasks, folder, jobs=_JOBS.value, left=left)
    print(f'{len(tasks)} of {num_runs} runs to do, {launcher.where}.', file=sys.stderr)
    seconds = 5.0 if _LAUNCHER.value == 'slurm' else 0.5
    return watch(launcher, tasks, num_runs=num_runs, every_seconds=seconds)


def _detach(folder, names):
    """Goes on in a process without a terminal; returns whether this is the old process."""
    folder.mkdir(parents=True, exist_ok=True)
    for holder in sorted({claims.holder(folder, name) for name in names} - {None}):
        print(f'{holder} works on runs of this sweep: the two share them.')
    log = folder / 'sweep.log'
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    sys.stdout.flush()
    if child := os.fork():
        os.close(output)
        print(f'The sweep runs in process {child}; its output goes to {log}.')
        print(f'watch: {cli.as_typed("python -m experiments.sweep")} status {folder}')
        print(f'stop:  kill {child}')
        return True
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    return False


def _print_status(arguments):
    if len(arguments) != 1:
        raise UserError('status takes the folder of a sweep: write status WORKDIR.')
    print(standing.report(pathlib.Path(arguments[0])))
    return 0


def _print_best(folder, *, num_seeds):
    measure = _MEASURE.value.split(',')[0]
    found = rounds.means(folder, measure, num_seeds=num_seeds)
    if found:
        choose = min if search.is_less_better(measure) else max
        best = choose(found, key=found.get)
        print(f'best: {best}, {measure} {found[best]:.4g}')


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
        print(f'{name}:' if name in left else f'{name}: done')
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
