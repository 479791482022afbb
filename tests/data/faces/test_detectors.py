"""Faces: boxes that grow without stretching, and detectors on one real face."""

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imggen.data.faces import boxes, detectors
from imggen.data.faces.boxes import Box
from imggen.errors import UserError

RNG = np.random.default_rng(0)
# Read off the photograph: forehead to chin, and the pupils.
ASTRONAUT = Box(70, 178, 108, 90)
PUPILS = ((102, 200), (103, 247))


@pytest.fixture(scope='module')
def astronaut():
    return pytest.importorskip('skimage').data.astronaut()


def make(name, **options):
    if name == 'yunet':
        pytest.importorskip('yuface')
    return detectors.DETECTORS[name](**options)


@pytest.mark.parametrize('name', list(detectors.DETECTORS))
def test_a_face_is_found_where_it_is(name, astronaut):
    (face,) = make(name)(astronaut)
    assert boxes.overlap(face.box, ASTRONAUT) > 0.6
    assert face.score > 0.5
    assert len(face.eyes) == 2
    np.testing.assert_allclose(face.eyes, PUPILS, atol=5)


@pytest.mark.parametrize('name', list(detectors.DETECTORS))
def test_boxes_and_eyes_follow_a_picture_that_is_shrunk_to_be_searched(name, astronaut):
    large = np.asarray(Image.fromarray(astronaut).resize((1536, 1536)))
    (face,) = make(name, max_side=600)(large)
    assert boxes.overlap(face.box, ASTRONAUT.scaled(3)) > 0.6
    np.testing.assert_allclose(face.eyes, 3 * np.asarray(PUPILS), atol=20)


@pytest.mark.parametrize('name', list(detectors.DETECTORS))
def test_gray_pictures_work_and_the_largest_face_comes_first(name, astronaut):
    half = np.asarray(Image.fromarray(astronaut).resize((256, 256)).convert('L'))
    sheet = np.full((512, 800), 128, np.uint8)
    sheet[:256, 520:776] = half
    sheet[:, :512] = np.asarray(Image.fromarray(astronaut).convert('L'))
    found = make(name, min_side=30)(sheet[..., None])
    assert len(found) == 2
    assert boxes.overlap(found[0].box, ASTRONAUT) > 0.5
    moved = ASTRONAUT.scaled(0.5)
    assert boxes.overlap(found[1].box, moved._replace(left=moved.left + 520)) > 0.4
    # The smaller face is about 45 pixels wide and 55 high.
    assert len(make(name, min_side=70)(sheet[..., None])) == 1


@pytest.mark.parametrize('name', list(detectors.DETECTORS))
def test_the_smallest_face_that_is_found_grows_as_the_photograph_is_shrunk(name, astronaut):
    assert detectors.smallest(name, 700, 800) == detectors.SMALLEST[name]
    assert detectors.smallest(name, 6000, 800) == detectors.SMALLEST[name] * 7.5
    # The face is some 90 pixels wide in 512; shrunk to less than what there is, it is lost.
    lost = round(512 * detectors.SMALLEST[name] / ASTRONAUT.width * 0.8)
    assert make(name, max_side=lost, min_side=1)(astronaut) == []
    assert detectors.smallest(name, 512, lost) > ASTRONAUT.width


@pytest.mark.parametrize('name', list(detectors.DETECTORS))
@pytest.mark.parametrize('size', [(1, 1), (1, 500), (9, 9), (23, 23), (90, 70)])
def test_pictures_without_a_face_have_none(name, size):
    assert make(name)(np.full((*size, 3), 200, np.uint8)) == []
    assert make(name)(np.zeros((*size, 1), np.uint8)) == []


def test_cascades_that_are_not_there_are_told(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r'haarcascade_frontalface_default\.xml is in none of'):
        detectors.haar(cascades=str(tmp_path))
    monkeypatch.delattr(cv2, 'CascadeClassifier')
    with pytest.raises(UserError, match='has no Haar cascades: install opencv-python'):
        detectors.haar()


def test_a_yunet_that_is_not_there_is_told(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r'gone\.onnx is not a file'):
        detectors.yunet(model=str(tmp_path / 'gone.onnx'))
    (tmp_path / 'wrong.onnx').write_bytes(b'no network')
    with pytest.raises(UserError, match=r'wrong\.onnx cannot be read as a YuNet'):
        detectors.yunet(model=str(tmp_path / 'wrong.onnx'))
    monkeypatch.setitem(sys.modules, 'yuface', None)
    with pytest.raises(UserError, match=r'pip install imggen\[faces\]'):
        detectors.yunet()


SIDE = st.floats(8, 400)


