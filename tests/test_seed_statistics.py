"""Statistics of a sweep's table, against SciPy, by hand and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imggen import seed_statistics

_VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12)


def test_summary_by_hand():
    assert seed_statistics.summarize([1.0, 2.0, 6.0]) == (3.0, math.sqrt(7.0), 3)
    assert seed_statistics.summarize([4.0]) == (4.0, None, 1)
    assert math.isnan(seed_statistics.summarize([1.0, math.inf, -math.inf]).mean)


@given(_VALUES)
def test_summary_agrees_with_numpy(values):
    mean, deviation, count = seed_statistics.summarize(values)
    np.testing.assert_allclose(mean, np.mean(values), atol=1e-9 * max(map(abs, values)))
    np.testing.assert_allclose(deviation, np.std(values, ddof=1), rtol=1e-6, atol=1e-6)
    assert count == len(values)


def test_pooled_deviation_is_the_one_of_the_t_test():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=4), 0.5 + 3 * generator.normal(size=7)
    expected = stats.ttest_ind(first, second)
    pooled = seed_statistics.pooled_deviation(list(first), list(second))
    t = (first.mean() - second.mean()) / (pooled * math.sqrt(1 / 4 + 1 / 7))
    np.testing.assert_allclose(t, expected.statistic, rtol=1e-12)


@pytest.mark.parametrize('count', [4, 5, 8, 20])
def test_interval_is_the_percentile_interval_at_the_expanded_level(count):
    values = np.random.default_rng(count).gamma(2.0, size=count)
    level = 1 - 2 * seed_statistics.expanded_tail(0.05, count)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        method='percentile',
        confidence_level=level,
        n_resamples=50_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = seed_statistics.bootstrap_interval(list(values), level=0.9)
    spread = values.std() / math.sqrt(count)
    np.testing.assert_allclose(found, expected, atol=0.08 * spread)


def test_expansion_by_hand():
    # Phi(-sqrt(5/4) 2.776445), with the 97.5 % point of Student's t for 4 degrees of freedom.
    np.testing.assert_allclose(
        seed_statistics.expanded_tail(0.025, 5), stats.norm.cdf(-math.sqrt(1.25) * 2.7764451052)
    )


def test_interval_is_the_same_each_time():
    values = list(np.random.default_rng(0).normal(size=9))
    assert seed_statistics.bootstrap_interval(values) == seed_statistics.bootstrap_interval(values)


@given(_VALUES, st.floats(-100, 100), st.floats(0.1, 10))
def test_interval_moves_and_stretches_with_the_values(values, shift, scale):
    low, high = seed_statistics.bootstrap_interval(values, num_resamples=50)
    moved = [value * scale + shift for value in values]
    np.testing.assert_allclose(
        seed_statistics.bootstrap_interval(moved, num_resamples=50),
        (low * scale + shift, high * scale + shift),
        rtol=1e-6,
        atol=1e-6,
    )
    assert min(values) - 1e-6 <= low <= high <= max(values) + 1e-6


@pytest.mark.parametrize(('count', 'covered'), [(3, 0.74), (5, 0.91), (8, 0.95)])
def test_coverage_is_what_the_docstring_says(count, covered):
    samples = np.random.default_rng(0).normal(size=(400, count))
    hits = 0
    for sample in samples:
        low, high = seed_statistics.bootstrap_interval(list(sample), num_resamples=500)
        hits += low <= 0 <= high
    error = 3 * math.sqrt(covered * (1 - covered) / len(samples))
    assert abs(hits / len(samples) - covered) < error


def test_pairing_removes_what_the_seeds_share():
    baseline = {0: 10.0, 1: 20.0, 2: 30.0, 3: 40.0, 4: 50.0}
    variant = {seed: value + 1 + seed / 100 for seed, value in baseline.items()}
    comparison = seed_statistics.compare(variant, baseline)
    np.testing.assert_allclose(comparison.difference, 1.02)
    assert 1.0 <= comparison.low < comparison.high <= 1.04
    assert comparison.note == 'within one spread'  # Far less than the seeds differ.


def test_notes():
    def note(variant, baseline):
        return seed_statistics.compare(dict(enumerate(variant)), dict(enumerate(baseline))).note

    assert note([2.0], [1.0]) == 'one seed'
    assert note([2.0, math.nan], [1.0, 1.0]) == 'not finite'
    assert note([1.0, 3.0, 1.9, 2.2, 2.0], [2.0, 2.0, 2.0, 2.0, 2.0]) == 'interval contains zero'
    assert note([9.0, 9.1, 9.2], [1.0, 1.1, 1.0]) == 'few seeds'
    assert note([9.0, 9.1, 9.2, 9.0, 9.1], [1.0, 1.1, 1.0, 1.2, 1.1]) == ''
    assert note([1.0, 2.0], [1.0, 2.0]) == 'interval contains zero'


def test_only_shared_seeds_are_compared():
    comparison = seed_statistics.compare({0: 3.0, 1: 5.0, 7: 100.0}, {0: 1.0, 1: 2.0, 8: -100.0})
    assert (comparison.difference, comparison.count) == (2.5, 2)
    assert seed_statistics.compare({0: 1.0}, {1: 1.0}) is None


@given(value=st.floats(-1e6, 1e6), count=st.integers(2, 9))
def test_equal_values_have_no_spread(value, count):
    assert seed_statistics.summarize([value] * count) == (value, 0.0, count)
