"""The table: rows are stored one by one, and a side that fails leaves a sentence."""

import io
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from benchmarks import rows, sides, table
from imggen.training.precision import PRECISIONS
from tests.helpers import commands

ROOT = pathlib.Path(__file__).parents[2]
FUNCTIONS = 'tests.benchmarks.sides_of_rows'


def row(ours='works', theirs='', **how):
    return rows.Row(
        'some work',
        'one turn',
        f'{FUNCTIONS}.{ours}',
        theirs and f'{FUNCTIONS}.{theirs}',
        **how,
    )


@pytest.fixture(scope='module')
def run():
    with commands.imported('benchmarks.run') as module:
        yield module


@pytest.fixture
def table_of(run, monkeypatch, tmp_path):
    """Returns a function that runs the command over some rows and returns its table."""
    # The product of two matrices imports JAX; here it is another side that is done at once.
    monkeypatch.setattr(rows, 'MATRIX', (f'{FUNCTIONS}.works', {'flops': 10**9}))

    def make(found, *options):
        monkeypatch.setattr(rows, 'ROWS', found)
        with commands.flags_given(f'--output={tmp_path}/table.md', '--turns=2', *options):
            run.main(['run'])
        return (tmp_path / 'table.md').read_text()

    return make


def cells(page, name):
    return next(line for line in page.splitlines() if line.startswith(f'| {name} |')).split(' | ')


def test_a_row_has_both_sides_and_their_ratio(table_of):
    page = table_of({'quick': row(theirs='works', options={'flops': 10}, compiles=False)})
    found = dict(zip(table.COLUMNS, cells(page, 'quick'), strict=True))
    assert found['which'] == 'eager'
    assert float(found['imggen']) > 0 < float(found['PyTorch'])
    assert float(found['ratio'].split()[0]) > 0
    assert found['of a matrix product'].endswith('%')
    assert found['start s, cold / warm'].count('/') == 1


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [
        ('fails', 'ValueError: it cannot be done'),
        ('fails_later', 'RuntimeError: it stopped'),
        ('dies', 'the process ended with status 3'),
    ],
)
def test_a_side_that_fails_leaves_a_sentence_and_the_others_go_on(table_of, name, sentence):
    found = {'broken': row(ours='works', theirs=name, compiles=False), 'next': row()}
    page = table_of(found)
    assert f'* broken, eager: failed: {sentence}\n' in page
    assert float(cells(page, 'broken')[2]) > 0
    assert float(cells(page, 'next')[2]) > 0


def test_networks_of_different_sizes_are_not_compared(run):
    found = {'imggen': {'facts': {'parameters': 10}}, 'eager': {'facts': {'parameters': 1_000}}}
    run.check_parameters(found)
    assert found['eager'] == {'failed': 'it has 1,000 parameters, and ours has 10'}


def test_rows_survive_an_interruption_and_are_not_measured_again(table_of, run, monkeypatch):
    measured, measure = [], run.measure

    def interrupted(row, **how):
        measured.append(row)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return measure(row, **how)

    monkeypatch.setattr(run, 'measure', interrupted)
    found = {name: row() for name in ('first', 'second', 'third')}
    with pytest.raises(KeyboardInterrupt):
        table_of(found)
    page = table_of(found)
    assert measured == [found[name] for name in ('first', 'second', 'second', 'third')]
    assert all(cells(page, name) for name in found)
    table_of(found, '--again', '--only=third')
    assert measured[4:] == [found['third']]


def test_only_picks_rows_and_keeps_the_others(table_of):
    found = {name: row() for name in ('first', 'second')}
    page = table_of(found, '--only=second')
    assert '| first |' not in page
    page = table_of(found, '--only=first')
    assert page.index('| first |') < page.index('| second |')


def test_compilations_are_measured_if_they_are_named(table_of):
    found = {'first': row(), 'compile_a': row(turns=0), 'compile_b': row('fails', turns=0)}
    assert '| config |' not in table_of(found)
    page = table_of(found, '--only=compile_*')
    assert page.count('| some work | 0.0 / 0.0 |') == 1
    assert page.count('| some work | failed |') == 1


def test_an_unknown_row_is_refused(table_of, run):
    with pytest.raises(run.app.UsageError, match='--only=thrid: there are first'):
        table_of({'first': row()}, '--only=thrid')


