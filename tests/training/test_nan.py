"""NaN in a run: it stops or goes back, says where and what, and equal runs stay equal."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from imggen import methods
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.training import train
from imggen.workdir import reader
from tests.helpers import cases, processes

NUM_STEPS = 12


@struct.dataclass
class State:
    trace: jax.Array
    step: jax.Array


@pytest.fixture
def fragile(monkeypatch):
    """A method whose loss is NaN at step 7, or where a draw says so."""

    def make(section, *, axis_name=None):
        limit = section['limit']

        def init(key, frozen, batch):
            return State(jnp.zeros(NUM_STEPS), jnp.int32(0))

        def step(key, state, frozen, batch):
            value = jax.random.uniform(key)
            loss = jnp.where((state.step == 7) & (value < limit), jnp.nan, value)
            return State(state.trace.at[state.step].set(value), state.step + 1), {'loss': loss}

        def sample(image_keys, state, frozen, batch):
            return {'generated': jnp.zeros((len(image_keys), 8, 8, 1))}

        return Method(init, (Phase('train', NUM_STEPS, step),), sample)

    monkeypatch.setitem(methods.METHODS, 'fragile', make)


def config(limit: float, **run):
    return {
        'seed': 0,
        'data': {'name': 'none'},
        'method': {'name': 'fragile', 'limit': limit},
        'run': {'log_every_steps': 3, 'checkpoint_every_steps': 5, 'on_nan': 'restart', **run},
    }


def info(workdir):
    return reader.read(workdir).info


def test_a_run_that_may_restarts_from_its_last_checkpoint_with_another_key(fragile, tmp_path):
    stopped, restarted = tmp_path / 'stopped', tmp_path / 'restarted'
    limit = 1.1 * float(_draw(tmp_path / 'draws'))
    sentence = (
        'loss became NaN or infinite at step 7; the last good checkpoint is step 5: run the same '
        'command with --config.run.on_nan=restart'
    )
    with pytest.raises(UserError, match=sentence):
        train.train(config(limit, on_nan='stop'), stopped)
    assert info(stopped)['status'] == 'failed' and sentence in info(stopped)['error']
    # The advice can be followed, and gives what a run gives that had the option from the start.
    result = train.train(config(limit), restarted)
    again = train.train(config(limit), stopped)
    cases.assert_equal_bits(again.state, result.state)
    restarts = info(restarted)['restarts']
    assert restarts == info(stopped)['restarts'] and 1 <= len(restarts) <= train.MAX_RESTARTS
    assert restarts[0] == {'step': 7, 'names': ['loss'], 'from': 5}
    steps = [record['step'] for record in processes.records(restarted)]
    assert steps == [3, 5, 6, 9, 10, 12]
    # Killed before its last checkpoint, it goes on with the key that it had.
    shutil.rmtree(restarted / 'checkpoints' / '12')
    cases.assert_equal_bits(train.train(config(limit), restarted).state, result.state)
    # Back before the restart: the steps until there have their first key.
    shutil.rmtree(restarted / 'checkpoints')
    cases.assert_equal_bits(train.train(config(limit), restarted).state, result.state)


def _draw(workdir):
    """Returns the draw of step 7 of a run without NaN."""
    return np.asarray(train.train(config(0.0), workdir).state.trace)[7]


def test_a_run_restarts_three_times_at_most(fragile, tmp_path):
    sentence = 'continued with other random numbers 3 times .* step 5: train with other options'
    with pytest.raises(UserError, match=sentence):
        train.train(config(2.0), tmp_path)
    assert [restart['from'] for restart in info(tmp_path)['restarts']] == [5, 5, 5]


@pytest.mark.parametrize(
    'run, sentence',
    [
        ({'on_nan': 'ignore'}, r"config\.run\.on_nan='ignore' is not 'stop' or 'restart'\."),
        ({'extractor': 'vgg'}, r"config\.run\.extractor='vgg' is no extractor: .*vgg16"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(tmp_path, run, sentence):
    with pytest.raises(UserError, match=sentence):
        train.train(config(0.0, **run), tmp_path / 'never')
    assert not (tmp_path / 'never').exists()
