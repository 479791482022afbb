"""Luma and chroma, palettes transferred between images, and CIELAB against scikit-image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
import skimage.data

from imggen import color, images
from imggen.errors import UserError


def photographs():
    """A cat and an astronaut, 40x60 and 64x64, in [-1, 1]."""
    cat = images.from_uint8(skimage.data.chelsea()[20:260:6, 60:420:6])
    astronaut = images.from_uint8(skimage.data.astronaut()[::8, ::8])
    return cat, astronaut


def test_brightness_of_one_and_chroma_of_the_other():
    cat, _ = photographs()
    mixed = color.with_chroma(jnp.flip(cat, 0) * 0.2, cat * 0.5)
    yuv = lambda image: skimage.color.rgb2yuv(np.asarray(image, np.float64) / 2 + 0.5)
    np.testing.assert_allclose(yuv(mixed)[..., 0], yuv(jnp.flip(cat, 0) * 0.2)[..., 0], atol=1e-3)
    np.testing.assert_allclose(yuv(mixed)[..., 1:], yuv(cat * 0.5)[..., 1:], atol=1e-3)
    np.testing.assert_allclose(color.with_chroma(cat, cat), cat, atol=1e-6)


def test_gray_brightness_is_its_own():
    cat, _ = photographs()
    gray = color.luminance(cat)
    assert gray.shape == (40, 60, 1)
    np.testing.assert_array_equal(color.luminance(gray), gray)
    np.testing.assert_allclose(color.with_chroma(gray, cat), color.with_chroma(cat, cat), atol=1e-6)


def test_matched_luminance_has_the_contents_mean_and_deviation():
    cat, astronaut = photographs()
    found = color.match_luminance(astronaut * 0.3, cat * 0.3)
    expected = color.luminance(cat * 0.3)
    np.testing.assert_allclose(found.mean(), expected.mean(), atol=1e-3)
    np.testing.assert_allclose(found.std(), expected.std(), atol=1e-3)


def test_matched_colors_have_the_contents_mean_and_covariance():
    cat, astronaut = photographs()
    found = np.asarray(color.match_colors(astronaut * 0.5, cat * 0.3)).reshape(-1, 3)
    expected = np.asarray(cat * 0.3).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(0), expected.mean(0), atol=1e-3)
    np.testing.assert_allclose(np.cov(found.T), np.cov(expected.T), atol=1e-3)


def test_gray_and_flat_styles_stay_finite_and_gray_styles_gain_no_noise():
    cat, astronaut = photographs()
    gray = jnp.repeat(color.luminance(astronaut), 3, axis=-1)
    nearly = gray + 1e-3 * jnp.asarray(np.random.default_rng(0).normal(size=gray.shape))
    for style in (gray, nearly, jnp.zeros_like(gray), jnp.full_like(gray, -1.0)):
        assert jnp.isfinite(color.match_colors(style, cat)).all()
        assert jnp.isfinite(color.match_luminance(style, cat)).all()
    plain, noisy = color.match_colors(gray, cat), color.match_colors(nearly, cat)
    assert jnp.abs(plain - noisy).mean() < 0.02


@pytest.fixture(scope='module')
def rgb():
    # Every level of gray, every corner of the cube, and random colors.
    rng = np.random.default_rng(0)
    grays = np.repeat(np.arange(256)[:, None], 3, 1)
    corners = np.stack(np.meshgrid(*[[0, 255]] * 3), -1).reshape(-1, 3)
    return np.concatenate([grays, corners, rng.integers(0, 256, (2000, 3))])[:, None] / 255.0


def test_it_is_scikit_images_lab(rgb):
    ours = color.rgb_to_lab(jnp.asarray(2 * rgb - 1, jnp.float32))
    np.testing.assert_allclose(ours, skimage.color.rgb2lab(rgb), atol=2e-3)


def test_the_way_back_is_scikit_images_and_restores_every_color(rgb):
    theirs = skimage.color.rgb2lab(rgb)
    ours = color.lab_to_rgb(jnp.asarray(theirs, jnp.float32))
    np.testing.assert_allclose((ours + 1) / 2, rgb, atol=2e-4)
    np.testing.assert_array_equal(np.rint((ours + 1) * 127.5), np.rint(rgb * 255))


def test_colors_out_of_gamut_are_clipped():
    rgb = color.lab_to_rgb(
        jnp.array([[50.0, 120.0, 120.0], [100.0, -80.0, 0.0], [0.0, 50.0, -90.0]])
    )
    assert float(jnp.abs(rgb).max()) <= 1
    assert bool(jnp.isfinite(rgb).all())


def test_lightness_of_gray_is_that_of_the_same_gray_in_rgb():
    gray = jnp.linspace(-1, 1, 256)[:, None]
    rgb = jnp.repeat(gray, 3, axis=-1)
    np.testing.assert_allclose(color.lightness(gray), color.lightness(rgb), atol=2e-3)
    np.testing.assert_allclose(color.lightness(gray)[jnp.array([0, -1]), 0], [0, 100], atol=1e-3)


def test_networks_see_and_make_values_within_one(rgb):
    images = jnp.asarray(2 * rgb - 1, jnp.float32)
    x, y = color.lightness_input(images), color.color_target(images)
    assert x.shape[-1] == 1
    assert y.shape[-1] == 2
    assert float(jnp.abs(x).max()) <= 1 + 1e-5
    assert float(jnp.abs(y).max()) <= 1
    np.testing.assert_allclose(color.recombined(x, y), images, atol=1e-3)


def test_gradients_are_finite_at_black_and_at_white():
    ends = jnp.array([[-1.0, -1, -1], [1, 1, 1], [-1, 1, -1]])
    gradient = jax.grad(lambda x: jnp.sum(color.lab_to_rgb(color.rgb_to_lab(x)) ** 2))
    assert bool(jnp.isfinite(gradient(ends)).all())


def test_another_number_of_channels_is_refused():
    four = jnp.zeros((2, 2, 4))
    for function in (color.luminance, color.rgb_to_lab, color.lab_to_rgb, color.lightness):
        with pytest.raises(UserError, match=r'shape \(2, 2, 4\) must have'):
            function(four)
