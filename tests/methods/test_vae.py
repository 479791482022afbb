"""The variational autoencoder: noise, the moments of codes, its energy and its options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.networks.autoencoder import Encoder
from tests.helpers import cases


def start(**changes):
    method, batch = cases.method('vae', **changes), cases.source().batch(0)
    return method, batch, jax.jit(method.init)(jax.random.key(0), (), batch)


@pytest.mark.parametrize('kl_weight', [0.0, 1.0])
def test_a_step_draws_noise_only_if_the_divergence_has_a_weight(kl_weight):
    method, batch, state = start(kl_weight=kl_weight)
    step = jax.jit(method.phases[0].step)
    one, other = (
        jax.tree.leaves(step(jax.random.key(seed), state, (), batch)[0].network.params)
        for seed in (5, 6)
    )
    assert all(map(jnp.array_equal, one, other)) == (kl_weight == 0)


def test_the_last_phase_computes_the_moments_of_the_codes():
    method, _, state = start(kl_weight=0.0)
    assert [phase.name for phase in method.phases] == ['train', 'fit']
    source, fit = cases.source(), jax.jit(method.phases[1].step)
    encoder = Encoder(features=4, code_size=8)  # Means and log variances of 4 numbers.
    variables = {'params': state.network.params['encoder']}
    encode = jax.jit(lambda images: encoder.apply(variables, images)[0][:, :4])
    codes, fitted = [], state
    for step in range(3):
        batch = source.batch(step)
        codes.append(encode(batch['image']))
        fitted, _ = fit(jax.random.key(5), fitted, (), batch)
    codes = np.concatenate(codes)
    np.testing.assert_allclose(fitted.mean, codes.mean(0), atol=1e-5)
    covariance = fitted.product - np.outer(fitted.mean, fitted.mean)
    np.testing.assert_allclose(covariance, np.cov(codes.T, bias=True), atol=1e-4)


def test_the_energy_is_one_error_per_image():
    method, batch, state = start()
    energies = jax.jit(method.energy)
    everything = energies(state, batch['image'])
    assert everything.shape == (cases.BATCH_SIZE,) and float(everything.min()) > 0
    np.testing.assert_allclose(energies(state, batch['image'][2:4]), everything[2:4], rtol=1e-5)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'sample_from': 'dice'}, "sample_from='dice'.* 'prior'"),
        ({'deviation': 0.0}, 'must be above 0'),
        ({'num_steps': 1}, 'leaves no step for training'),
    ],
)
def test_options_of_wrong_values_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        cases.method('vae', **changes)
