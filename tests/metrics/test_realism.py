"""Realism against the formula of the paper, computed for all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from imggen.errors import UserError
from imggen.metrics.realism import balls, realism


@given(
    seed=st.integers(0, 2**32 - 1),
    num_real=st.sampled_from([5, 40]),
    num_neighbors=st.sampled_from([1, 3]),
    offset=st.sampled_from([0.0, 100.0]),
)
@settings(max_examples=20, deadline=None)
def test_equals_brute_force(seed, num_real, num_neighbors, offset):
    rng = np.random.default_rng(seed)
    real = (rng.normal(size=(num_real, 4)) + offset).astype(np.float32)
    generated = (2 * rng.normal(size=(7, 4)) + offset).astype(np.float32)
    radii = np.sort(cdist(real, real), axis=1)[:, num_neighbors]  # Column 0 is the image itself.
    is_small = radii <= np.median(radii)
    expected = (radii[None] / cdist(generated, real))[:, is_small].max(axis=1)
    found = realism(balls(real, num_neighbors=num_neighbors), generated)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_real_image_without_company_lets_nothing_pass():
    """Its ball reaches all others; what lies in it and in no other ball is not realistic."""
    crowd = np.arange(10, dtype=np.float32)[:, None]
    real = np.concatenate([crowd, [[1000.0]]]).astype(np.float32)
    in_crowd, far = realism(balls(real), np.array([[4.2], [500.0]], np.float32))
    assert in_crowd > 1.0 > far


def test_a_copy_has_a_finite_realism():
    real = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    assert np.isfinite(realism(balls(real), real)).all()


def test_equal_images_are_no_company_for_each_other():
    real = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    generated = real[:5] + np.float32(0.1)
    expected = realism(balls(real), generated)
    np.testing.assert_allclose(realism(balls(real.repeat(4, axis=0)), generated), expected)


def test_different_images_must_outnumber_neighbors():
    real = np.eye(3, dtype=np.float32).repeat(5, axis=0)
    with pytest.raises(UserError, match='3 different real images are too few for 3'):
        balls(real)
