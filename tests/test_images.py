"""Images at the border."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from imggen import images
from imggen.errors import UserError


def test_every_byte_survives_the_way_in_and_out():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    inside = images.from_uint8(every)
    assert float(inside.min()) == -1.0 and float(inside.max()) == 1.0
    assert jnp.array_equal(inside, jax.jit(images.from_uint8)(every))
    assert (images.to_uint8(inside) == every).all()


def test_what_is_outside_is_clipped():
    assert images.to_uint8(np.array([-3.0, -1.0, 0.0, 1.0, 9.0])).tolist() == [0, 0, 128, 255, 255]


def test_grid_puts_images_row_by_row_with_white_between():
    three = np.stack([np.full((2, 3, 1), value, np.uint8) for value in (10, 20, 30)])
    sheet = images.grid(three, columns=2)
    assert sheet.shape == (6, 8, 1)
    assert (sheet[:2, :3] == 10).all() and (sheet[:2, 5:] == 20).all()
    assert (sheet[4:, :3] == 30).all() and (sheet[2:4] == 255).all()
    assert (sheet[:, 3:5] == 255).all() and (sheet[4:, 5:] == 255).all()
    cut = images.cut(sheet, (2, 3))
    np.testing.assert_array_equal(cut[:3], three)
    assert (cut[3:] == 255).all() and len(cut) == 4


def test_a_float_or_another_rank_is_refused(tmp_path):
    for wrong in (np.zeros((2, 4, 4, 1)), np.zeros((4, 4), np.uint8)):
        with pytest.raises(UserError, match='in place of uint8 with 4 axes'):
            images.grid(wrong)
        with pytest.raises(UserError, match='in place of uint8 with 3 axes'):
            images.write_png(tmp_path / 'a.png', wrong)


@pytest.mark.parametrize('channels', [1, 3])
def test_png_round_trip_leaves_no_partial_file(tmp_path, channels):
    picture = np.arange(4 * 5 * channels, dtype=np.uint8).reshape(4, 5, channels)
    images.write_png(tmp_path / 'new' / 'a.png', picture)
    back = np.asarray(Image.open(tmp_path / 'new' / 'a.png'))
    assert (back.reshape(picture.shape) == picture).all()
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.png']
