"""Reading runs: what is there is read as it lies, what is torn or missing is tolerated."""

import json
import subprocess
import sys

import numpy as np
import pytest

from imggen.errors import UserError
from imggen.workdir import reader, records
from tests.helpers import made_runs

_EMPTY = json.dumps({'format': reader.FORMAT})


def test_a_run_is_read_as_it_lies(tmp_path):
    config = made_runs.config_of(seed=3)
    folder = made_runs.write_run(tmp_path / 'run', config=config, records=40, sheets=3, size=8)
    run = reader.read(folder)
    assert run.name == 'run'
    assert run.config == config
    assert run.info['status'] == 'finished'
    assert run.records.scalars['generator_loss'].steps.tolist() == list(range(100, 4001, 100))
    assert run.records.steps == (100, 4000)
    assert run.records.phases == [(100, 'train')]
    assert run.evaluations[0]['num_generated'] == 10000
    assert [(step, path.name) for step, path in run.samples] == [
        (0, '000000.png'),
        (2000, '002000.png'),
        (4000, '004000.png'),
    ]


def test_a_config_alone_is_a_run(tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps({'format': reader.FORMAT, 'seed': 1}))
    run = reader.read(tmp_path)
    assert run == (tmp_path, tmp_path.name, {'seed': 1}, {}, records.NO_RECORDS, [], [])


@pytest.mark.parametrize('kept', range(len(b'{"step": 2, "loss": 0.5}\n')))
def test_a_torn_last_line_is_dropped_wherever_it_tore(tmp_path, kept):
    whole = b'{"step": 1, "loss": NaN}\n'
    torn = b'{"step": 2, "loss": 0.5}\n'[:kept]
    (tmp_path / 'config.json').write_text(_EMPTY)
    (tmp_path / 'metrics.jsonl').write_bytes(whole + torn)
    steps = [record['step'] for record in records.read_lines(tmp_path / 'metrics.jsonl')]
    assert steps == ([1, 2] if torn.endswith(b'}') else [1])


def test_a_last_line_torn_inside_a_letter_is_dropped(tmp_path):
    (tmp_path / 'config.json').write_text(_EMPTY)
    torn = '{"step": 1, "note": "é'.encode()[:-1]
    (tmp_path / 'evaluations.jsonl').write_bytes(torn)
    assert reader.read(tmp_path).evaluations == []


@pytest.mark.parametrize(
    'damaged',
    [
        b'{"st',
        b'[2]',
        b'2',
        b'{"step": 2},{"step": 2}',
        b'{"step": 2}{"step": 2}',
        b'{"step": "2"}',
        b'{"step": -1}',
        b'{"loss": 1.0}',
        b'\xff\xfe{"step": 2}',
        b'\0' * 64,
        b'[' * 100_000,
        b'x' * (records._BLOCK_BYTES * 2 + 1),
    ],
)
def test_a_damaged_line_costs_that_line_alone_and_is_named(tmp_path, caplog, damaged):
    (tmp_path / 'config.json').write_text(_EMPTY)
    path = tmp_path / 'metrics.jsonl'
    path.write_bytes(b'{"step": 1, "a": 1}\n' + damaged + b'\n\n{"step": 3, "a": 3}\n')
    assert reader.read(tmp_path).records.scalars['a'].values.tolist() == [1, 3]
    assert [record['step'] for record in records.read_lines(path)] == [1, 3]
    said = caplog.records[0].getMessage()
    assert said == f'{path}: line 2 is damaged and left out.'


def test_two_torn_lines_that_together_are_a_record_are_not_one(tmp_path, caplog):
    path = tmp_path / 'metrics.jsonl'
    path.write_text('{"step": 1}\n{"step": 2\n"loss": 5}\n{"step": 3}\n')
    assert [record['step'] for record in records.read_lines(path)] == [1, 3]
    assert 'line 2 and 1 more are damaged' in caplog.records[0].getMessage()


