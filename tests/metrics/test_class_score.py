"""Class measures against closed forms and the sampling floor."""

import numpy as np
import pytest
from scipy.stats import entropy

from imggen.data.loaders.stacked import stacked_classes
from imggen.errors import UserError
from imggen.metrics.class_score import (
    class_counts,
    class_score,
    histogram_kl,
    kl_floor,
    mode_coverage,
)


def test_class_score_lies_between_one_and_the_number_of_classes():
    certain = 1000.0 * np.eye(10)[np.arange(200) % 10]
    assert class_score(certain).value == pytest.approx(10)
    assert class_score(np.zeros((50, 10))).value == pytest.approx(1)
    # One class only, however certain: no diversity.
    assert class_score(certain[::10]).value == pytest.approx(1)
    rng = np.random.default_rng(0)
    for scale in (0.1, 1, 10, 1e4):
        assert 1 <= class_score(scale * rng.standard_normal((100, 7))).value <= 7


def test_class_score_equals_the_definition():
    logits = 2 * np.random.default_rng(0).standard_normal((300, 10))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.exp(np.mean([entropy(row, p.mean(0)) for row in p]))
    assert class_score(logits).value == pytest.approx(expected, rel=1e-12)
    assert class_score(logits + 500).value == pytest.approx(expected, rel=1e-9)


def test_class_score_error_is_that_of_repeated_draws():
    rng = np.random.default_rng(0)
    scores = [class_score(3 * rng.standard_normal((400, 5))) for _ in range(300)]
    values, errors = np.array(scores).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_histogram_divergence():
    assert histogram_kl([5, 5, 5]) == pytest.approx(0, abs=1e-12)
    assert histogram_kl([9, 0, 0, 0]) == pytest.approx(np.log(4))
    assert histogram_kl([3, 1], reference=[1, 1]) == pytest.approx(entropy([3, 1], [1, 1]))
    assert histogram_kl([20, 60], reference=[1, 3]) == pytest.approx(0, abs=1e-12)
    assert histogram_kl([1, 1], reference=[1, 0]) == np.inf
    np.testing.assert_array_equal(class_counts([2, 0, 2], 4), [1, 0, 2, 0])


def test_a_perfect_sampler_of_a_thousand_modes_scores_the_floor():
    rng = np.random.default_rng(0)
    draws = [mode_coverage(rng.integers(0, 1000, 26_000), 1000) for _ in range(20)]
    assert kl_floor(1000, 26_000) == pytest.approx(0.0192, abs=1e-4)
    assert kl_floor(1000, 10_000) == pytest.approx(0.0500, abs=1e-4)
    assert all(draw.reached == 1000 for draw in draws)
    assert np.mean([draw.kl_uniform for draw in draws]) == pytest.approx(0.0192, abs=0.001)
    assert draws[0].kl_floor == kl_floor(1000, 26_000)


def test_modes_of_stacked_digits():
    np.testing.assert_array_equal(stacked_classes([[0, 0, 0], [9, 9, 9], [1, 2, 3]]), [0, 999, 123])
    collapsed = mode_coverage(np.full(500, 7), 1000)
    assert collapsed.reached == 1
    assert collapsed.kl_uniform == pytest.approx(np.log(1000))


def test_divergence_to_real_classes_that_are_not_uniform():
    real = class_counts(np.repeat([0, 1, 2], [600, 300, 100]), 4)
    same = class_counts(np.repeat([0, 1, 2], [60, 30, 10]), 4)
    assert histogram_kl(same, reference=real) == pytest.approx(0, abs=1e-12)
    assert histogram_kl(same) > 0.1
    assert histogram_kl(class_counts([0, 3], 4), reference=real) == np.inf


def test_bad_input_is_a_user_error():
    with pytest.raises(UserError, match='needs logits'):
        class_score(np.zeros(10))
