"""Copying and diversity on sets whose answer is known."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from imggen.errors import UserError
from imggen.metrics.copying import copying
from imggen.metrics.diversity import distinct_nearest, mean_pairwise_distance


def sample(seed, count):
    return np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32)


TRAINING, HELD_OUT = sample(0, 1500), sample(1, 1000)


def test_a_fair_sampler_is_as_far_as_held_out_images():
    result = copying(TRAINING, HELD_OUT, sample(2, 1000))
    assert result.median_ratio == pytest.approx(1, abs=0.05)
    assert result.fraction_closer == pytest.approx(0.05, abs=0.03)


def test_copies_are_found_with_the_images_they_copy():
    result = copying(TRAINING, HELD_OUT, TRAINING[[5, 900, 5]])
    assert (result.median_ratio, result.fraction_closer) == (0, 1)
    assert (result.distances == 0).all()
    np.testing.assert_array_equal(result.indices, [5, 900, 5])


def test_a_tenth_of_near_copies_shows_in_the_fraction_not_in_the_median():
    generated = sample(2, 1000)
    generated[:100] = TRAINING[:100] + 0.01
    result = copying(TRAINING, HELD_OUT, generated)
    assert result.median_ratio > 0.9
    assert 0.1 <= result.fraction_closer < 0.2
    assert (result.distances[:100] < result.threshold).all()
    np.testing.assert_array_equal(result.indices[:100], np.arange(100))


def test_the_held_out_images_themselves_score_one():
    result = copying(TRAINING, HELD_OUT, HELD_OUT, percentile=20)
    assert result.median_ratio == 1
    assert result.fraction_closer == pytest.approx(0.2, abs=0.002)
    np.testing.assert_array_equal(result.distances, result.held_out_distances)


def test_held_out_images_that_were_trained_on_hide_no_copies():
    mixed = np.concatenate([HELD_OUT, TRAINING[:200]])
    alone, among = (copying(TRAINING, unseen, TRAINING[500:700]) for unseen in (HELD_OUT, mixed))
    assert alone.fraction_closer == among.fraction_closer == 1
    assert alone.threshold == among.threshold


def test_few_held_out_images_are_a_user_error():
    assert copying(TRAINING, HELD_OUT[:20], HELD_OUT).fraction_closer < 0.5
    with pytest.raises(UserError, match=r'needs 20 held-out images .* not 19'):
        copying(TRAINING, HELD_OUT[:19], HELD_OUT)


def test_held_out_images_that_were_trained_on_are_a_user_error():
    with pytest.raises(UserError, match='hold out'):
        copying(TRAINING, TRAINING[:100], HELD_OUT)


def test_mean_pairwise_distance():
    features = sample(0, 300) + 100
    assert mean_pairwise_distance(features) == pytest.approx(pdist(features).mean(), rel=1e-5)
    assert mean_pairwise_distance(np.ones((10, 3))) == 0
    assert mean_pairwise_distance(np.array([[0, 0], [3, 4]])) == pytest.approx(5)
    with pytest.raises(UserError, match='at least 2'):
        mean_pairwise_distance(features[:1])


def test_distinct_nearest_is_the_share_of_images_alone_in_their_nearest():
    assert distinct_nearest(TRAINING[[1, 1, 7]] + 0.001, TRAINING) == pytest.approx(1 / 3)
    assert distinct_nearest(TRAINING[[1, 1, 1]], TRAINING) == 0
    assert distinct_nearest(TRAINING, TRAINING) == 1
