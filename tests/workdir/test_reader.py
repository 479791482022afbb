"""Reading runs: what is there is read as it lies, what is torn or missing is tolerated."""

import json
import subprocess
import sys

import pytest

from imggen.errors import UserError
from imggen.workdir import reader
from tests.helpers import made_runs

_EMPTY = json.dumps({'format': reader.FORMAT})


def test_a_run_is_read_as_it_lies(tmp_path):
    config = made_runs.config_of(seed=3)
    folder = made_runs.write_run(tmp_path / 'run', config=config, records=40, sheets=3, size=8)
    run = reader.read(folder)
    assert run.name == 'run'
    assert run.config == config
    assert run.info['status'] == 'finished'
    assert [record['step'] for record in run.records if 'generator_loss' in record] == [
        100 * index for index in range(1, 41)
    ]
    assert run.evaluations[0]['num_generated'] == 10000
    assert [(step, path.name) for step, path in run.samples] == [
        (0, '000000.png'),
        (2000, '002000.png'),
        (4000, '004000.png'),
    ]


def test_a_config_alone_is_a_run(tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps({'format': reader.FORMAT, 'seed': 1}))
    run = reader.read(tmp_path)
    assert run == (tmp_path, tmp_path.name, {'seed': 1}, {}, [], [], [])


@pytest.mark.parametrize('kept', range(len(b'{"step": 2, "loss": 0.5}\n')))
def test_a_torn_last_line_is_dropped_wherever_it_tore(tmp_path, kept):
    whole = b'{"step": 1, "loss": NaN}\n'
    torn = b'{"step": 2, "loss": 0.5}\n'[:kept]
    (tmp_path / 'config.json').write_text(_EMPTY)
    (tmp_path / 'metrics.jsonl').write_bytes(whole + torn)
    steps = [record['step'] for record in reader.read(tmp_path).records]
    assert steps == ([1, 2] if torn.endswith(b'}') else [1])


def test_a_last_line_torn_inside_a_letter_is_dropped(tmp_path):
    (tmp_path / 'config.json').write_text(_EMPTY)
    torn = '{"step": 1, "note": "é'.encode()[:-1]
    (tmp_path / 'evaluations.jsonl').write_bytes(torn)
    assert reader.read(tmp_path).evaluations == []


def test_damage_elsewhere_is_an_error_that_names_the_line(tmp_path):
    (tmp_path / 'config.json').write_text(_EMPTY)
    (tmp_path / 'metrics.jsonl').write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(UserError, match=r'metrics\.jsonl is damaged in line 2'):
        reader.read(tmp_path)
    (tmp_path / 'metrics.jsonl').write_text('{"step": 1}\n[2]\n')
    with pytest.raises(UserError, match='line 2'):
        reader.read(tmp_path)


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
        reader.Run(tmp_path, str(index), config, {}, [], [], [])
        for index, config in enumerate(configs)
    ]
    assert reader.differing(made) == ['seed', 'method.decay']
    assert reader.differing(made[:1]) == []


def test_reading_runs_needs_no_jax():
    code = 'import imggen.workdir.reader, imggen.report, sys; assert "jax" not in sys.modules'
    subprocess.run([sys.executable, '-c', code], check=True)
