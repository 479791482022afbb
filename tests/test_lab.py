"""CIELAB against scikit-image, the way back, and gradients that stay finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import color as lab

color = pytest.importorskip('skimage.color')


@pytest.fixture(scope='module')
def images():
    # Every level of gray, every corner of the cube, and colors at random.
    rng = np.random.default_rng(0)
    grays = np.repeat(np.arange(256)[:, None], 3, 1)
    corners = np.stack(np.meshgrid(*[[0, 255]] * 3), -1).reshape(-1, 3)
    return np.concatenate([grays, corners, rng.integers(0, 256, (2000, 3))])[:, None] / 255.0


def test_it_is_scikit_images_lab(images):
    ours = lab.rgb_to_lab(jnp.asarray(2 * images - 1, jnp.float32))
    np.testing.assert_allclose(ours, color.rgb2lab(images), atol=2e-3)


def test_the_way_back_is_scikit_images_and_restores_every_color(images):
    theirs = color.rgb2lab(images)
    ours = lab.lab_to_rgb(jnp.asarray(theirs, jnp.float32))
    np.testing.assert_allclose((ours + 1) / 2, images, atol=2e-4)
    np.testing.assert_array_equal(np.rint((ours + 1) * 127.5), np.rint(images * 255))


def test_colors_out_of_gamut_are_clipped():
    rgb = lab.lab_to_rgb(jnp.array([[50.0, 120.0, 120.0], [100.0, -80.0, 0.0], [0.0, 50.0, -90.0]]))
    assert float(jnp.abs(rgb).max()) <= 1
    assert bool(jnp.isfinite(rgb).all())


def test_lightness_of_gray_is_that_of_the_same_gray_in_rgb():
    gray = jnp.linspace(-1, 1, 256)[:, None]
    rgb = jnp.repeat(gray, 3, axis=-1)
    np.testing.assert_allclose(lab.lightness(gray), lab.lightness(rgb), atol=2e-3)
    np.testing.assert_allclose(lab.lightness(gray)[jnp.array([0, -1]), 0], [0, 100], atol=1e-3)


def test_networks_see_and_make_values_within_one(images):
    rgb = jnp.asarray(2 * images - 1, jnp.float32)
    x, y = lab.lightness_input(rgb), lab.color_target(rgb)
    assert x.shape[-1] == 1
    assert y.shape[-1] == 2
    assert float(jnp.abs(x).max()) <= 1 + 1e-5
    assert float(jnp.abs(y).max()) <= 1
    np.testing.assert_allclose(lab.recombined(x, y), rgb, atol=1e-3)


def test_gradients_are_finite_at_black_and_at_white():
    ends = jnp.array([[-1.0, -1, -1], [1, 1, 1], [-1, 1, -1]])
    gradient = jax.grad(lambda x: jnp.sum(lab.lab_to_rgb(lab.rgb_to_lab(x)) ** 2))
    assert bool(jnp.isfinite(gradient(ends)).all())