def test_a_long_file_is_thinned_for_plots_and_keeps_what_is_rare(tmp_path, monkeypatch):
    path = tmp_path / 'metrics.jsonl'
    lines = [{'step': step, 'loss': 1.0} for step in range(2000)]
    lines[501] = {'step': 501, 'loss': float('nan')}
    lines[777] = {'step': 777, 'frechet': 3.0, 'kid': 1.0}
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    monkeypatch.setattr(records, '_PLOT_BYTES', path.stat().st_size // 4)
    thin = records.read_records(path, thin=True)
    assert thin.every == 5
    assert 300 < len(thin.scalars['loss'].values) < 500
    assert np.isnan(thin.scalars['loss'].values).sum() == 1
    assert thin.scalars['frechet'].steps.tolist() == [777]
    assert thin.last['loss'] == (1.0, 1999)
    assert len(records.read_records(path).scalars['loss'].values) == 1999


@pytest.mark.parametrize('kinds', [['"kid": 1, "frechet"'], ['"kid"', '"kid": NaN, "a"'] * 3])
def test_a_long_file_is_thinned_even_if_its_lines_alternate(tmp_path, monkeypatch, kinds):
    path = tmp_path / 'metrics.jsonl'
    kinds = ['"loss"', *kinds]
    lines = [f'{{"step": {step}, {kinds[step % len(kinds)]}: 1}}\n' for step in range(8000)]
    path.write_text(''.join(lines))
    monkeypatch.setattr(records, '_PLOT_BYTES', path.stat().st_size // 7)
    thin = records.read_records(path, thin=True)
    assert thin.every == 8
    read = len({step for scalar in thin.scalars.values() for step in scalar.steps})
    assert 800 < read < 1200


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('config.json', {'seed': [0]}),
        ('config.json', {'seed': True}),
        ('config.json', {'method': 'gan'}),
        ('run.json', {'status': ['finished']}),
        ('run.json', {'seconds': 'long'}),
        ('run.json', {'step': 1e9}),
        ('run.json', {'error': {}}),
        ('run.json', {'batch': {'image': [[10**6, 10**6], 'float32']}}),
        ('run.json', {'batch': {'image': [[1], 'object']}}),
        ('evaluations.jsonl', {'step': 1, 'metrics': [1.0]}),
        ('evaluations.jsonl', {'step': 1, 'metrics': {'frechet': 'good'}}),
        ('evaluations.jsonl', {'step': 1, 'num_floor': 3}),
    ],
)
def test_a_field_of_a_wrong_type_is_named_with_its_file(tmp_path, name, value):
    (tmp_path / 'config.json').write_text(_EMPTY)
    (tmp_path / name).write_text(json.dumps({'format': reader.FORMAT} | value))
    with pytest.raises(UserError, match=rf'{name} has \w+=.* which is not .*; restore it'):
        reader.read(tmp_path)


def test_values_that_are_no_numbers_leave_the_others_of_their_name(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    values = [1, 'text', None, True, [1], 10**400, 1e300, float('nan'), 2.5]
    lines = [json.dumps({'step': step, 'a': value}) for step, value in enumerate(values)]
    path.write_text('\n'.join(lines))
    found = records.read_records(path)
    assert found.scalars['a'].steps.tolist() == [0, 5, 6, 7, 8]
    np.testing.assert_array_equal(found.scalars['a'].values, [1, *[np.nan] * 3, 2.5])
    assert found.last['a'] == (2.5, 8)


def test_columns_are_those_of_the_lines_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(records, '_BLOCK_BYTES', 100)
    path = tmp_path / 'metrics.jsonl'
    lines = [{'step': step, 'phase': 'ab'[step > 7], 'a': step / 3} for step in range(20)]
    lines[11] = {'step': 11, 'b': 1.0}
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    found = records.read_records(path)
    kept = [line for line in lines if 'a' in line]
    assert found.scalars['a'].steps.tolist() == [line['step'] for line in kept]
    assert found.scalars['a'].values.tolist() == [line['a'] for line in kept]
    assert found.phases == [(0, 'a'), (8, 'b')]
    assert found.steps == (0, 19)
    assert records.read_lines(path) == lines


@pytest.mark.parametrize('text', ['', '[]', '{"seed": '])
def test_a_damaged_config_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / 'config.json').write_text(text)
    with pytest.raises(UserError, match=r'config\.json'):
        reader.read(tmp_path)


