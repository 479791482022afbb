"""The Parzen window: its formula, an independent reference, the caveat that k-means wins."""

import math

import jax
import numpy as np
import pytest
import scipy.stats
from sklearn.cluster import KMeans

from imggen import data
from imggen.evaluation import parzen
from imggen.images import from_uint8
from tests.helpers import held


@pytest.mark.parametrize('sigma, dimension', [(0.1, 1), (0.3, 64), (1.0, 784)])
def test_one_sample_on_the_image(sigma, dimension):
    x = np.full((1, dimension), 0.25, np.float32)
    found = parzen.log_likelihoods(x, x, sigmas=(sigma,))
    np.testing.assert_allclose(
        found, -dimension * math.log(sigma * math.sqrt(2 * math.pi)), rtol=1e-5
    )


def test_agrees_with_scipys_density():
    rng = np.random.default_rng(0)
    samples, test = rng.random((40, 3)), rng.random((17, 3))
    sigma = 0.2
    # SciPy's bandwidth is a factor of the samples' own covariance: give it isotropic ones.
    expected = [
        scipy.special.logsumexp(
            [scipy.stats.multivariate_normal.logpdf(x, s, sigma**2 * np.eye(3)) for s in samples]
        )
        - math.log(len(samples))
        for x in test
    ]
    found = parzen.log_likelihoods(samples, test, sigmas=(0.5, sigma))
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-4)


def test_the_deviation_is_chosen_on_held_out_images():
    rng = np.random.default_rng(0)
    near = lambda n: (0.5 + 0.2 * rng.normal(size=(n, 5))).astype(np.float32)
    samples, validation, test = near(400), near(200), near(300)
    found = parzen.parzen(samples, validation, test)
    by_hand = parzen.log_likelihoods(samples, validation, sigmas=parzen.SIGMAS).mean(0)
    assert found.sigma == parzen.SIGMAS[int(by_hand.argmax())]
    values = parzen.log_likelihoods(samples, test, sigmas=(found.sigma,))
    np.testing.assert_allclose(found.value, values.mean(), rtol=1e-6)
    np.testing.assert_allclose(found.standard_error, values.std() / math.sqrt(300), rtol=1e-5)
    np.testing.assert_allclose(parzen.SIGMAS, np.logspace(-1, 0, 10))


def test_k_means_finds_centers_as_good_as_scikit_learns():
    rng = np.random.default_rng(0)
    centers = rng.random((6, 8)) * 4
    points = (centers[rng.integers(0, 6, 600)] + 0.1 * rng.normal(size=(600, 8))).astype(np.float32)
    found = np.asarray(parzen.k_means(jax.random.key(0), points, clusters=12, rounds=30))
    squared = ((points[:, None] - found[None]) ** 2).sum(-1).min(1).sum()
    theirs = KMeans(12, n_init=1, init='random', random_state=0).fit(points).inertia_
    assert squared < 1.3 * theirs


def test_k_means_scores_higher_than_the_training_images_themselves():
    """Why the number says nothing about quality (Theis et al. 2016)."""
    rng = np.random.default_rng(0)
    # Many dimensions, in which neighbors are far: averages lie closer to unseen images.
    draw = lambda n: (0.5 + 0.25 * rng.normal(size=(n, 60))).astype(np.float32)
    training, validation, test = draw(1000), draw(100), draw(200)
    centers = np.asarray(parzen.k_means(jax.random.key(0), training, clusters=50))
    of_training = parzen.parzen(training, validation, test).value
    assert parzen.parzen(centers, validation, test).value > of_training + 1


def test_a_run_is_measured_by_the_published_protocol():
    digits = {'name': 'digits'}
    (train, _), (test, _) = (data.examples(digits, split=split) for split in ('train', 'test'))
    rng = np.random.default_rng(0)
    made = rng.integers(0, 256, (300, *train.shape[1:]), dtype=np.uint8)
    found = parzen.measure(held.run(from_uint8(made), data=digits), num_images=300, seed=0)
    # A small set gives its last sixth for the choice of the deviation.
    validation = train[-(len(train) // 6) :]
    expected = parzen.parzen(made / 255, validation / 255, test / 255)
    np.testing.assert_allclose(found['parzen'], expected.value, rtol=1e-4)
    np.testing.assert_allclose(found['parzen_error'], expected.standard_error, rtol=1e-4)
    assert found['parzen_sigma'] == expected.sigma
    # Noise is far worse than training images and than their averages.
    assert found['parzen'] < min(found['parzen_training'], found['parzen_k_means']) - 20
