"""One picture to one array: every format and mode that people keep pictures in."""

import io
import pathlib
import re
import struct

import numpy as np
import pytest
from absl import logging
from PIL import Image

import imggen
from imggen.data import color_profile, decode, encode
from tests.helpers import color_profile as color_profiles

RNG = np.random.default_rng(0)


def gradient(height=12, width=16):
    """A smooth color picture: lossy formats and filters keep it nearly as it is."""
    rows, columns = np.mgrid[0:height, 0:width]
    parts = [rows * 255 / (height - 1), columns * 255 / (width - 1), (rows + columns) * 4]
    return np.clip(np.stack(parts, axis=-1), 0, 255).astype(np.uint8)


def saved(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ('name', 'options', 'tolerance'),
    [
        ('a.png', {}, 0),
        ('a.BMP', {}, 0),
        ('a.tiff', {}, 0),
        ('a.webp', {'lossless': True}, 0),
        ('a.jpg', {'quality': 100, 'subsampling': 0}, 4),
        ('a.JPEG', {'quality': 100, 'subsampling': 0}, 4),
    ],
)
def test_formats(tmp_path, name, options, tolerance):
    picture = decode.decode(saved(tmp_path, Image.fromarray(gradient()), name, **options))
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - gradient()).max() <= tolerance


def test_gif_gives_its_first_frame(tmp_path):
    frames = [Image.new('P', (4, 3), color) for color in (1, 2)]
    for frame in frames:
        frame.putpalette([0, 0, 0, 200, 10, 20, 7, 7, 7])
    path = saved(tmp_path, frames[0], 'a.gif', save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode.decode(path), np.full((3, 4, 3), [200, 10, 20]))


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_undone(tmp_path, orientation):
    # The inverse of what a viewer does for each value of the tag (EXIF 2.32, 4.6.4).
    turn = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turn(gradient())))
    np.testing.assert_array_equal(
        decode.decode(saved(tmp_path, stored, 'a.png', exif=exif)), gradient()
    )


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
def test_16_bit_gray_is_scaled_not_clipped(tmp_path, name):
    values = np.array([[0, 128, 129, 257], [32768, 65278, 65407, 65535]], np.uint16)
    picture = decode.decode(saved(tmp_path, Image.fromarray(values), name))
    np.testing.assert_array_equal(picture[..., 0], np.rint(values / 257))
    assert picture.shape == (2, 4, 1)


def test_16_bit_color_is_scaled(tmp_path):
    import cv2

    values = np.multiply(gradient(), 257, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), values[..., ::-1])
    np.testing.assert_array_equal(decode.decode(tmp_path / 'a.png'), gradient())


def test_float_pictures_in_0_to_1_or_255_are_scaled_and_others_refused(tmp_path):
    values = np.array([[0.0, 0.5, 1.0]], np.float32)
    for name, scale in {'a.tiff': 1, 'c.tiff': 255}.items():
        picture = decode.decode(saved(tmp_path, Image.fromarray(values * scale), name))
        np.testing.assert_array_equal(picture[..., 0], [[0, 128, 255]])
    with pytest.raises(decode.DecodeError, match=r'b\.tiff cannot be read \(floating-point'):
        decode.decode(saved(tmp_path, Image.fromarray(values * 300), 'b.tiff'))


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_16_bits_are_kept_when_asked_for(tmp_path, name, channels):
    import cv2

    values = RNG.integers(0, 65536, (6, 5, channels), np.uint16)
    values[0, 0, :3], values[-1, -1, :] = 65535, 1
    stored = values[..., [2, 1, 0, 3][:channels]] if channels > 1 else values
    cv2.imwrite(str(tmp_path / name), stored)
    picture = decode.read(tmp_path / name, deep=True)
    np.testing.assert_array_equal(picture.pixels, values[..., :3])
    assert (picture.alpha is None) == (channels < 4)
    if channels == 4:
        np.testing.assert_array_equal(picture.alpha, values[..., 3])
    eight = decode.read(tmp_path / name)
    np.testing.assert_array_equal(eight.pixels, np.rint(values[..., :3] / 257))


