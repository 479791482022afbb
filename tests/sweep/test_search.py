"""Searches: ranges, trials that depend on the seed alone, and a study that goes on."""

import json
import math
import re
import sys

import ml_collections
import pytest

from imggen.errors import UserError
from imggen.sweep import failures, plan, search, table
from imggen.sweep.rounds import rounds
from tests.helpers.made_sweep import OPTIONS, Sweep

_CONFIG = ml_collections.ConfigDict(OPTIONS)


@pytest.mark.parametrize(
    ('text', 'axis'),
    [
        ('method.sigma=1e-4:1:log', search.Range('method.sigma', 1e-4, 1.0, True)),
        ('method.sigma=0:1', search.Range('method.sigma', 0.0, 1.0, False)),
        ('run.num_steps=-3:5', search.Range('run.num_steps', -3, 5, False)),
        ('method.loss=a:b,hinge', search.Choice('method.loss', ('a:b', 'hinge'))),
        ('method.widths=(1,2),(3,)', search.Choice('method.widths', ((1, 2), (3,)))),
        ('run.num_steps=2..4', search.Choice('run.num_steps', (2, 3, 4))),
    ],
)
def test_an_axis_is_a_range_or_a_list(text, axis):
    found = search.parse(text, _CONFIG)
    assert found == axis and list(map(type, found)) == list(map(type, axis))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('method.sigma=1:0', 'is empty'),
        ('method.sigma=0:1:log', 'has no logarithm'),
        ('method.sigma=0:1:lin', 'no range of type float'),
        ('method.sigma=0:nan', 'no range of type float'),
        ('method.sigma=0:1:log:log', 'no range of type float'),
        ('run.num_steps=1:2.5', 'no range of type int'),
        ('method.sigm=0:1', "did you mean 'method.sigma'"),
    ],
)
def test_a_wrong_range_is_refused(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        search.parse(text, _CONFIG)


def test_random_trials_fill_their_ranges_and_depend_on_the_seed_alone():
    axes = [
        search.Range('rate', 1e-4, 1e-2, True),
        search.Range('size', 1, 4, False),
        search.Choice('loss', ('a', 'b')),
    ]
    trials = search.random_trials(axes, 4000, seed=0)
    assert trials[:7] == search.random_trials(axes, 7, seed=0)
    assert trials[:7] != search.random_trials(axes, 7, seed=1)
    decades = [math.floor(math.log10(trial['rate'])) for trial in trials]
    for values, each in [(decades, 2000), ([t['size'] for t in trials], 1000)]:
        counts = [values.count(value) for value in sorted(set(values) - {-2})]
        assert len(counts) * each == 4000 and all(abs(count - each) < 150 for count in counts)
    assert {type(trial['size']) for trial in trials} == {int}
    # Independent of each other.
    halves = sum((t['rate'] < 1e-3) == (t['loss'] == 'a') for t in trials)
    assert abs(halves - 2000) < 150
    assert all(float(f'{t["rate"]:.4g}') == t['rate'] for t in trials)


def test_corners_reach_every_end_and_choice():
    axes = [search.Range('a', 0.0, 1.0, False), search.Choice('b', ('x', 'y', 'z'))]
    assert search.corners(axes) == [
        {'a': 0.0, 'b': 'x'},
        {'a': 1.0, 'b': 'x'},
        {'a': 0.0, 'b': 'y'},
        {'a': 0.0, 'b': 'z'},
    ]


_AXES = [
    search.Range('method.sigma', 0.01, 10.0, True),
    search.Choice('method.widths', ((1, 2), (3,))),
]
_SEEDS = [{'seed': 0}, {'seed': 1}]


def _search(folder, *, num_trials, at_once=1):
    """Runs a search of what is best at sigma = 1; returns the trials."""
    study = search.Study(folder, _AXES, seed=0, measure='frechet')
    made = lambda points: plan.make_plan(points, command='x', config='c', fixed={})
    how = {'seeds': _SEEDS, 'measure': 'frechet', 'num_trials': num_trials, 'at_once': at_once}
    for planned in rounds(study, folder, made, **how):
        for name, point in planned.runs.items():
            workdir = folder / name
            if workdir.exists() or name in table.reader.failures(folder):
                continue
            if len(planned.runs) == 4 and point['seed'] == 1:  # One run of the second trial fails.
                failures.note(folder, name, 'no room')
                continue
            workdir.mkdir(parents=True)
            value = abs(math.log10(point['method.sigma'])) + point['seed']
            line = {'step': 1, 'metrics': {'frechet': value}}
            (workdir / 'config.json').write_text(json.dumps({'format': 2, 'seed': point['seed']}))
            (workdir / 'run.json').write_text('{"status": "finished", "step": 1}')
            (workdir / 'evaluations.jsonl').write_text(json.dumps(line) + '\n')
    return study.points()


def test_a_study_goes_on_where_it_stood_as_if_it_had_not_stopped(tmp_path):
    whole = _search(tmp_path / 'whole', num_trials=14)
    first = _search(tmp_path / 'cut', num_trials=5)
    assert first == whole[:5]
    assert _search(tmp_path / 'cut', num_trials=14) == whole
    assert len(list((tmp_path / 'cut').glob('sigma=*'))) == 2 * 14 - 1
    journal = (tmp_path / 'cut' / 'optuna.log').read_text()
    assert 'frechet' in journal and str(tmp_path) not in journal
    # After ten random trials it has learned where to look.
    error = [abs(math.log10(trial['method.sigma'])) for trial in whole]
    assert sum(error[10:]) / 4 < sum(error[:10]) / 10
    with pytest.raises(UserError, match='holds a search with other axes'):
        search.Study(tmp_path / 'cut', _AXES[:1], seed=0, measure='frechet')
    with pytest.raises(UserError, match='is no measure to search by: take one of frechet'):
        search.Study(tmp_path / 'cut', _AXES, seed=0, measure='loss')


def test_without_optuna_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'optuna', None)
    with pytest.raises(UserError, match=r"pip install 'imggen\[search\]'"):
        search.Study(tmp_path, _AXES, seed=0, measure='frechet')


def test_the_command_searches_and_continues(tmp_path):
    runs = Sweep(tmp_path)
    options = [
        '--search=optuna',
        '--measure=frechet',
        '--axis=method.sigma=0.1:1',
        '--axis=method.loss=hinge,wgan',
        '--jobs=2',
    ]
    assert runs.run(*options, '--trials=2').returncode == 0
    results = runs.results()
    result = runs.run(*options, '--trials=4')
    assert result.returncode == 0, result.stderr
    assert runs.results().items() > results.items()
    assert len(json.loads((runs.folder / 'sweep.json').read_text())['runs']) == 4
    (best,) = re.findall(r'^best: (.*), frechet (.*)$', result.stdout, re.MULTILINE)
    means = {row['variant']: float(row['frechet mean']) for row in runs.rows()}
    assert len(means) == 4 and min(means, key=means.get) == best[0]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--axis=method.sigma=0:1'], 'is a range: give --search=random'),
        (['--axis=seed=0', '--trials=3'], '--trials does nothing without --search'),
        (['--axis=seed=0', '--search=random'], 'a search needs an axis'),
        (['--axis=seed=0:9', '--search=random'], 'seed=0:9 is not of type int'),
        (['--axis=method.sigma=0:1', '--search=optuna'], 'give --measure=frechet'),
    ],
)
def test_a_wrong_search_is_refused_before_anything_starts(tmp_path, options, message):
    runs = Sweep(tmp_path)
    result = runs.run(*options)
    assert result.returncode == 1 and message in result.stderr
    assert not runs.folder.exists()
