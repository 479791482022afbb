"""EBGAN and BEGAN: which network learns from what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.losses import energy
from tests.helpers import cases

KEYS = [jax.random.key(5), jax.random.key(6)]


def start(name, **changes):
    method, batch = cases.method(name, **changes), cases.source().batch(0)
    return method, batch, jax.jit(method.init)(jax.random.key(0), (), batch)


def trained(name, network, **changes):
    """Returns the parameters of a network after one step, with either of two keys."""
    method, batch, state = start(name, **changes)
    step = jax.jit(method.phases[0].step)
    return [getattr(step(key, state, (), batch)[0], network).params for key in KEYS]


def equal(one, other):
    return all(map(jnp.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def test_the_evaluator_learns_from_generated_images_only_within_the_margin():
    assert equal(*trained('ebgan', 'evaluator', margin=0.0))
    assert not equal(*trained('ebgan', 'evaluator', margin=10.0))


def test_the_balance_follows_its_equation_and_starts_without_generated_images():
    method, batch, state = start('began', gamma=0.5, gain=0.3)
    step = jax.jit(method.phases[0].step)
    new, metrics = step(KEYS[0], state, (), batch)
    assert metrics['ratio'] == 0.0
    expected = 0.3 * (0.5 * metrics['real_energy'] - metrics['fake_energy'])
    np.testing.assert_allclose(new.control, np.clip(expected, 0, 1), rtol=1e-5)
    assert equal(new.evaluator.params, step(KEYS[1], state, (), batch)[0].evaluator.params)

    attentive = state.replace(control=jnp.float32(0.9))
    new, metrics = step(KEYS[0], attentive, (), batch)
    expected = 0.9 + 0.3 * (0.5 * metrics['real_energy'] - metrics['fake_energy'])
    np.testing.assert_allclose(new.control, np.clip(expected, 0, 1), rtol=1e-5)
    np.testing.assert_allclose(
        metrics['evaluator_loss'], metrics['real_energy'] - 0.9 * metrics['fake_energy'], rtol=1e-5
    )
    np.testing.assert_allclose(
        metrics['convergence'],
        energy.convergence(metrics['real_energy'], metrics['fake_energy'], gamma=0.5),
    )
    assert not equal(new.evaluator.params, step(KEYS[1], attentive, (), batch)[0].evaluator.params)


@pytest.mark.parametrize('name', ['began', 'ebgan'])
def test_an_energy_is_one_error_per_image(name):
    method, batch, state = start(name)
    energies = jax.jit(method.energy)
    everything = energies(state, batch['image'])
    assert everything.shape == (cases.BATCH_SIZE,) and float(everything.min()) > 0
    np.testing.assert_allclose(energies(state, batch['image'][2:4]), everything[2:4], rtol=1e-5)
