"""Animations: every format holds the frames, their times and what it can of opacity."""

import resource

import cv2
import numpy as np
import pytest
from PIL import Image

from imggen.errors import UserError
from imggen.inference import animation

LEVELS = (20, 120, 220)


def frames(channels, *, side=64):
    levels = np.asarray(LEVELS, np.uint8)[:, None, None, None]
    return np.broadcast_to(levels, (3, side, side, channels)).copy()


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('suffix', ['.gif', '.webp'])
def test_pictures_and_times_are_kept(tmp_path, suffix, channels):
    path = tmp_path / 'new' / f'a{suffix}'
    animation.write(path, frames(channels), milliseconds=[100, 200, 300])
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.size == (256, 256)
        for index, level in enumerate(LEVELS):
            film.seek(index)
            film.load()
            assert film.info['duration'] == 100 * (index + 1)
            np.testing.assert_allclose(np.asarray(film.convert('L')), level, atol=2)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize('side', [63, 300])
def test_a_film_has_even_sides_and_the_time_of_each_frame(tmp_path, side, capfd):
    animation.write(tmp_path / 'a.mp4', frames(1, side=side), milliseconds=[100, 200, 300])
    film = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    shown = []
    while (read := film.read())[0]:
        shown.append(read[1])
    film.release()
    assert len(shown) == 30  # 50 a second.
    assert shown[0].shape == ((252, 252, 3) if side == 63 else (300, 300, 3))
    for index, level in ((0, 20), (6, 120), (29, 220)):
        np.testing.assert_allclose(shown[index].mean(), level, atol=4)
    assert capfd.readouterr().err == ''
    assert [file.name for file in tmp_path.iterdir()] == ['a.mp4']


def test_webp_keeps_opacity_and_gif_gets_white(tmp_path):
    clear = frames(4)
    clear[..., 3] = 0
    for suffix, expected in (('.webp', 0), ('.gif', 255)):
        animation.write(tmp_path / f'a{suffix}', clear)
        with Image.open(tmp_path / f'a{suffix}') as film:
            pixel = film.convert('RGBA').getpixel((9, 9))
        assert pixel[3] == expected and (suffix == '.webp' or pixel == (255,) * 4)


def test_a_film_that_does_not_fit_is_no_film(tmp_path):
    """OpenCV says nothing where it cannot write."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 256, 256, 3), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match=r'holds \d+ of 60 frames'):
            animation.write(tmp_path / 'a.mp4', noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_side_that_the_format_cannot_have_is_told(tmp_path):
    with pytest.raises(UserError, match='cannot have 16384 pixels a side, but 16383'):
        animation.write(tmp_path / 'a.webp', np.zeros((2, 1, 16_384, 1), np.uint8))
    with pytest.raises(UserError, match='but 65534: make smaller images'):
        animation.write(tmp_path / 'a.mp4', np.zeros((2, 1, 65_536, 1), np.uint8))


def test_wide_frames_are_enlarged_as_far_as_the_format_allows(tmp_path):
    animation.write(tmp_path / 'a.webp', np.zeros((2, 4, 6000, 1), np.uint8))
    with Image.open(tmp_path / 'a.webp') as film:
        assert film.size == (12_000, 8)


def test_without_an_encoder_another_format_is_advised(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, '_CODECS', ('none',))
    with pytest.raises(UserError, match=r'cannot write MP4: name a \.gif or a \.webp'):
        animation.write(tmp_path / 'a.mp4', frames(3))
    assert not list(tmp_path.iterdir())
