"""EBGAN, BEGAN and the variational autoencoder: who learns from what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.evaluation.detection import SCORES
from imggen.losses import energy
from imggen.methods import vae
from tests.helpers import cases

KEYS = [jax.random.key(5), jax.random.key(6)]


def start(name, **changes):
    method, batch = cases.method(name, **changes), cases.source().batch(0)
    return method, batch, jax.jit(method.init)(jax.random.key(0), (), batch)


def players(name, player, **changes):
    """Returns a player after one step from either key: with other latents."""
    method, batch, state = start(name, **changes)
    step = jax.jit(method.phases[0].step)
    return [getattr(step(key, state, (), batch)[0], player).params for key in KEYS]


def equal(one, other):
    return all(map(jnp.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def test_the_evaluator_learns_from_generated_pictures_within_the_margin_only():
    assert equal(*players('ebgan', 'evaluator', margin=0.0))
    assert not equal(*players('ebgan', 'evaluator', margin=10.0))


def test_the_balance_follows_its_equation_and_starts_without_generated_pictures():
    method, batch, state = start('began', gamma=0.5, gain=0.3)
    step = jax.jit(method.phases[0].step)
    new, report = step(KEYS[0], state, (), batch)
    assert report['ratio'] == 0.0
    expected = 0.3 * (0.5 * report['real_energy'] - report['fake_energy'])
    np.testing.assert_allclose(new.control, np.clip(expected, 0, 1), rtol=1e-5)
    assert equal(new.evaluator.params, step(KEYS[1], state, (), batch)[0].evaluator.params)

    attentive = state.replace(control=jnp.float32(0.9))
    new, report = step(KEYS[0], attentive, (), batch)
    expected = 0.9 + 0.3 * (0.5 * report['real_energy'] - report['fake_energy'])
    np.testing.assert_allclose(new.control, np.clip(expected, 0, 1), rtol=1e-5)
    np.testing.assert_allclose(
        report['evaluator_loss'], report['real_energy'] - 0.9 * report['fake_energy'], rtol=1e-5
    )
    np.testing.assert_allclose(
        report['convergence'],
        energy.convergence(report['real_energy'], report['fake_energy'], gamma=0.5),
    )
    assert not equal(new.evaluator.params, step(KEYS[1], attentive, (), batch)[0].evaluator.params)


def test_without_divergence_there_is_no_noise():
    assert equal(*players('vae', 'player', kl_weight=0.0))
    assert not equal(*players('vae', 'player', kl_weight=1.0))


def test_the_last_phase_takes_the_moments_of_the_codes():
    method, _, state = start('vae', kl_weight=0.0)
    assert [phase.name for phase in method.phases] == ['train', 'fit']
    source, fit = cases.source(), jax.jit(method.phases[1].step)
    config = vae.Config(num_steps=6, network={'features': 4}, latent_size=4)
    encode = jax.jit(lambda images: vae._encode(config, state.player.params, images)[0])
    codes, fitted = [], state
    for step in range(3):
        batch = source.batch(step)
        codes.append(encode(batch['image']))
        fitted, _ = fit(KEYS[0], fitted, (), batch)
    codes = np.concatenate(codes)
    np.testing.assert_allclose(fitted.mean, codes.mean(0), atol=1e-5)
    covariance = fitted.product - np.outer(fitted.mean, fitted.mean)
    np.testing.assert_allclose(covariance, np.cov(codes.T, bias=True), atol=1e-4)


@pytest.mark.parametrize('name', ['began', 'ebgan', 'vae'])
def test_a_score_is_one_error_a_picture(name):
    _, batch, state = start(name)
    section = {key: value for key, value in cases.CONFIGS[name].items() if key != 'name'}
    score = jax.jit(lambda state, images: SCORES[name](section, state, images))
    everything = score(state, batch['image'])
    assert everything.shape == (cases.BATCH_SIZE,) and float(everything.min()) > 0
    np.testing.assert_allclose(score(state, batch['image'][2:4]), everything[2:4], rtol=1e-5)


def test_options_that_make_no_sense_get_one_sentence():
    for changes, message in (
        ({'sample_from': 'dice'}, "sample_from='dice' is no choice"),
        ({'deviation': 0.0}, 'must be above 0'),
        ({'num_steps': 1}, 'leaves no step for training'),
    ):
        with pytest.raises(UserError, match=message):
            cases.method('vae', **changes)
