"""Augmentation of data: exact copies of pixels, resampling as in SciPy, one key per image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from imggen.augmentation import affine, dataset
from imggen.errors import UserError

KEY = jax.random.key(3)
IMAGES = jax.random.uniform(jax.random.key(0), (6, 9, 7, 3), minval=-1.0, maxval=1.0)
SCIPY_MODES = {'edge': 'nearest', 'reflect': 'mirror', 'black': 'grid-constant'}


def identity_matrices(count):
    return jnp.tile(jnp.eye(2)[None], (count, 1, 1))


def test_everything_off_returns_the_images_themselves():
    np.testing.assert_array_equal(dataset.augment(KEY, IMAGES), IMAGES)


def test_a_compiled_augmentation_that_is_off_costs_nothing():
    text = jax.jit(lambda images: dataset.augment(KEY, images)).lower(IMAGES).compile().as_text()
    assert 'while' not in text and 'gather' not in text


def test_half_of_the_images_are_flipped():
    images = jnp.broadcast_to(IMAGES[:1], (2000, 9, 7, 3))
    flipped = np.asarray(dataset.augment(KEY, images, flip=True))
    is_same = np.all(flipped == np.asarray(images), axis=(1, 2, 3))
    is_mirror = np.all(flipped == np.asarray(images)[:, :, ::-1], axis=(1, 2, 3))
    assert np.all(is_same ^ is_mirror)
    # Four standard deviations of 2000 fair coin flips.
    assert abs(is_mirror.sum() - 1000) < 4 * np.sqrt(500)


@pytest.mark.parametrize('fill', ['edge', 'reflect', 'black'])
def test_whole_pixel_shifts_copy_pixels_and_all_occur(fill):
    images = jnp.broadcast_to(IMAGES[:1], (400, 9, 7, 3))
    shifted = np.asarray(dataset.augment(KEY, images, shift_pixels=2, fill=fill))
    mode = {'black': 'constant'}.get(fill, fill)
    extra = {'constant_values': -1.0} if fill == 'black' else {}
    padded = np.pad(np.asarray(IMAGES[0]), ((2, 2), (2, 2), (0, 0)), mode=mode, **extra)
    counts = {
        (row, column): int(
            np.sum(
                np.all(shifted == padded[None, row : row + 9, column : column + 7], axis=(1, 2, 3))
            )
        )
        for row in range(5)
        for column in range(5)
    }
    assert sum(counts.values()) == 400
    assert min(counts.values()) > 0  # Each of the 25 is expected 16 times.


def test_crops_copy_pixels_and_all_occur():
    images = jnp.broadcast_to(IMAGES[:1], (400, 9, 7, 3))
    pieces = np.asarray(dataset.augment(KEY, images, crop=(6, 5)))
    assert pieces.shape == (400, 6, 5, 3)
    whole = np.asarray(IMAGES[0])
    counts = [
        int(np.sum(np.all(pieces == whole[None, row : row + 6, column : column + 5], (1, 2, 3))))
        for row in range(4)
        for column in range(3)
    ]
    assert sum(counts) == 400
    assert min(counts) > 0  # Each of the 12 is expected 33 times.
    np.testing.assert_array_equal(dataset.augment(KEY, IMAGES, crop=(9, 7)), IMAGES)


@pytest.mark.parametrize(
    ('crop', 'message'),
    [((10, 3), 'larger than the images of 9 x 7'), ((0, 3), 'is not a size'), (4, 'is not a size')],
)
def test_a_crop_that_does_not_fit_is_an_error(crop, message):
    with pytest.raises(UserError, match=message):
        dataset.augment(KEY, IMAGES, crop=crop)


@pytest.mark.parametrize('fill', ['edge', 'reflect', 'black'])
def test_warp_agrees_with_scipy(fill):
    rng = np.random.default_rng(0)
    matrices = np.eye(2) + rng.uniform(-0.6, 0.6, (6, 2, 2))
    offsets = rng.uniform(-5, 5, (6, 2))
    warped = affine.warp(IMAGES, jnp.float32(matrices), jnp.float32(offsets), fill=fill)
    for image, matrix, offset, result in zip(IMAGES, matrices, offsets, warped, strict=True):
        for channel in range(3):
            expected = scipy.ndimage.affine_transform(
                np.asarray(image[..., channel], np.float64),
                matrix,
                offset,
                order=1,
                mode=SCIPY_MODES[fill],
                cval=-1.0,
            )
            np.testing.assert_allclose(result[..., channel], expected, atol=1e-5)


def test_a_quarter_turn_is_exact():
    square = IMAGES[:, :7]
    matrices = affine.affine_matrices(jnp.full(6, jnp.pi / 2), jnp.ones(6), jnp.zeros(6))
    offsets = jnp.array([3.0, 3.0])[None] - matrices @ jnp.array([3.0, 3.0])
    turned = affine.warp(square, matrices, offsets)
    # output[y, x] = input[M (y, x)], with M (y, x) = (-x, y) about the center.
    expected = np.rot90(np.asarray(square), k=-1, axes=(1, 2))
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_a_fractional_shift_of_whole_pixels_copies_them():
    moved = affine.warp(IMAGES, identity_matrices(6), jnp.tile(jnp.array([[2.0, -1.0]]), (6, 1)))
    np.testing.assert_array_equal(moved[:, :7, 1:], IMAGES[:, 2:, :-1])


def test_the_center_stays_under_rotation_zoom_and_shear():
    images = jnp.full((50, 9, 9, 1), -1.0).at[:, 4, 4].set(1.0)
    moved = dataset.augment(KEY, images, rotation_degrees=180.0, zoom=0.5, shear=0.3)
    np.testing.assert_allclose(moved[:, 4, 4, 0], 1.0, atol=1e-4)
    assert np.unique(np.round(moved[:, 3, 4, 0], 3)).size > 25


@pytest.mark.parametrize(
    'options',
    [
        {'shift': 0.2},
        {'rotation_degrees': 30.0},
        {'zoom': 0.3},
        {'shear': 0.3},
        {'flip': True, 'shift_pixels': 1, 'rotation_degrees': 5.0},
    ],
)
def test_an_image_changes_in_the_same_way_in_a_batch_of_any_size(options):
    whole = dataset.augment(KEY, IMAGES, **options)
    part = dataset.augment(KEY, IMAGES[:2], **options)
    np.testing.assert_allclose(whole[:2], part, atol=1e-5)
    assert not np.allclose(whole, IMAGES)
    assert not np.allclose(whole, dataset.augment(jax.random.key(4), IMAGES, **options))


@jax.jit
def _strong(key, images):
    options = {'rotation_degrees': 180.0, 'zoom': 3.0, 'shear': 1.0, 'fill': 'reflect'}
    return dataset.augment(key, images, flip=True, shift=0.5, **options)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_values_stay_in_range(seed):
    extremes = jnp.sign(jax.random.normal(jax.random.key(seed), (16, 8, 6, 1)))
    moved = _strong(jax.random.key(seed), extremes)
    assert float(jnp.abs(moved).max()) <= 1.0
    assert moved.dtype == jnp.float32 and bool(jnp.all(jnp.isfinite(moved)))
    # A constant image stays constant, up to the rounding of positions.
    np.testing.assert_allclose(_strong(jax.random.key(seed), jnp.ones((16, 8, 6, 1))), 1, atol=1e-5)


@pytest.mark.parametrize('options', [{'shift': -0.1}, {'shift_pixels': -1}, {'fill': 'wrap'}])
def test_impossible_options_are_errors(options):
    with pytest.raises(UserError, match=f'config.data.augment.{next(iter(options))}'):
        dataset.augment(KEY, IMAGES, **options)
