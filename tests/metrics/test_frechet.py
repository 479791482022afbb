"""The Fréchet distance against closed forms, published vectors and SciPy."""

import jax
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from imggen.errors import UserError
from imggen.metrics import frechet
from imggen.metrics.frechet import Moments, frechet_distance


def distance(a, b):
    return frechet_distance(Moments.of(a), Moments.of(b))


def with_exact_moments(mean, covariance, count=50):
    """Draws a sample whose mean and unbiased covariance are exactly the given ones."""
    sample = np.random.default_rng(0).standard_normal((count, len(mean)))
    sample -= sample.mean(0)
    sample = sample @ np.linalg.inv(np.linalg.cholesky(sample.T @ sample / (count - 1))).T
    return sample @ np.linalg.cholesky(covariance).T + mean


def test_compare_gan_vector_has_the_unbiased_covariance():
    real = np.ones((100, 2), np.float32)
    real[:50, 0] = 2
    generated = np.full((100, 2), 9, np.float32)
    generated[50:, 0] = 2
    assert distance(real, generated) == pytest.approx(89.0909, abs=1e-4)  # 89.0 with divisor n.


def test_one_dimensional_gaussians():
    a = with_exact_moments([1.0], np.array([[4.0]]))
    b = with_exact_moments([-2.0], np.array([[0.25]]))
    assert distance(a, b) == pytest.approx(3**2 + (2 - 0.5) ** 2, abs=1e-10)


def test_diagonal_covariances():
    variances_a, variances_b = np.array([4.0, 1.0, 9.0]), np.array([1.0, 0.25, 16.0])
    a = with_exact_moments(np.zeros(3), np.diag(variances_a))
    b = with_exact_moments(np.zeros(3), np.diag(variances_b))
    expected = np.sum((np.sqrt(variances_a) - np.sqrt(variances_b)) ** 2)
    assert distance(a, b) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(('count_a', 'count_b', 'dimension'), [(5, 40, 30), (40, 5, 30), (9, 7, 3)])
def test_distance_of_rows_is_that_of_their_moments(count_a, count_b, dimension):
    rng = np.random.default_rng(7)
    a = rng.standard_normal((count_a, dimension)) + 1
    b = 2 * rng.standard_normal((count_b, dimension)) @ rng.standard_normal((dimension, dimension))
    assert frechet.frechet_distance_of_rows(a, b) == pytest.approx(distance(a, b), rel=1e-9)
    with pytest.raises(UserError, match='at least 2 images'):
        frechet.frechet_distance_of_rows(a[:1], b)


@pytest.mark.parametrize(('count', 'dimension'), [(512, 2), (1024, 64), (2**15, 16), (150, 128)])
def test_agrees_with_scipy_where_covariances_have_full_rank(count, dimension):
    rng = np.random.default_rng(2023)
    a = rng.standard_normal((count, dimension))
    b = rng.standard_normal((count, dimension)) @ rng.standard_normal((dimension, dimension))
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(covariance_a @ covariance_b).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2)
    expected += np.trace(covariance_a + covariance_b - 2 * root)
    assert distance(a, b) == pytest.approx(expected, rel=1e-8, abs=1e-5)


@pytest.mark.parametrize(
    ('count', 'dimension'), [(2, 2), (2, 256), (4, 4), (16, 256), (64, 64), (128, 256), (600, 256)]
)
def test_agrees_with_other_forms_of_the_trace_whatever_the_rank(count, dimension):
    rng = np.random.RandomState(1)  # (4, 4) with this seed once gave NaN elsewhere.
    a, b = rng.randn(count, dimension), rng.randn(count, dimension)
    centered_a, centered_b = a - a.mean(0), b - b.mean(0)
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    others = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(covariance_a + covariance_b)
    # tr (A^T A B^T B)^(1/2) is the nuclear norm of A B^T.
    nuclear = np.linalg.norm(centered_a @ centered_b.T, 'nuc') / (count - 1)
    assert distance(a, b) == pytest.approx(others - 2 * nuclear, rel=1e-9)
    # The roots of null eigenvalues' rounding errors add up to about 1e-4.
    values = np.linalg.eigvals(covariance_a @ covariance_b).astype(complex)
    assert distance(a, b) == pytest.approx(others - 2 * np.sqrt(values).real.sum(), abs=1e-4)


@pytest.mark.parametrize(('count', 'dimension'), [(4, 4), (10, 64), (500, 64)])
def test_a_set_is_at_distance_zero_from_itself(count, dimension):
    features = np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)
    assert distance(features, features) == pytest.approx(0, abs=1e-8)