def test_a_folder_without_runs_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r'no config\.json'):
        reader.read(tmp_path)
    with pytest.raises(UserError, match='holds no run'):
        reader.find(tmp_path)
    with pytest.raises(UserError, match='not a folder'):
        reader.find(tmp_path / 'missing')


def test_a_name_that_is_too_long_is_one_sentence():
    with pytest.raises(UserError, match='File name too long'):
        reader.read('x' * 300)


def test_find_takes_a_run_a_sweep_and_a_folder_of_both(tmp_path):
    sweep = tmp_path / 'all/sweep'
    made_runs.write_sweep(sweep, losses=['hinge', 'aux'], widths=[8], seeds=1, records=10, sheets=0)
    made_runs.write_run(tmp_path / 'all/alone', records=10, sheets=0)
    assert [run.name for run in reader.find(tmp_path / 'all/alone')] == ['alone']
    # The sweep's order, which is not that of the names.
    in_order = ['loss=hinge,width=8,seed=0', 'loss=aux,width=8,seed=0']
    assert [run.name for run in reader.find(sweep)] == in_order
    assert reader.planned(sweep) == in_order
    everything = [run.name for run in reader.find(tmp_path / 'all')]
    assert everything == ['alone', *(f'sweep/{name}' for name in sorted(in_order))]


def test_a_run_of_a_sweep_that_has_not_started_is_left_out(tmp_path):
    made_runs.write_sweep(
        tmp_path / 'sweep', losses=['hinge'], widths=[8], seeds=2, records=10, sheets=0
    )
    (tmp_path / 'sweep/loss=hinge,width=8,seed=0/config.json').unlink()
    assert [run.name for run in reader.find(tmp_path / 'sweep')] == ['loss=hinge,width=8,seed=1']
    assert len(reader.planned(tmp_path / 'sweep')) == 2


def test_a_sweep_that_names_a_folder_elsewhere_reads_nothing_there(tmp_path):
    made_runs.write_run(tmp_path / 'elsewhere', records=10, sheets=0)
    made_runs.write_run(tmp_path / 'sweep/inside', records=10, sheets=0)
    plan = {'runs': [{'name': '../elsewhere'}, {'name': 'inside'}]}
    (tmp_path / 'sweep/sweep.json').write_text(json.dumps(plan))
    assert [run.name for run in reader.find(tmp_path / 'sweep')] == ['inside']


def test_flatten_joins_keys_with_dots():
    config = {'seed': 0, 'method': {'name': 'gan', 'betas': [0.5, 0.9], 'loss': {'kind': 'a'}}}
    assert reader.flatten(config) == {
        'seed': 0,
        'method.name': 'gan',
        'method.betas': [0.5, 0.9],
        'method.loss.kind': 'a',
    }
    assert reader.flatten({'data': {}}) == {'data': {}}


def test_differing_names_values_that_change_or_are_missing(tmp_path):
    configs = [
        {'seed': 0, 'method': {'name': 'gan', 'loss': 'a'}, 'data': {'size': 8}},
        {'seed': 1, 'method': {'name': 'gan', 'loss': 'a'}, 'data': {'size': 8}},
        {'seed': 2, 'method': {'name': 'gan', 'loss': 'a', 'decay': None}, 'data': {'size': 8}},
    ]
    made = [
        reader.Run(tmp_path, str(index), config, {}, records.NO_RECORDS, [], [])
        for index, config in enumerate(configs)
    ]
    assert reader.differing(made) == ['seed', 'method.decay']
    assert reader.differing(made[:1]) == []


def test_reading_runs_needs_no_jax():
    code = 'import imggen.workdir.reader, imggen.report, sys; assert "jax" not in sys.modules'
    subprocess.run([sys.executable, '-c', code], check=True)
