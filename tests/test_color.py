"""Colors: luma and chroma apart, and palettes that change hands."""

import jax.numpy as jnp
import numpy as np
import skimage.color
import skimage.data

from imggen import color, images


def photographs():
    """A cat and an astronaut, 40x60 and 64x64, in [-1, 1]."""
    cat = images.from_uint8(skimage.data.chelsea()[20:260:6, 60:420:6])
    astronaut = images.from_uint8(skimage.data.astronaut()[::8, ::8])
    return cat, astronaut


def test_brightness_of_one_and_chroma_of_the_other():
    cat, _ = photographs()
    mixed = color.with_chroma(jnp.flip(cat, 0) * 0.2, cat * 0.5)
    yuv = lambda image: skimage.color.rgb2yuv(np.asarray(image, np.float64) / 2 + 0.5)  # noqa: E731
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
