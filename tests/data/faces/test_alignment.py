"""Alignment by the eyes: two points to two places, and pixels with them."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from imggen.data.faces import alignment

COORDINATE = st.floats(-500, 500)
POINT = st.tuples(COORDINATE, COORDINATE)


def dots(size, points, *, radius=3.0):
    """A black picture with a soft white dot at each (row, column)."""
    rows, columns = np.indices(size) + 0.5
    bright = sum(
        np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * radius**2))
        for row, column in points
    )
    return np.rint(255 * np.clip(bright, 0, 1)).astype(np.uint8)[..., None]


def center(picture, columns):
    """The center of brightness of some columns of a picture."""
    weights = np.zeros(picture.shape[:2])
    weights[:, columns] = picture[:, columns, 0]
    rows, places = np.indices(weights.shape) + 0.5
    return (rows * weights).sum() / weights.sum(), (places * weights).sum() / weights.sum()


@settings(deadline=None)
@given(POINT, POINT, POINT, POINT)
def test_a_similarity_takes_points_to_places_and_keeps_angles(e1, e2, t1, t2):
    assume(math.dist(e1, e2) > 1 and math.dist(t1, t2) > 1)
    matrix = alignment.similarity((e1, e2), (t1, t2))
    for point, place in ((e1, t1), (e2, t2)):
        np.testing.assert_allclose(matrix @ [*point, 1.0], place, atol=1e-6)
    turn = matrix[:, :2]
    scale = math.dist(t1, t2) / math.dist(e1, e2)
    np.testing.assert_allclose(turn @ turn.T, scale**2 * np.eye(2), rtol=1e-6, atol=1e-6 * scale**2)
    assert np.linalg.det(turn) > 0  # Turned, not mirrored.


def test_one_point_fixes_no_similarity():
    with pytest.raises(ValueError, match='coincide'):
        alignment.similarity(((1, 2), (1, 2)), ((0, 0), (1, 1)))


@pytest.mark.parametrize(
    'eyes',
    [
        ((60.5, 70.5), (60.5, 118.5)),  # Straight; half as large in the portrait.
        ((90.0, 60.0), (70.0, 100.0)),  # A head on the side.
        ((40.0, 30.0), (44.0, 40.0)),  # Far away: enlarged.
        ((70.0, 50.0), (80.0, 150.0)),  # Near: shrunk a lot.
    ],
)
def test_eyes_come_to_their_places(eyes):
    size = (80, 64)
    spread = math.dist(*eyes)
    picture = dots((160, 200), eyes, radius=max(1.5, spread / 16))
    aligned = alignment.align(picture, eyes, size)
    assert aligned.shape == (80, 64, 1) and aligned.dtype == np.uint8
    left, right = alignment.eye_places(size)
    np.testing.assert_allclose(center(aligned, slice(0, 32)), left, atol=0.35)
    np.testing.assert_allclose(center(aligned, slice(32, 64)), right, atol=0.35)


def test_eyes_in_place_leave_a_picture_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (80, 64, 3), dtype=np.uint8)
    same = alignment.align(picture, alignment.eye_places((80, 64)), (80, 64))
    np.testing.assert_array_equal(same, picture)


def test_a_picture_that_is_shrunk_is_not_aliased():
    """A fine checkerboard becomes gray, not a coarse pattern."""
    fine = 255 * (np.indices((400, 320)).sum(0) % 2).astype(np.uint8)[..., None]
    row, left, right = 168.0, 112.0, 208.0
    aligned = alignment.align(fine, ((row, left), (row, right)), (50, 40))
    inner = aligned[2:-2, 2:-2].astype(int)
    assert np.abs(inner - 127.5).max() < 8


def test_outside_the_edge_is_repeated():
    picture = np.zeros((20, 20, 3), np.uint8)
    picture[:, 10:] = (200, 100, 50)
    aligned = alignment.align(picture, ((10, 8), (10, 12)), (40, 32))
    assert np.all(aligned[:, -1] == (200, 100, 50)) and np.all(aligned[:, 0] == 0)


@pytest.mark.parametrize('size', [(480, 360), (320, 256), (64, 64), (40, 200)])
def test_places_are_level_even_and_leave_room_for_the_chin(size):
    (row, left), (other, right) = alignment.eye_places(size)
    assert row == other and left + right == pytest.approx(size[1])
    assert size[0] - row > 1.9 * (right - left)  # Eyes to chin, in distances between eyes.


def test_alignment_undoes_what_was_done_to_a_photograph():
    """The same face, turned and enlarged, comes out as the same portrait."""
    skimage = pytest.importorskip('skimage')
    picture = skimage.data.astronaut()[:256, 96:352]
    eyes = ((101.5, 104.5), (102.5, 151.5))
    turned = np.asarray(
        Image.fromarray(picture)
        .resize((384, 384), Image.Resampling.BICUBIC)
        .rotate(20, Image.Resampling.BICUBIC)
    )
    angle = math.radians(20)

    def moved(point):
        row, column = 1.5 * point[0] - 192, 1.5 * point[1] - 192
        return (
            math.cos(angle) * row - math.sin(angle) * column + 192,
            math.sin(angle) * row + math.cos(angle) * column + 192,
        )

    first = alignment.align(picture, eyes, (64, 48)).astype(float)
    second = alignment.align(turned, [moved(eye) for eye in eyes], (64, 48)).astype(float)
    middle = (slice(8, 56), slice(8, 40))  # The corners were turned out of the picture.
    assert np.abs(first - second)[middle].mean() < 5
    assert np.abs(first - np.roll(second, 2, axis=1))[middle].mean() > 8