@st.composite
def pictures_with_faces(draw):
    picture = draw(st.integers(30, 600)), draw(st.integers(30, 600))
    height = draw(st.floats(8, picture[0]))
    width = draw(st.floats(8, picture[1]))
    top = draw(st.floats(0, picture[0] - height))
    left = draw(st.floats(0, picture[1] - width))
    return picture, Box(top, left, height, width)


@settings(deadline=None, max_examples=200)
@given(
    pictures_with_faces(),
    st.sampled_from([(480, 360), (320, 256), (64, 64), (50, 200)]),
    st.floats(0, 200),
)
def test_a_portrait_has_the_proportions_of_its_size_and_holds_the_face(case, size, margin):
    picture, face = case
    box = boxes.portrait(face, picture, size, margin_percent=margin)
    assert box.height / box.width == pytest.approx(size[0] / size[1])
    # The face is inside, but for one that the proportions push over an edge.
    assert box.height >= face.height * (1 - 1e-9) and box.width >= face.width * (1 - 1e-9)
    for start, length, limit, first, side in (
        (box.top, box.height, picture[0], face.top, face.height),
        (box.left, box.width, picture[1], face.left, face.width),
    ):
        if length <= limit * (1 - 1e-9):
            assert start >= 0 and start + length <= limit + 1e-6
            assert start <= first + 1e-6 and start + length >= first + side - 1e-6
    grown = boxes.portrait(face, picture, size, margin_percent=margin + 10)
    assert grown.area >= box.area * (1 - 1e-9)


def test_a_margin_is_percent_of_the_face_on_each_side():
    face = Box(100, 100, 40, 30)
    box = boxes.portrait(face, (400, 400), (4, 3), margin_percent=50)
    assert box == pytest.approx((80, 85, 80, 60))
    wide = boxes.portrait(face, (400, 400), (3, 3), margin_percent=0)
    assert wide == pytest.approx((100, 95, 40, 40))  # Grown, not stretched.
    corner = boxes.portrait(Box(0, 370, 40, 30), (400, 400), (4, 3), margin_percent=50)
    assert corner == pytest.approx((0, 340, 80, 60))  # Moved inside.
    narrow = boxes.portrait(face._replace(top=5), (50, 400), (4, 3), margin_percent=50)
    assert narrow == pytest.approx((0, 96.25, 50, 37.5))  # The margin gives way.


def test_cutting_whole_pixels_copies_them():
    picture = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    piece = boxes.cut(picture, Box(4.0, 7.0, 8.0, 6.0), (8, 6))
    np.testing.assert_array_equal(piece, picture[4:12, 7:13])
    over = boxes.cut(picture, Box(-2.0, 27.0, 8.0, 6.0), (8, 6))
    np.testing.assert_array_equal(over, np.pad(picture, ((2, 0), (0, 3), (0, 0)), 'edge')[:8, 27:])
    gray = boxes.cut(picture[..., :1], Box(4.0, 7.0, 8.0, 6.0), (8, 6))
    np.testing.assert_array_equal(gray[..., 0], picture[4:12, 7:13, 0])


def test_a_circle_stays_round():
    rows, columns = np.indices((200, 300))
    disc = (((rows - 90) ** 2 + (columns - 140) ** 2) < 30**2).astype(np.uint8)[..., None] * 255
    box = boxes.portrait(Box(60, 110, 60, 60), (200, 300), (96, 72), margin_percent=20)
    cut = boxes.cut(disc, box, (96, 72))[..., 0] > 127
    height, width = np.any(cut, axis=1).sum(), np.any(cut, axis=0).sum()
    assert abs(int(height) - int(width)) <= 1 and height > 40


def test_a_whole_picture_is_brought_inside_a_size():
    picture = RNG.integers(0, 256, (10, 20, 3), dtype=np.uint8)
    fitted = boxes.fit(picture, (30, 20))
    np.testing.assert_array_equal(fitted, np.pad(picture, ((10, 10), (0, 0), (0, 0)), 'edge'))
    assert boxes.fit(picture[..., :1], (7, 40)).shape == (7, 40, 1)
    np.testing.assert_array_equal(boxes.fit(picture, (10, 20)), picture)


def test_overlap_and_what_lies_outside():
    box = Box(0, 0, 4, 4)
    assert boxes.overlap(box, box) == 1
    assert boxes.overlap(box, Box(0, 2, 4, 4)) == pytest.approx(1 / 3)
    assert boxes.overlap(box, Box(5, 5, 2, 2)) == 0
    assert boxes.outside(Box(-1, 0, 4, 4), (4, 4)) == pytest.approx(0.25)
    assert boxes.outside(box, (4, 4)) == 0
