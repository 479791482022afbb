"""The preview: pictures as they are, and as the networks see them."""

import importlib

import numpy as np
import pytest
from PIL import Image

from imggen import images
from imggen.data.pairs import filters
from imggen.data.preview import preview


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for index in range(3):
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        images.write_png(tmp_path / 'pictures' / f'{index}.png', image)
    return tmp_path / 'pictures'


def config_of(name, argument, path):
    config = importlib.import_module(f'configs.{name}').get_config(argument)
    config.data.path, config.data.size = str(path), (16, 16)
    return config.to_dict()


def test_pictures_stand_as_they_are_and_moved(pictures):
    config = config_of('gan_folder', 'moved,smoke', pictures)
    assert config['data']['augment'] == {
        'flip': True,
        'rotation_degrees': 10.0,
        'shift': 0.1,
        'shear': 0.15,
        'zoom': 0.1,
    }
    # Below, the sheet shows what the discriminator sees.
    assert preview(config, num_images=2, versions=3).sheet.shape == (4 * 34 - 2, 4 * 34 - 2, 3)
    config['method']['augment']['kinds'] = ()
    sheet = preview(config, num_images=2, versions=3).sheet
    assert sheet.shape == (2 * 34 - 2, 4 * 34 - 2, 3)  # Sheets enlarge images of 16 pixels twice.
    plain = {Image.open(path).tobytes() for path in pictures.iterdir()}
    assert sheet[:32:2, :32:2].tobytes() in plain and sheet[34::2, :32:2].tobytes() in plain
    assert sheet[:32:2, 34:66:2].tobytes() not in plain


def test_what_the_discriminator_sees_stands_below(pictures):
    config = config_of('gan_little_data', 'smoke', pictures)
    config['data']['test_fraction'] = 0.0
    sheet = preview(config, num_images=1, versions=2).sheet
    assert sheet.shape == (2 * 34 - 2, 3 * 34 - 2, 3)
    np.testing.assert_array_equal(sheet[:32, :32], sheet[34:, :32])
    np.testing.assert_array_equal(sheet[:32, :32], sheet[:32, 34:66])  # The data stay as they are.
    assert (sheet[:32, :32] != sheet[34:, 34:66]).any()


@pytest.mark.parametrize('name', ['pix2pix_contours', 'super_resolution_x2'])
def test_pairs_stand_side_by_side_as_the_networks_see_them(pictures, name):
    config = config_of(name, 'smoke', pictures)
    config['data'] |= {'test_fraction': 0.0, 'augment': {}}
    sheet = preview(config, num_images=3).sheet[::2, ::2]  # Sheets enlarge 16 pixels twice.
    tiles = [sheet[:, 17 * column :][:, :16] for column in range(6)]
    seen = {tile.tobytes() for tile in tiles[1::2]}
    assert seen == {Image.open(path).tobytes() for path in pictures.iterdir()}
    for shown, target in zip(tiles[::2], tiles[1::2], strict=True):
        if name == 'pix2pix_contours':
            expected = images.visible(filters.contours(target))
        else:
            small = images.downscale(images.from_uint8(target[None]), 2)
            expected = images.to_uint8(small[0]).repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(shown, expected)
