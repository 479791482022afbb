"""The kernel distance against hand-computed vectors, a direct sum, and its own repetition."""

import jax
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.metrics.kid import kid, kid_subsets

X = np.array([[0, 0], [2, 0], [0, 2]], np.float32)
Y = np.array([[2, 2], [0, 0], [4, 0]], np.float32)


def direct(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def off_diagonal(k):
        return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))

    return off_diagonal(kernel(x, x)) + off_diagonal(kernel(y, y)) - 2 * kernel(x, y).mean()


def test_vectors():
    assert kid(X, Y).value == pytest.approx(20 / 9, rel=2e-6)
    assert kid(X, X).value == pytest.approx(-11.5556, abs=1e-4)
    whole = kid_subsets(jax.random.key(0), X, Y, num_subsets=3, subset_size=3)
    assert whole.mean == pytest.approx(20 / 9, rel=2e-6)
    assert whole.deviation == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(('m', 'n', 'd'), [(3000, 2500, 16), (700, 40, 300), (2, 5, 1)])
def test_equals_the_direct_sum_in_float64(m, n, d):
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(0.3, 1, (m, d)), 0).astype(np.float32)
    y = np.maximum(rng.normal(0.32, 1, (n, d)), 0).astype(np.float32)
    assert kid(x, y).value == pytest.approx(direct(x, y), abs=1e-6)
    assert kid(y, x).value == pytest.approx(kid(x, y).value, abs=1e-6)


def draws(shift, m, n, d, repeats):
    # Correlated, skewed features, as a network's are.
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((d, d)) / np.sqrt(d)

    def sample(count, mean):
        return np.maximum(rng.standard_normal((count, d)) @ mixing + mean, 0).astype(np.float32)

    for _ in range(repeats):
        yield sample(m, 0.5), sample(n, 0.5 + shift)


@pytest.mark.parametrize(
    ('shift', 'm', 'n', 'largest'),
    [(0.0, 200, 200, 1.35), (0.0, 400, 100, 1.35), (0.05, 200, 200, 1.2), (0.5, 300, 150, 1.1)],
)
def test_standard_error_is_that_of_repeated_draws(shift, m, n, largest):
    results = [kid(x, y) for x, y in draws(shift, m, n, 24, 400)]
    values = np.array([result.value for result in results])
    errors = np.array([result.standard_error for result in results])
    # 400 draws know their deviation to about 5 %. Near the floor the error is
    # conservative; far from it, it is exact.
    assert 0.9 < np.sqrt(np.mean(errors**2)) / values.std() < largest
    # The nominal coverage of two standard errors is 0.954.
    covered = np.mean(np.abs(values - values.mean()) < 2 * errors)
    assert covered > 0.9
    if shift == 0.5:
        assert covered < 0.985


def test_is_unbiased_where_both_distributions_are_one():
    values = np.array([kid(x, y).value for x, y in draws(0.0, 60, 90, 24, 400)])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize('size', [501, 1000])
def test_subsets_meet_every_pair_once(size):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(mean, 1, (size, 16)).astype(np.float32) for mean in (0.3, 0.5))
    whole = kid_subsets(jax.random.key(0), x, y, num_subsets=2, subset_size=size)
    assert whole.mean == pytest.approx(direct(x, y), rel=1e-5)


def test_deviation_over_subsets_is_no_error_bar_on_the_full_estimate():
    pairs = list(draws(0.05, 400, 400, 24, 40))
    full = np.array([kid(x, y).value for x, y in pairs])
    subsets = np.array(
        [kid_subsets(jax.random.key(0), x, y, num_subsets=20, subset_size=50) for x, y in pairs]
    )
    assert subsets[:, 1].mean() > 2 * full.std()
    # The mean over subsets is the same estimate.
    assert subsets[:, 0].mean() == pytest.approx(full.mean(), rel=0.3)


def test_order_does_not_matter_and_keys_do():
    (x, y), *_ = draws(0.2, 100, 100, 8, 1)
    assert kid(x[::-1], y).value == pytest.approx(kid(x, y).value, abs=1e-6)
    assert kid(x[::-1], y).standard_error == pytest.approx(kid(x, y).standard_error, rel=1e-3)
    one, again, other = (
        kid_subsets(jax.random.key(seed), x, y, num_subsets=5, subset_size=20) for seed in (0, 0, 1)
    )
    assert one == again != other


def test_bad_input_is_a_user_error():
    with pytest.raises(UserError, match='lower subset_size'):
        kid_subsets(jax.random.key(0), X, Y)
    with pytest.raises(UserError, match='at least 2'):
        kid(X, Y[:1])
    with pytest.raises(UserError, match='one extractor'):
        kid(X, np.zeros((3, 5)))
    with pytest.raises(UserError, match='generated features are not finite'):
        kid(X, np.full((3, 2), np.inf))
