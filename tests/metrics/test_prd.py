"""Precision-recall curves of histograms, and the sliced distance of features."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imggen.errors import UserError
from imggen.metrics.mind import mind
from imggen.metrics.prd import prd


def test_half_of_the_classes_is_half_of_both_at_equal_weight():
    curve = prd([1, 0], [0.5, 0.5], num_angles=11)
    assert curve.precision[5] == pytest.approx(0.5)
    assert curve.recall[5] == pytest.approx(0.5)


def test_one_class_of_two_keeps_precision_and_halves_recall():
    curve = prd([1, 1], [2, 0])
    assert curve.precision.max() == pytest.approx(1.0)
    assert curve.recall.max() == pytest.approx(0.5)
    assert curve.f_score(1 / 8) > 0.95 > 0.6 > curve.f_score(8)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any))
def test_equal_histograms_reach_one_and_swapping_swaps(counts):
    assert prd(counts, counts).f_score(8) == pytest.approx(1.0)
    other = list(reversed(counts))
    there, back = prd(counts, other), prd(other, counts)
    np.testing.assert_allclose(there.precision, back.recall[::-1], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize('counts', [[], [0, 0], [-1, 2], [1, 2, 3]])
def test_what_is_no_histogram_of_two_bins_is_refused(counts):
    with pytest.raises(UserError, match='histogram'):
        prd([1, 1], counts)


def test_shifted_gaussians_are_three_squared_shifts_apart():
    key = jax.random.key(0)
    one, two = np.random.default_rng(0).normal(size=(2, 1000, 64)).astype(np.float32)
    shift = 0.5
    assert mind(key, one, two + shift) == pytest.approx(3 * 64 * shift**2, rel=0.1)
    assert mind(key, one, one[::-1]) == 0.0
    assert mind(key, one, two) == pytest.approx(mind(key, two, one), rel=1e-5)


def test_each_vector_twice_is_the_same_distribution():
    one, two = np.random.default_rng(1).normal(size=(2, 100, 3)).astype(np.float32)
    key = jax.random.key(1)
    doubled = np.repeat(two, 2, axis=0)
    assert mind(key, one, doubled) == pytest.approx(mind(key, one, two), rel=1e-5)
