"""GFMN: generated images get the moments of real ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import keys, methods
from imggen.errors import UserError
from tests.helpers import cases

TINY = cases.CONFIGS['moments']


def start(**changes):
    method = methods.make({**TINY, **changes})
    state = jax.jit(method.init)(jax.random.key(0), method.frozen, cases.source().batch(0))
    return method, state


def test_the_first_phase_measures_all_batches_alike():
    method, state = start(pixel_weight=1.0)  # Pixels as they are.
    step = jax.jit(method.phases[0].step)
    batches = [cases.source().batch(index) for index in range(3)]
    for batch in batches:
        state, _ = step(jax.random.key(1), state, method.frozen, batch)
    pixels = np.concatenate([batch['image'].reshape(8, -1) for batch in batches])
    np.testing.assert_allclose(state.real['mean'], pixels.mean(0), atol=1e-6)
    np.testing.assert_allclose(state.real['square'], np.square(pixels).mean(0), atol=1e-6)
    assert state.student.step == 0


def test_the_second_phase_under_pmap_gives_what_jit_gives():
    """The tests of all methods cover the first phase. Here variances cross devices."""
    method, state = start()
    mapped = methods.make(TINY, axis_name='devices')
    batch = cases.source().batch(0)
    state, _ = jax.jit(method.phases[0].step)(jax.random.key(1), state, method.frozen, batch)
    pieces = jax.tree.map(lambda leaf: leaf.reshape(4, -1, *leaf.shape[1:]), batch)
    key = jax.random.key(5)
    expected, metrics = jax.jit(method.phases[1].step)(key, state, method.frozen, batch)
    step = jax.pmap(mapped.phases[1].step, axis_name='devices', in_axes=(None, None, None, 0))
    states, mapped_metrics = jax.device_get(step(key, state, method.frozen, pieces))
    for device in (0, 3):
        actual = jax.tree.map(lambda leaf, device=device: leaf[device], states)
        cases.assert_close(actual, expected, rtol=2e-3, atol=5e-4)
    for metric, value in metrics.items():
        np.testing.assert_allclose(
            mapped_metrics[metric][0], value, rtol=2e-3, atol=1e-5, err_msg=metric
        )


def test_generated_images_get_mean_and_spread_of_the_real_ones():
    method, state = start(
        num_steps=600, average_learning_rate=1e-3, pixel_weight=1.0, ema_half_life_images=100.0
    )

    def batch(index):
        levels = 0.3 + 0.4 * jax.random.normal(jax.random.key(index), (8, 1, 1, 1))
        return {'image': jnp.broadcast_to(jnp.clip(levels, -0.9, 0.9), (8, 8, 8, 1))}

    for phase, count in zip(method.phases, (60, 400), strict=True):
        step = jax.jit(phase.step)
        for index in range(count):
            state, metrics = step(jax.random.key(index), state, method.frozen, batch(index))
    made = method.sample(keys.per_image(jax.random.key(1), 200), state, method.frozen, batch(0))
    generated = made['generated']
    np.testing.assert_allclose(generated.mean(), 0.28, atol=0.1)
    np.testing.assert_allclose(generated.std(0).mean(), 0.38, atol=0.12)
    assert metrics['mean_gap'] < 0.3


def test_a_run_without_steps_for_the_generator_is_refused():
    with pytest.raises(UserError, match='leaves no step for the generator'):
        methods.make({**TINY, 'num_steps': 1})


@pytest.mark.parametrize(
    ('share', 'cure'),
    [
        (-0.1, ': set it to 0 or more, below 1'),
        (1.0, ': set it to 0 or more, below 1'),
        (float('nan'), ' is not a finite number'),
    ],
)
def test_an_impossible_share_is_refused(share, cure):
    with pytest.raises(UserError, match=f'measure_share={share}{cure}'):
        methods.make({**TINY, 'measure_share': share})