@pytest.mark.parametrize('orientation', [3, 6])
def test_16_bit_colors_are_turned_once(tmp_path, orientation):
    tifffile = pytest.importorskip('tifffile')
    values = RNG.integers(0, 65536, (4, 6, 3), np.uint16)
    values[0, 0] = 65535
    tag = (274, 'H', 1, orientation, True)
    tifffile.imwrite(tmp_path / 'a.tif', values, photometric='rgb', extratags=[tag])
    exif = Image.Exif()
    exif[274] = orientation
    encode.write(tmp_path / 'a.png', values, exif=exif.tobytes())
    upright = np.rot90(values, 2 if orientation == 3 else -1)
    for name in ('a.tif', 'a.png'):
        np.testing.assert_array_equal(decode.read(tmp_path / name, deep=True).pixels, upright)


def test_integers_are_read_by_the_range_that_holds_them_and_this_is_said(
    tmp_path, caplog, monkeypatch
):
    # It is said once in a process, and other tests may have read such a file.
    monkeypatch.setattr(logging, '_log_counter_per_token', {})
    levels = np.arange(256).reshape(16, 16)
    for name, values in {
        'labels.tif': levels.astype(np.int32),
        'camera.png': (levels * (4095 / 255)).round().astype(np.uint16),
        'full.png': (levels * 257).astype(np.uint16),
    }.items():
        with caplog.at_level('WARNING', logger='absl'):
            picture = decode.decode(saved(tmp_path, Image.fromarray(values), name))
        np.testing.assert_array_equal(picture[..., 0], levels)
    dark = np.full((2, 2), 3855, np.uint16)  # Black but for a sixteenth, by its tag.
    named = saved(tmp_path, Image.fromarray(dark), 'dark.tif', tiffinfo={281: 65535})
    np.testing.assert_array_equal(decode.decode(named), np.full((2, 2, 1), 15))
    (sentence,) = {record.getMessage() for record in caplog.records}
    assert 'labels.tif has more than 8 bits and no value above 255' in sentence


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_white_may_be_zero_in_a_tiff(tmp_path, dtype):
    top = np.iinfo(dtype).max
    values = np.array([[0, top // 5, top]], dtype)
    path = saved(tmp_path, Image.fromarray(values), 'a.tif')
    black, white = (struct.pack('<HHIHH', 262, 3, 1, kind, 0) for kind in (1, 0))
    assert path.read_bytes().count(black) == 1
    path.write_bytes(path.read_bytes().replace(black, white))
    picture = decode.read(path, deep=True)
    assert picture.pixels.dtype == dtype
    np.testing.assert_array_equal(picture.pixels[..., 0], top - values)


def test_a_rare_kind_of_tiff_is_not_called_another_format(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / 'a.tif'), np.zeros((4, 4, 3), np.float32))
    with pytest.raises(decode.DecodeError, match='TIFF, PPM, or a rare kind of one'):
        decode.decode(tmp_path / 'a.tif')


@pytest.mark.parametrize('values', [[[-1, 5]], [[0, 70000]]])
def test_integers_without_an_agreed_range_are_refused(tmp_path, values):
    image = Image.fromarray(np.array(values, np.int32))
    with pytest.raises(decode.DecodeError, match=r'a\.tif cannot be read \(integers above'):
        decode.decode(saved(tmp_path, image, 'a.tif'))


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.webp'])
def test_colors_come_in_srgb_whatever_profile_they_have(tmp_path, name):
    options = {'lossless': True} if name == 'a.webp' else {}
    image = Image.fromarray(gradient())
    path = saved(tmp_path, image, name, icc_profile=color_profiles.display_p3(), **options)
    expected = color_profiles.to_srgb(gradient())
    assert np.abs(expected - gradient()).max() > 20
    assert np.abs(decode.decode(path) - expected).max() <= 2
    same = saved(tmp_path, image, f'srgb {name}', icc_profile=color_profile.srgb(), **options)
    np.testing.assert_array_equal(decode.decode(same), gradient())


def test_profiles_of_transparent_gray_and_16_bit_pictures(tmp_path):
    clear = Image.fromarray(np.dstack([gradient(), np.full((12, 16), 9, np.uint8)]))
    path = saved(tmp_path, clear, 'a.png', icc_profile=color_profiles.display_p3())
    picture = decode.read(path)
    assert np.abs(picture.pixels - color_profiles.to_srgb(gradient())).max() <= 2
    np.testing.assert_array_equal(picture.alpha, 9)

    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    linear = color_profiles.gray(1.0)
    expected = 255 * color_profiles.srgb_curve(gray / 255)
    for name, values in {'8.png': gray, '16.png': np.multiply(gray, 257, dtype=np.uint16)}.items():
        path = saved(tmp_path, Image.fromarray(values), name, icc_profile=linear)
        picture = decode.read(path, deep=True).pixels
        assert picture.shape == (16, 16, 1) and picture.dtype == np.uint8
        assert np.abs(picture[..., 0] - expected).max() <= 2


@pytest.mark.parametrize('profile', [b'', b'nothing' * 50, color_profiles.gray(1.0)])
def test_a_profile_that_does_not_apply_is_ignored(tmp_path, profile):
    path = saved(tmp_path, Image.fromarray(gradient()), 'a.png', icc_profile=profile)
    np.testing.assert_array_equal(decode.decode(path), gradient())


def test_nothing_but_the_listed_formats_is_ever_opened(tmp_path):
    for kind in ('EPS', 'ICO', 'TGA', 'PCX', 'SGI'):
        image = Image.fromarray(gradient())
        path = saved(tmp_path, image, f'{kind}.png', format=kind)
        with pytest.raises(decode.DecodeError, match='its content is none of PNG, JPEG'):
            decode.decode(path)
    root = pathlib.Path(imggen.__file__).parents[1]
    opening = {
        path.name: re.search(r'Image\.open\([^)]*', path.read_text())[0]
        for package in ('imggen', 'experiments', 'configs')
        for path in root.glob(f'{package}/**/*.py')
        if 'Image.open(' in path.read_text()
    }
    # A report reads the PNG files of runs without JAX, which this package imports.
    assert opening.keys() == {'decode.py', 'sheets.py'}
    assert all('formats=' in call for call in opening.values())


def test_palettes_cmyk_and_bilevel(tmp_path):
    colors = Image.fromarray(gradient()).quantize(16)
    expected = np.asarray(colors.convert('RGB'))
    np.testing.assert_array_equal(decode.decode(saved(tmp_path, colors, 'p.png')), expected)

    ink = Image.new('CMYK', (8, 8), (255, 0, 0, 0))  # Cyan.
    cyan = decode.decode(saved(tmp_path, ink, 'c.jpg', quality=100))
    assert np.abs(cyan.astype(int) - [0, 255, 255]).max() <= 3

    bits = Image.fromarray(gradient()[..., 0] > 127)
    picture = decode.decode(saved(tmp_path, bits, 'b.png'))
    np.testing.assert_array_equal(picture[..., 0], np.where(gradient()[..., 0] > 127, 255, 0))


def test_alpha_is_composited_over_the_matte(tmp_path):
    color = np.dstack([gradient(), np.full((12, 16), 64, np.uint8)])
    path = saved(tmp_path, Image.fromarray(color), 'a.png')
    for matte in ((255, 255, 255), (10, 200, 30)):
        expected = gradient() * (64 / 255) + np.array(matte) * (191 / 255)
        assert np.abs(decode.decode(path, matte=matte) - expected).max() <= 1.0

    clear = saved(tmp_path, Image.new('LA', (3, 2), (50, 0)), 'la.png')
    np.testing.assert_array_equal(decode.decode(clear), np.full((2, 3, 3), 255))

    palette = Image.new('P', (3, 2), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    hole = saved(tmp_path, palette, 'p.png', transparency=1)
    np.testing.assert_array_equal(
        decode.decode(hole, matte=(1, 2, 3)), np.full((2, 3, 3), [1, 2, 3])
    )


def test_damage_is_told_with_the_file(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, 'JPEG')
    contents = {
        'truncated.jpg': whole.getvalue()[: len(whole.getvalue()) // 2],
        'empty.png': b'',
        'text.png': b'<html>not found</html>',
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(decode.DecodeError, match=name):
            decode.decode(tmp_path / name)
    with pytest.raises(decode.DecodeError, match=r'missing\.png'):
        decode.decode(tmp_path / 'missing.png')


@pytest.mark.parametrize('side', [1100, 1500, 4000])
def test_decompression_bombs_are_refused_before_they_open(tmp_path, monkeypatch, side):
    path = saved(tmp_path, Image.new('1', (side, side)), 'bomb.png')
    # Pillow warns above its limit and raises at twice as much; here at 1.1 and 2 million.
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1_100_000)
    with pytest.raises(decode.DecodeError, match=r'bomb\.png cannot be read \(more than 1 million'):
        decode.decode(path)


def test_channels(tmp_path):
    gray = RNG.integers(0, 256, (3, 4, 1), dtype=np.uint8)
    tripled = decode.to_channels(gray, 3)
    assert tripled.shape == (3, 4, 3) and decode.is_gray(tripled) and decode.is_gray(gray)
    np.testing.assert_array_equal(decode.to_channels(tripled, 1), gray)
    assert not decode.is_gray(gradient())
    luma = gradient() @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode.to_channels(gradient(), 1)[..., 0] - luma).max() <= 1


def test_crop_keeps_the_middle_pad_keeps_everything_stretch_fills():
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :10], picture[:, 30:] = [255, 0, 0], [0, 0, 255]
    crop = decode.resize(picture, (10, 10), fit='crop')
    np.testing.assert_array_equal(crop[:, 1:-1], 0)
    assert crop.max() < 32  # The filter reaches a little over the edge of the cut.
    pad = decode.resize(picture, (10, 10), fit='pad', matte=(1, 2, 3))
    np.testing.assert_array_equal(pad[[0, 1, 7, 8, 9]], np.full((5, 10, 3), [1, 2, 3]))
    assert np.all(pad[2:7, 0, 0] > 250) and np.all(pad[2:7, 9, 2] > 250)
    stretch = decode.resize(picture, (10, 10), fit='stretch')
    assert stretch[0, 0, 0] > 250 and stretch[9, 9, 2] > 250


def test_shrinking_is_anti_aliased():
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    small = decode.resize(stripes, (8, 8))
    assert np.abs(small.astype(int) - 127.5).max() < 20  # Their mean, not one of the colors.


@pytest.mark.parametrize('shape', [(1, 1), (1, 9), (9, 1), (13, 7), (300, 2)])
@pytest.mark.parametrize('fit', ['crop', 'pad', 'stretch'])
@pytest.mark.parametrize('channels', [1, 3])
def test_any_shape_comes_to_any_size(shape, fit, channels):
    picture = np.full((*shape, channels), 77, np.uint8)
    result = decode.resize(picture, (6, 11), fit=fit, matte=(77, 77, 77))
    np.testing.assert_array_equal(result, np.full((6, 11, channels), 77))


def test_tiles_cover_the_middle_row_by_row():
    picture = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
    tiles = decode.tiles(picture, (4, 6))
    middle = picture[0:8, 0:12]
    np.testing.assert_array_equal(tiles[1], middle[:4, 6:12])
    np.testing.assert_array_equal(tiles[2], middle[4:8, :6])
    assert tiles.shape == (4, 4, 6, 3)
    assert decode.tiles(picture[:3], (4, 6)).shape == (1, 4, 6, 3)
