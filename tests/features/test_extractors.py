"""Extractors by name, and raw pixels as features."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imggen import features
from imggen.errors import UserError
from imggen.features import pixels


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(
        UserError, match="no extractor 'vgg19'; choose fashion_classifier, inception, lite0"
    ):
        features.make('vgg19')


@pytest.mark.parametrize('name', ['lite0', 'pixels', 'vgg16'])
def test_extractor_keeps_the_contract_for_gray_and_color(name):
    try:
        extractor = features.make(name)
    except UserError as error:
        pytest.skip(str(error))
    assert extractor.name == name
    assert len(extractor.digest) == 12
    assert extractor.note
    for channels in (1, 3):
        images = jax.ShapeDtypeStruct((2, 28, 20, channels), jnp.float32)
        found = jax.eval_shape(extractor.apply, extractor.params, images)
        assert found.keys() <= {'features', 'logits'}
        assert found['features'].dtype == jnp.float32
        assert found['features'].ndim == 2
        assert found['features'].shape[0] == 2


def test_small_images_are_their_own_features():
    images = jax.random.uniform(jax.random.key(0), (3, 16, 20, 3))
    extractor = features.make('pixels')
    found = extractor.apply(extractor.params, images)['features']
    np.testing.assert_allclose(found, images.reshape(3, -1), rtol=1e-6)


def test_halving_is_the_mean_of_each_2x2_box():
    images = jax.random.uniform(jax.random.key(1), (2, 32, 32, 1))
    found = pixels.make(max_features=256).apply({}, images)['features']
    expected = images.reshape(2, 16, 2, 16, 2).mean((2, 4)).reshape(2, -1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 300), new_size=st.integers(1, 300))
def test_every_old_pixel_counts_alike_and_every_new_one_is_a_mean(size, new_size):
    shares = pixels._area(size, min(size, new_size))
    np.testing.assert_allclose(shares.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(shares.sum(0), len(shares) / size, rtol=1e-5)
    assert (shares >= 0).all()


@pytest.mark.parametrize('shape', [(90, 31, 3), (5, 7, 1), (33, 33, 1), (128, 256, 3)])
@pytest.mark.parametrize('limit', [192, 1024])
def test_there_are_no_more_features_than_allowed_and_not_many_fewer(shape, limit):
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    found = jax.eval_shape(pixels.make(max_features=limit).apply, {}, images)['features']
    assert min(limit / 2, np.prod(shape)) <= found.shape[1] <= limit
