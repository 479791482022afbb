"""Degraded inputs of super-resolution: JPEG is Pillow's, and every picture draws its own faults."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from imggen import images
from imggen.data.pairs import degradation, pairings


def _picture(height=40, width=56):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 5.0) + np.cos(y / 7.0), np.sin((x + y) / 9.0), np.cos(x / 3.0)]
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return np.clip(128 + 45 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize('quality', [30, 75, 92])
@pytest.mark.parametrize('channels', [1, 3])
def test_jpeg_is_that_of_an_encoder_without_subsampling(quality, channels):
    picture = _picture()[..., :channels]
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if channels == 1 else picture).save(
        file, 'JPEG', quality=quality, subsampling=0
    )
    expected = np.asarray(Image.open(file), np.float64).reshape(picture.shape)
    found = degradation.jpeg(images.from_uint8(picture), jnp.float32(quality))
    found = images.to_uint8(found).astype(np.float64)
    lost = np.abs(expected - picture).mean()
    # Encoders round twice more, to 8 bits of YCbCr and to integer DCTs.
    assert np.abs(found - expected).mean() < (0.7 if channels == 1 else 0.45 * lost + 0.5)
    assert abs(np.abs(found - picture).mean() - lost) < 0.1 * lost


def test_a_picture_of_any_size_keeps_its_size_and_its_mean():
    picture = images.from_uint8(_picture(44, 60))[None]
    pair = pairings.downscale(4, degrade=True)(jax.random.key(0), picture)
    assert pair['input'].shape == (1, 11, 15, 3)
    np.testing.assert_array_equal(pair['target'], picture)
    levels = np.asarray(pair['input']) * 127.5 + 127.5
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
    assert abs(float(pair['input'].mean() - picture.mean())) < 0.05


def test_every_picture_and_every_key_has_its_own_faults():
    picture = images.from_uint8(_picture(32, 32))
    degrade = jax.jit(lambda key: degradation.degrade(key, jnp.stack([picture] * 3), 2))
    first, again, other = (
        degrade(jax.random.key(0)),
        degrade(jax.random.key(0)),
        degrade(jax.random.key(1)),
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_flat_pictures_keep_their_edges():
    """Blur, resizing and blocks must not mix in what lies beyond the border."""
    flat = jnp.full((4, 48, 48, 3), 0.2)
    found = degradation.degrade(jax.random.key(0), flat, 4)
    border = jnp.concatenate([found[:, 0], found[:, -1], found[:, :, 0], found[:, :, -1]], 1)
    assert abs(float(border.mean() - found[:, 2:-2, 2:-2].mean())) < 0.02