def test_features_that_never_fire_change_nothing():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 100, 8))
    dead = np.zeros((100, 5))
    assert distance(np.hstack([a, dead]), np.hstack([b, dead])) == pytest.approx(distance(a, b))
    assert distance(dead, dead) == 0


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-50, 50), scale=st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_invariances(seed, shift, scale):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((30, 5)), 1 + 2 * rng.standard_normal((40, 5))
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    expected = distance(a, b)
    assert distance(b, a) == pytest.approx(expected, rel=1e-8)
    assert distance(rng.permutation(a), b) == pytest.approx(expected, rel=1e-8)
    assert distance(a @ rotation + shift, b @ rotation + shift) == pytest.approx(expected, rel=1e-6)
    assert distance(scale * a, scale * b) == pytest.approx(scale**2 * expected, rel=1e-6)


@given(cuts=st.lists(st.integers(1, 9999), min_size=1, max_size=6, unique=True))
@settings(max_examples=20, deadline=None)
def test_streamed_moments_equal_those_of_the_whole_even_far_from_zero(cuts):
    # The mean is 1e5 standard deviations away: sums of float32 squares would lose all digits.
    features = np.random.default_rng(0).normal(1e4, 0.1, (10_000, 3)).astype(np.float32)
    parts = [Moments.of(part) for part in np.split(features, sorted(cuts))]
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    exact = features.astype(np.float64)
    assert total.count == 10_000
    np.testing.assert_allclose(total.mean, exact.mean(0), rtol=1e-12)
    np.testing.assert_allclose(total.covariance, np.cov(exact, rowvar=False), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(('count', 'other'), [(500, 500), (300, 1200)])
def test_floor_is_the_mean_distance_of_two_samples_of_one_distribution(count, other):
    rng = np.random.default_rng(0)
    scales = np.geomspace(0.1, 3, 12)
    moments = Moments.of(rng.standard_normal((200_000, 12)) * scales)
    distances = [
        distance(
            rng.standard_normal((count, 12)) * scales, rng.standard_normal((other, 12)) * scales
        )
        for _ in range(300)
    ]
    error = np.std(distances) / np.sqrt(len(distances))
    expected = frechet.frechet_floor(moments, count, other)
    assert np.mean(distances) == pytest.approx(expected, rel=0.02, abs=4 * error)


def test_floor_of_unit_gaussians_is_the_measured_one():
    identity = Moments(10**6, np.zeros(64), np.eye(64) * (10**6 - 1))
    for count, measured in ((500, 4.41), (1000, 2.18), (5000, 0.439), (10_000, 0.223)):
        floor = frechet.frechet_floor(identity, count, count)
        assert floor == pytest.approx(measured, rel=0.02)
        assert floor == pytest.approx(64 * 69 / (2 * count), rel=2e-3)


@pytest.mark.parametrize('shift', [0.0, 1.0])
def test_spread_is_the_standard_deviation_over_generated_sets(shift):
    rng = np.random.default_rng(0)
    reference = Moments.of(rng.standard_normal((4000, 6)))
    distances, spreads = [], []
    for _ in range(250):
        groups = [Moments.of(rng.standard_normal((50, 6)) + shift) for _ in range(10)]
        total = groups[0]
        for group in groups[1:]:
            total = total.merge(group)
        distances.append(frechet_distance(reference, total))
        spreads.append(frechet.frechet_spread(reference, groups))
    ratio = np.sqrt(np.mean(np.square(spreads))) / np.std(distances)
    # Near the floor the jackknife is known to be too large, by about the root of 2.
    assert 0.85 < ratio < (1.7 if shift == 0 else 1.2)


def test_extrapolation_removes_the_bias():
    rng = np.random.default_rng(0)
    real, same = rng.standard_normal((2, 2000, 16)).astype(np.float32)
    shifted = same + 0.5
    key = jax.random.key(0)
    floor = distance(real, same)
    extrapolated = frechet.frechet_infinite(key, real, same)
    assert abs(extrapolated.value) < floor / 4
    assert len(extrapolated.sizes) == 15
    assert (extrapolated.sizes[0], extrapolated.sizes[-1]) == (200, 2000)
    assert extrapolated.distances[-1] == pytest.approx(floor)
    # The true distance is that of the means alone.
    assert frechet.frechet_infinite(key, real, shifted).value == pytest.approx(4, abs=0.3)
    assert frechet.frechet_infinite(key, real, same) == extrapolated


def test_missing_rank_is_said():
    assert frechet.rank_note(65, 64) == ''
    assert 'rank 63 at most in 64 dimensions' in frechet.rank_note(64, 64)


def test_bad_input_is_a_user_error():
    good = Moments.of(np.eye(3))
    with pytest.raises(UserError, match='one extractor'):
        frechet_distance(good, Moments.of(np.eye(4)))
    with pytest.raises(UserError, match='at least 2 images'):
        frechet_distance(good, Moments.of(np.ones((1, 3))))
    with pytest.raises(UserError, match='not finite'):
        Moments.of(np.array([[1.0, np.nan]]))
    with pytest.raises(UserError, match='n >= 1'):
        Moments.of(np.zeros((0, 3)))
    with pytest.raises(UserError, match='at least 20'):
        frechet.frechet_infinite(jax.random.key(0), np.eye(10), np.eye(10))
