"""The bridge: its path starts at the input, and one input has many translations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import methods
from imggen.errors import UserError
from imggen.methods.translation import bridge

SECTION = {
    'name': 'bridge',
    'num_steps': 400,
    'network': {'features': (16, 16), 'heads': 0},
    'learning_rate': 3e-3,
    'warmup_steps': 10,
    'ema_half_life_images': 50.0,
}


def test_the_path_starts_at_the_input_or_at_the_mean_of_its_layers():
    x, noise = jnp.full((1, 2, 2, 3), 0.5), jnp.ones((1, 2, 2, 3))
    np.testing.assert_allclose(bridge.start(x, noise, 0.1), 0.6)
    layers = jnp.concatenate([jnp.full((1, 2, 2, 1), value) for value in (-1.0, 0.0)], -1)
    np.testing.assert_allclose(bridge.start(layers, noise, 0.0), jnp.full((1, 2, 2, 3), -0.5))


def test_an_input_with_two_answers_gets_either_where_their_mean_is_neither():
    """Targets are white or black, whatever the input: regression would say gray."""
    random = np.random.default_rng(0)
    side = np.where(random.random((16, 1, 1, 1)) > 0.5, 0.8, -0.8)
    target = jnp.asarray(np.broadcast_to(side, (16, 8, 8, 1)), jnp.float32)
    batch = {'input': jnp.zeros((16, 8, 8, 1)), 'target': target}
    method = methods.make(SECTION)
    state = method.init(jax.random.key(0), (), batch)

    def advance(state, key):
        return method.phases[0].step(key, state, (), batch)

    run = jax.jit(
        lambda state: jax.lax.scan(advance, state, jax.random.split(jax.random.key(1), 400))
    )
    state, _ = run(state)
    draw = jax.jit(method.sample)
    made = draw(jax.random.split(jax.random.key(2), 16), state, (), batch)['output']
    means = np.asarray(made).mean((1, 2, 3))
    assert (np.abs(means) > 0.5).mean() > 0.8
    assert (means > 0).any() and (means < 0).any()
    # What a file holds: inputs alone, and equal keys give equal pictures.
    alone = draw(jax.random.split(jax.random.key(2), 16), state, (), {'input': batch['input']})
    np.testing.assert_array_equal(alone['output'], made)
    assert 'target' not in alone


@pytest.mark.parametrize(
    'option, said',
    [
        ({'solver': 'rk4'}, 'solver'),
        ({'time': 'late'}, 'time'),
        ({'evaluations': 0}, 'set them to 1 or more'),
        ({'noise': -0.1}, 'to 0 or more'),
        ({'noise': float('nan')}, 'noise=nan'),
    ],
)
def test_wrong_options_are_one_sentence(option, said):
    with pytest.raises(UserError, match=said):
        methods.make(SECTION | option)