@pytest.mark.parametrize('precision', ['float32', 'tensorfloat32', 'bfloat16'])
def test_all_sides_have_the_precision_and_the_steps(table_of, precision):
    found = {
        'steps': row('tells', theirs='tells', options={'steps': 2}, compiles=False),
        'none': row(theirs='works', compiles=False),
    }
    page = table_of(found, f'--precision={precision}', '--longer=3')
    assert f'; 6 steps in {precision}' in page
    assert f'; unknown hardware; {precision}; load' in page
    assert '| some work: 3 x one turn |' in page
    cell = dict(zip(table.COLUMNS, cells(page, 'steps'), strict=True))
    assert (cell['MiB'], cell["PyTorch's MiB"]) == ('7', '7')
    assert float(cell['imggen']) >= 0.05  # A turn ends when the device has finished.
    assert ('| none |' in page) == (precision == 'float32')


def test_precisions_are_those_of_training(run):
    assert run.flags.FLAGS['precision'].parser.enum_values == [*PRECISIONS]


def test_a_row_without_steps_has_no_other_precision(table_of, run):
    with pytest.raises(run.app.UsageError, match='--only=first: there are second'):
        found = {'first': row(), 'second': row('tells', options={'steps': 1})}
        table_of(found, '--only=first', '--precision=bfloat16')


def test_sides_are_chosen(table_of, run):
    found = {'both': row('tells', theirs='tells', options={'steps': 2}, compiles=False)}
    page = table_of(found, '--sides=eager')
    assert cells(page, 'both')[2] == ''
    assert cells(page, 'both')[4] == 'eager'
    with pytest.raises(run.app.UsageError, match='--sides=imagen: there are imggen'):
        table_of(found, '--sides=imagen')


def test_processes_with_one_lock_prepare_together_and_take_turns_one_by_one(tmp_path):
    log, script = tmp_path / 'log', tmp_path / 'script.py'
    script.write_text(
        'import sys\n'
        'from absl import app\n'
        'from benchmarks import rows, run\n'
        'options = {"path": sys.argv.pop(), "seconds": float(sys.argv.pop()), "steps": 1}\n'
        f'row = rows.Row("work", "turn", "{FUNCTIONS}.writes", options=options)\n'
        'rows.ROWS = {"writes": row}\n'
        'app.run(run.main)\n'
    )

    def start(seconds):
        flags = [f'--lock={tmp_path}/lock', '--turns=2', f'--output={tmp_path}/{seconds}.md']
        command = [sys.executable, script, *flags, str(seconds), log]
        subprocess.run(command, check=True, env={**os.environ, 'PYTHONPATH': str(ROOT)})

    # The second is still preparing when the first one could take its turns.
    threads = [threading.Thread(target=start, args=(seconds,)) for seconds in (1.0, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = [line.split() for line in log.read_text().splitlines()]
    assert [what for what, _ in events] == ['ready'] * 2 + ['begin', 'end'] * 4
    turns = [process for what, process in events if what == 'begin']
    assert turns[0] == turns[1] != turns[2] == turns[3]
    for seconds in (1.0, 4.0):
        (stored,) = map(json.loads, (tmp_path / f'{seconds}.jsonl').read_text().splitlines())
        assert 'start' not in stored['sides']['imggen']['facts']


def test_a_side_serves_turns_until_its_orders_end():
    answers = io.StringIO()
    sides.serve(f'{FUNCTIONS}.works', {}, io.StringIO('\n\n'), answers)
    ready, *turns = map(json.loads, answers.getvalue().splitlines())
    assert ready['version'] == '1.0'
    assert len(turns) == 2
    assert all(turn['seconds'] > 0 and turn['peak_mib'] >= 0 for turn in turns)


def test_growth_goes_on_after_the_points_that_it_has(monkeypatch, tmp_path):
    with commands.imported('benchmarks.growth') as growth:
        quick = growth.Curve(
            'a title', 'x', (1, 2), f'{FUNCTIONS}.works', lambda x: {}, lambda x: x, 'unit'
        )
        curves = dict.fromkeys(('a', 'b', 'c', 'd'), quick)
        monkeypatch.setattr(growth, 'CURVES', curves)
        stored = tmp_path / 'growth.jsonl'
        stored.write_text(json.dumps({'curve': 'a', 'value': 1, 'seconds': [1.0, 3.0, 2.0]}) + '\n')
        with commands.flags_given(f'--output={tmp_path}/growth.png', '--only=a'):
            growth.main(['growth'])
        points = growth.read(stored)
    assert points['a', 1] == [1.0, 3.0, 2.0]
    assert len(points['a', 2]) == 3
    assert 0 < (tmp_path / 'growth.png').stat().st_size < 150_000
