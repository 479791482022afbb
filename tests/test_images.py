"""Images at the border."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from imggen import images


def test_every_byte_survives_the_way_in_and_out():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    inside = images.from_uint8(every)
    assert float(inside.min()) == -1.0 and float(inside.max()) == 1.0
    assert jnp.array_equal(inside, jax.jit(images.from_uint8)(every))
    assert (images.to_uint8(inside) == every).all()


def test_what_is_outside_is_clipped():
    assert images.to_uint8(np.array([-3.0, -1.0, 0.0, 1.0, 9.0])).tolist() == [0, 0, 128, 255, 255]


def test_grid_puts_images_row_by_row_with_white_between():
    pictures = np.stack([np.full((2, 3, 1), value, np.uint8) for value in (10, 20, 30)])
    sheet = images.grid(pictures, columns=2, gap=1)
    assert sheet.shape == (5, 7, 1)
    assert (sheet[:2, :3] == 10).all() and (sheet[:2, 4:] == 20).all()
    assert (sheet[3:, :3] == 30).all()
    assert (sheet[2] == 255).all() and (sheet[:, 3] == 255).all() and (sheet[3:, 4:] == 255).all()


@pytest.mark.parametrize('channels', [1, 3])
def test_png_round_trip_leaves_no_partial_file(tmp_path, channels):
    picture = np.arange(4 * 5 * channels, dtype=np.uint8).reshape(4, 5, channels)
    images.write_png(tmp_path / 'new' / 'a.png', picture)
    back = np.asarray(Image.open(tmp_path / 'new' / 'a.png'))
    assert (back.reshape(picture.shape) == picture).all()
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.png']
