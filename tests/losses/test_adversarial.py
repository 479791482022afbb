"""Adversarial losses and gradient penalties."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imggen.losses import adversarial
from imggen.losses.adversarial import LOSSES

REAL = jnp.array([0.3, -1.2, 2.0])
FAKE = jnp.array([-0.5, 0.7, 1.5])


def log_sigmoid(x):
    return np.log(1.0 / (1.0 + np.exp(-np.asarray(x, np.float64))))


def sides(loss):
    return loss.discriminator, loss.generator


def test_losses_follow_their_equations():
    real, fake = np.asarray(REAL, np.float64), np.asarray(FAKE, np.float64)
    expected = {
        'minimax': (-log_sigmoid(real) - log_sigmoid(-fake), log_sigmoid(-fake)),
        'nonsaturating': (-log_sigmoid(real) - log_sigmoid(-fake), -log_sigmoid(fake)),
        'least_squares': (((real - 1) ** 2 + fake**2) / 2, (fake - 1) ** 2 / 2),
        'wasserstein': (fake - real, -fake),
        'hinge': (np.maximum(0, 1 - real) + np.maximum(0, 1 + fake), -fake),
        'relativistic': (-log_sigmoid(real - fake), -log_sigmoid(fake - real)),
    }
    assert expected.keys() == LOSSES.keys()
    for name, (discriminator, generator) in expected.items():
        np.testing.assert_allclose(
            LOSSES[name].discriminator(REAL, FAKE), discriminator, 1e-5, 1e-6
        )
        np.testing.assert_allclose(LOSSES[name].generator(REAL, FAKE), generator, 1e-5, 1e-6)


def test_relativistic_losses_ignore_a_constant_added_to_the_logits():
    for side in sides(LOSSES['relativistic']):
        np.testing.assert_allclose(side(REAL + 7.0, FAKE + 7.0), side(REAL, FAKE), rtol=1e-5)
        np.testing.assert_allclose(side(REAL, REAL), np.log(2.0), rtol=1e-6)


@pytest.mark.parametrize('name', LOSSES)
def test_a_loss_is_relative_if_the_discriminator_depends_on_differences_only(name):
    loss = LOSSES[name].discriminator
    assert np.allclose(loss(REAL + 7.0, FAKE + 7.0), loss(REAL, FAKE)) == LOSSES[name].relative


def test_only_wasserstein_losses_have_no_scale():
    assert [name for name, loss in LOSSES.items() if not loss.has_scale] == ['wasserstein']


@pytest.mark.parametrize('name', LOSSES)
def test_losses_stay_finite_at_extreme_logits(name):
    extreme = jnp.array([-1e4, 1e4])
    for side in sides(LOSSES[name]):
        total = lambda x, side=side: side(x, x[::-1]).sum()
        value, gradient = jax.value_and_grad(total)(extreme)
        assert jnp.isfinite(value) and jnp.isfinite(gradient).all()


def test_penalty_of_a_known_discriminator():
    images = jax.random.normal(jax.random.key(0), (4, 3, 2, 1))

    def quadratic(x):
        return jnp.sum(x**2, axis=(1, 2, 3)), 'auxiliary'

    logits, norms, auxiliary = adversarial.squared_gradient_norm(quadratic, images)
    squares = jnp.sum(images**2, axis=(1, 2, 3))
    np.testing.assert_allclose(logits, squares, rtol=1e-5)
    np.testing.assert_allclose(norms, 4.0 * squares, rtol=1e-5)  # |2x|^2
    assert auxiliary == 'auxiliary'


def test_penalty_gradient_agrees_with_finite_differences():
    images = jax.random.normal(jax.random.key(0), (4, 3, 2, 1))

    def penalty(weight):
        discriminator = lambda x: (jnp.tanh(weight * x).sum((1, 2, 3)), None)
        return adversarial.squared_gradient_norm(discriminator, images)[1].mean()

    difference = (penalty(0.7 + 1e-2) - penalty(0.7 - 1e-2)) / 2e-2
    np.testing.assert_allclose(jax.grad(penalty)(0.7), difference, rtol=2e-3)


def test_smoothed_labels_have_their_optimum_where_the_target_is():
    loss = adversarial.SMOOTHED
    real, fake = np.asarray(REAL, np.float64), np.asarray(FAKE, np.float64)
    expected = -0.8 * log_sigmoid(real) - 0.2 * log_sigmoid(-real) - log_sigmoid(-fake)
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), expected, 1e-5)
    best = jnp.log(0.8 / 0.2)
    slope = jax.grad(lambda real: loss.discriminator(real, 0.0))
    np.testing.assert_allclose([slope(best), jnp.sign(slope(best + 1))], [0.0, 1.0], atol=1e-6)


def test_smoothed_labels_are_cross_entropy_with_a_label_below_one():
    real, fake = jnp.array([-2.0, 0.5, 3.0]), jnp.array([1.0, -1.0, 0.0])
    smoothed = adversarial.smooth_labels(adversarial.LOSSES['nonsaturating'], 0.1)
    wanted = optax.sigmoid_binary_cross_entropy(real, jnp.full(3, 0.9))
    wanted += optax.sigmoid_binary_cross_entropy(fake, jnp.zeros(3))
    np.testing.assert_allclose(smoothed.discriminator(real, fake), wanted, rtol=1e-5)
