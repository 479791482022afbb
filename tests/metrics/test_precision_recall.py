"""Precision, recall, density and coverage against published vectors and brute force."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from imggen.errors import UserError
from imggen.metrics.pairwise import nearest, neighbor_distances
from imggen.metrics.precision_recall import precision_recall

REAL = np.array([[0], [1], [2], [4]], np.float32)
FAKE = np.array([[0.5], [1.5], [3], [10]], np.float32)


def metrics(real, fake, *, k, inclusive=False):
    result = precision_recall(
        real, fake, num_neighbors=k, num_density_neighbors=k, inclusive=inclusive
    )
    return result[:4]


@pytest.mark.parametrize(
    ('fake', 'k', 'inclusive', 'expected'),
    [
        (FAKE, 1, False, (0.75, 1, 1.25, 1)),
        (FAKE, 1, True, (0.75, 1, 1.5, 1)),
        (FAKE, 2, False, (0.75, 1, 1.125, 1)),
        (REAL, 1, False, (1, 1, 1, 1)),
        (REAL, 1, True, (1, 1, 2.25, 1)),
    ],
)
def test_vectors_with_ties(fake, k, inclusive, expected):
    assert metrics(REAL, fake, k=k, inclusive=inclusive) == expected


def brute_force(real, fake, k, k_density):
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    # Column 0 of the sorted distances is the point itself.
    radii_real, radii_fake = (np.sort(cdist(a, a), 1) for a in (real, fake))
    between = cdist(real, fake)
    in_real = between < radii_real[:, k_density, None]
    return (
        (between < radii_real[:, k, None]).any(0).mean(),
        (between < radii_fake[None, :, k]).any(1).mean(),
        in_real.sum() / (k_density * len(fake)),
        in_real.any(1).mean(),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.sampled_from([(60, 7), (7, 60)]),
    spread=st.floats(0.2, 3),
    offset=st.sampled_from([0.0, 100.0]),
)
@settings(max_examples=25, deadline=None)
def test_equals_brute_force(seed, sizes, spread, offset):
    num_real, num_fake = sizes
    rng = np.random.default_rng(seed)
    real = (rng.standard_normal((num_real, 4)) + offset).astype(np.float32)
    fake = (rng.standard_normal((num_fake, 4)) * spread + offset).astype(np.float32)
    result = precision_recall(real, fake)
    np.testing.assert_allclose(result[:4], brute_force(real, fake, 3, 5), atol=1e-6)


def test_more_rows_than_a_block():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((2500, 3)).astype(np.float32)
    fake = rng.standard_normal((2600, 3)).astype(np.float32)
    result = precision_recall(real, fake)
    np.testing.assert_allclose(result[:4], brute_force(real, fake, 3, 5), atol=2e-3)


def test_published_values_of_two_gaussian_sets():
    # Of the paper's code, at 10 000 images of 1000 dimensions: .4772 .4705 1.0555 .9735.
    keys = jax.random.split(jax.random.key(0))
    real, fake = (np.asarray(jax.random.normal(key, (10_000, 1000))) for key in keys)
    result = metrics(real, fake, k=5)
    np.testing.assert_allclose(result, (0.4772, 0.4705, 1.0555, 0.9735), atol=0.05)


def test_a_collapsed_generator_is_precise_without_recall():
    rng = np.random.RandomState(42)
    generated = (0.1 * rng.randn(200, 16)).astype(np.float32)
    real = (3 * rng.randn(200, 16)).astype(np.float32)
    result = precision_recall(real, generated)
    assert result.precision > 0.8
    assert result.recall < 0.3
    swapped = precision_recall(generated, real)
    assert (swapped.precision, swapped.recall) == (result.recall, result.precision)


def test_expectations_where_both_distributions_are_one():
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((2, 3000, 3)).astype(np.float32)
    result = precision_recall(real, fake)
    assert result.density == pytest.approx(1, abs=0.03)
    assert result.coverage == pytest.approx(1 - 0.5**5, abs=0.01)


def test_standard_errors_are_those_of_repeated_draws():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((300, 4)).astype(np.float32)
    results = np.array(
        [
            precision_recall(real, 1.5 * rng.standard_normal((200, 4)).astype(np.float32))
            for _ in range(200)
        ]
    )
    deviations = results.std(axis=0)
    assert results[:, 4].mean() == pytest.approx(deviations[0], rel=0.15)
    assert results[:, 5].mean() == pytest.approx(deviations[2], rel=0.15)


def test_neighbors_count_repeated_distances_each():
    features = np.array([[0], [1], [-1], [3], [0]], np.float32)
    found = np.sqrt(np.asarray(neighbor_distances(features, num_neighbors=4)))
    np.testing.assert_array_equal(found[0], [0, 1, 1, 3])
    np.testing.assert_array_equal(found[3], [2, 3, 3, 4])


def test_nearest_finds_copies_at_distance_zero_exactly():
    rng = np.random.default_rng(0)
    references = rng.normal(50, 1, (500, 30)).astype(np.float32)
    order = rng.permutation(500)
    distances, indices = nearest(references[order], references)
    np.testing.assert_array_equal(indices, order)
    assert (distances == 0).all()
    queries = rng.normal(50, 1, (70, 30)).astype(np.float32)
    distances, indices = nearest(queries, references)
    exact = cdist(queries.astype(np.float64), references.astype(np.float64))
    np.testing.assert_array_equal(indices, exact.argmin(1))
    np.testing.assert_allclose(distances, exact.min(1), rtol=1e-5)


def test_bad_input_is_a_user_error():
    with pytest.raises(UserError, match='too few'):
        precision_recall(REAL, FAKE)
    with pytest.raises(UserError, match='reference features must be'):
        precision_recall(REAL[:, 0], FAKE)
