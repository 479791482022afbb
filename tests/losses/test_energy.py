"""Losses on energies, reconstruction errors, and thresholds from histograms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imggen.losses import energy, reconstruction
from imggen.methods.evaluator import calibration

ROWS = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
OTHERS = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)


def test_margin_discriminator_ignores_energies_above_the_margin():
    real, fake = jnp.array([0.1, 0.3]), jnp.array([0.5, 3.0])
    np.testing.assert_allclose(energy.margin_discriminator(real, fake, 1.0), [0.1 + 0.5, 0.3])
    gradient = jax.grad(lambda fake: energy.margin_discriminator(real, fake, 1.0).sum())(fake)
    np.testing.assert_array_equal(gradient, [-1.0, 0.0])


def test_excess_has_no_gradient_below_the_threshold():
    energies = jnp.array([0.2, 0.7])
    np.testing.assert_allclose(energy.excess(energies, 0.5), [0.0, 0.2], rtol=1e-6)
    gradient = jax.grad(lambda energies: energy.excess(energies, 0.5).sum())(energies)
    np.testing.assert_array_equal(gradient, [0.0, 1.0])


def test_pulling_away_is_its_double_sum():
    total = sum(
        (a @ b / np.linalg.norm(a) / np.linalg.norm(b)) ** 2
        for i, a in enumerate(ROWS)
        for j, b in enumerate(ROWS)
        if i != j
    )
    np.testing.assert_allclose(energy.pulling_away(ROWS), total / (8 * 7), rtol=1e-5)
    assert energy.pulling_away(jnp.eye(4)) == 0.0
    np.testing.assert_allclose(energy.pulling_away(jnp.ones((4, 3))), 1.0, rtol=1e-6)
    np.testing.assert_allclose(
        energy.pulling_away(7.0 * ROWS), energy.pulling_away(ROWS), rtol=1e-5
    )


def test_distances_are_those_of_scipy():
    from scipy.spatial.distance import cdist, pdist

    scale = np.sqrt(ROWS.shape[1])
    np.testing.assert_allclose(
        energy.mean_distance(ROWS, OTHERS), cdist(ROWS, OTHERS).mean() / scale, rtol=1e-5
    )
    np.testing.assert_allclose(
        energy.mean_pairwise_distance(ROWS), pdist(ROWS).mean() / scale, rtol=1e-5
    )


@pytest.mark.parametrize('loss', [energy.pulling_away, energy.mean_pairwise_distance])
def test_equal_rows_have_a_finite_gradient(loss):
    for rows in (jnp.zeros((4, 3)), jnp.ones((4, 3))):
        assert jnp.isfinite(jax.grad(loss)(rows)).all()


def test_gather_batch_gives_every_device_the_whole_batch_and_the_gradients_back():
    pieces = ROWS.reshape(4, 2, 5)

    def loss(rows, axis_name):
        everything = energy.gather_batch(rows, axis_name)
        products = jnp.square(rows @ everything.T)
        return products.mean(), everything

    (value, everything), gradient = jax.value_and_grad(loss, has_aux=True)(ROWS, None)
    np.testing.assert_array_equal(everything, ROWS)
    mapped = jax.pmap(
        jax.value_and_grad(lambda rows: loss(rows, 'devices'), has_aux=True), axis_name='devices'
    )
    (values, gathered), gradients = mapped(pieces)
    for device in range(4):
        np.testing.assert_array_equal(gathered[device], ROWS)
        np.testing.assert_array_equal(gathered[device][2 * device :][:2], pieces[device])
    np.testing.assert_allclose(values.mean(), value, rtol=1e-5)
    # Each device has the gradient of the sum over four devices.
    np.testing.assert_allclose(gradients.reshape(8, 5) / 4, gradient, rtol=1e-4, atol=1e-6)


def test_devices_pair_their_images_with_those_of_others():
    pieces = ROWS.reshape(4, 2, 5)
    targets = np.concatenate([OTHERS, OTHERS[:2]])

    def everything(rows, targets, axis_name):
        return (
            energy.pulling_away(rows, axis_name=axis_name)
            + energy.mean_distance(rows, targets, axis_name=axis_name)
            - energy.mean_pairwise_distance(rows, axis_name=axis_name)
        )

    value, gradient = jax.value_and_grad(everything)(ROWS, targets, None)
    values, gradients = jax.pmap(
        jax.value_and_grad(lambda rows, targets: everything(rows, targets, 'devices')),
        axis_name='devices',
    )(pieces, targets.reshape(4, 2, 5))
    np.testing.assert_allclose(values.mean(), value, rtol=1e-5)
    # Each device has the gradient of the sum over four devices.
    np.testing.assert_allclose(gradients.reshape(8, 5) / 4, gradient, rtol=1e-4, atol=1e-6)


def test_energy_distance_is_least_for_the_same_distribution():
    """Without the second term a collapsed set is best; with it, it is not."""
    generator = np.random.default_rng(0)
    real = generator.normal(size=(500, 2))
    candidates = {
        'same': generator.normal(size=(500, 2)),
        'narrow': 0.3 * generator.normal(size=(500, 2)),
        'one': np.zeros((500, 2)),
        'wide': 2.0 * generator.normal(size=(500, 2)),
        'moved': generator.normal(size=(500, 2)) + 0.5,
    }
    near = {name: float(energy.mean_distance(rows, real)) for name, rows in candidates.items()}
    both = {
        name: near[name] - float(energy.mean_pairwise_distance(rows)) / 2
        for name, rows in candidates.items()
    }
    assert min(near, key=near.get) == 'one'
    assert min(both, key=both.get) == 'same'


@settings(max_examples=30, deadline=None)
@given(
    ratio=st.floats(0, 1),
    real=st.floats(0, 10),
    fake=st.floats(0, 10),
    gamma=st.floats(0.1, 1),
)
def test_balance_moves_towards_its_target_and_stays_in_range(ratio, real, fake, gamma):
    new = energy.balance(ratio, real, fake, gamma=gamma, gain=0.1)
    assert 0.0 <= new <= 1.0
    expected = min(max(ratio + 0.1 * (gamma * real - fake), 0.0), 1.0)
    np.testing.assert_allclose(new, expected, atol=1e-5)


def test_convergence_is_the_real_energy_at_balance():
    np.testing.assert_allclose(energy.convergence(0.4, 0.2, gamma=0.5), 0.4)
    np.testing.assert_allclose(energy.convergence(0.4, 0.5, gamma=0.5), 0.7)


def test_reconstruction_errors_are_means_over_values():
    images = np.random.default_rng(0).uniform(-1, 1, (3, 4, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(reconstruction.squared(images, images + 0.5), 0.25, rtol=1e-5)
    np.testing.assert_allclose(reconstruction.absolute(images, images - 0.5), 0.5, rtol=1e-5)


def test_likelihood_and_divergence_are_those_of_gaussians():
    from scipy.stats import norm

    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (2, 3, 4, 1)).astype(np.float32)
    means = generator.uniform(-1, 1, (2, 3, 4, 1)).astype(np.float32)
    expected = -norm.logpdf(images, means, 0.3).sum((1, 2, 3))
    actual = reconstruction.negative_log_likelihood(images, means, 0.3)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)

    mean, deviation = 0.7, 0.4
    grid = np.linspace(-6, 6, 200_001)
    density = norm.pdf(grid, mean, deviation)
    logs = norm.logpdf(grid, mean, deviation) - norm.logpdf(grid)
    expected = 3 * np.trapezoid(density * logs, grid)
    actual = reconstruction.divergence(
        jnp.full((1, 3), mean), jnp.full((1, 3), 2 * np.log(deviation))
    )
    np.testing.assert_allclose(actual, [expected], rtol=1e-4)
    np.testing.assert_array_equal(
        reconstruction.divergence(jnp.zeros((1, 3)), jnp.zeros((1, 3))), 0
    )


@pytest.mark.parametrize('rate', [0.0, 0.05, 0.5])
def test_the_histogram_gives_the_quantile_up_to_a_bin(rate):
    energies = np.random.default_rng(0).gamma(2.0, 0.05, 2000).astype(np.float32)
    parts = [calibration.count(part, jnp.ones(500)) for part in energies.reshape(4, 500)]
    threshold = calibration.threshold(sum(parts), rate)
    assert np.mean(energies > threshold) <= rate
    exact = np.quantile(energies, 1 - rate, method='inverted_cdf')
    assert exact * 0.999 <= threshold <= exact * 1.03


def test_images_of_weight_zero_do_not_count():
    energies, weights = jnp.array([0.1, 0.2, 50.0]), jnp.array([1.0, 1.0, 0.0])
    assert calibration.threshold(calibration.count(energies, weights), 0.0) < 0.21


def test_one_image_in_ten_is_held_out_together_with_its_mirror_image():
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 6, 6, 3), dtype=np.uint8)
    images = 2.0 * pixels.astype(np.float32) / 255.0 - 1.0
    chosen = np.asarray(calibration.held_out(images))
    np.testing.assert_array_equal(chosen, pixels.sum((1, 2, 3), dtype=int) % 10 == 0)
    assert 0.08 < chosen.mean() < 0.12
    np.testing.assert_array_equal(calibration.held_out(images[:, :, ::-1]), chosen)
