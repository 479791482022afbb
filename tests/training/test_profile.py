"""A trace of a few steps changes nothing else."""

import gzip
import json

import pytest

from imggen.errors import UserError
from imggen.training import dispatch, profile, train
from tests.helpers import cases, processes

NUM_STEPS = 12


@pytest.fixture
def config(tmp_path):
    data = {'name': 'idx', 'path': str(processes.write_set(tmp_path / 'set')), 'batch_size': 8}

    def config(**run):
        method = {'name': 'pixel_average', 'num_steps': NUM_STEPS, 'num_images': 20}
        run = {'num_samples': 4, 'log_every_steps': 5, 'checkpoint_every_steps': 6, **run}
        return {'seed': 0, 'method': method, 'data': data, 'run': run}

    return config


def test_a_traced_run_is_the_same_run(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dispatch, '_SECONDS', 1e9)
    plain = train.train(config(), tmp_path / 'plain')
    traced = train.train(config(profile_steps='3..8'), tmp_path / 'traced')
    cases.assert_equal_bits(traced.state, plain.state)
    assert processes.records(tmp_path / 'traced') == processes.records(tmp_path / 'plain')
    assert not (tmp_path / 'plain/profile').exists()
    assert f'the trace is in {tmp_path}/traced/profile' in capsys.readouterr().err
    (for_xprof,) = (tmp_path / 'traced/profile').rglob('*.xplane.pb')
    assert for_xprof.stat().st_size > 0
    (for_perfetto,) = (tmp_path / 'traced/profile').rglob('perfetto_trace.json.gz')
    events = json.loads(gzip.decompress(for_perfetto.read_bytes()))['traceEvents']
    names = [str(event.get('name')) for event in events]
    # The steps [3, 5) end a record, [5, 6) a checkpoint, and [6, 8) the trace.
    dispatched = [name for name in names if name.endswith('::Execute (jit__dispatch)')]
    count = sum(not name.startswith('[') for name in dispatched)  # [0] is a device.
    assert 0 < count <= 3, count  # A busy machine may lose events.


def test_a_run_that_stops_writes_what_was_traced(tmp_path):
    said = []
    with profile.Profile(steps=range(3, 8), folder=tmp_path, say=said.append) as tracing:
        tracing.start()
    assert len(list(tmp_path.rglob('*.xplane.pb'))) == len(said) == 1


@pytest.mark.parametrize(
    'steps, sentence',
    [
        ('100', "'100' is not FIRST..LAST: give two steps"),
        ('8..3', "'8..3' is not FIRST..LAST"),
        ('3..3', "'3..3' is not FIRST..LAST"),
        ('-1..3', "'-1..3' is not FIRST..LAST"),
        ('3..13', "'3..13' ends after the run, which has 12 steps"),
    ],
)
def test_a_wrong_range_is_one_sentence(config, tmp_path, steps, sentence):
    with pytest.raises(UserError, match=f'config.run.profile_steps={sentence}'):
        train.train(config(profile_steps=steps), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
