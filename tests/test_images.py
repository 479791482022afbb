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
    three = np.stack([np.full((20, 30, 1), value, np.uint8) for value in (10, 20, 30)])
    sheet = images.grid(three, columns=2)
    assert sheet.shape == (42, 62, 1)
    assert (sheet[:20, :30] == 10).all() and (sheet[:20, 32:] == 20).all()
    assert (sheet[22:, :30] == 30).all() and (sheet[20:22] == 255).all()
    assert (sheet[:, 30:32] == 255).all() and (sheet[22:, 32:] == 255).all()
    cut = images.cut(sheet, (20, 30))
    np.testing.assert_array_equal(cut[:3], three)
    assert (cut[3:] == 255).all() and len(cut) == 4


def test_tiny_images_are_enlarged_on_a_sheet_and_cut_at_their_size():
    tiny = np.arange(6 * 8 * 8, dtype=np.uint8).reshape(6, 8, 8, 1)
    sheet = images.grid(tiny, columns=3)
    assert sheet.shape == (2 * 32 + 2, 3 * 32 + 2 * 2, 1)
    np.testing.assert_array_equal(sheet[:32:4, :32:4], tiny[0])
    np.testing.assert_array_equal(images.cut(sheet, (8, 8)), tiny)


def test_every_16_bit_level_survives_the_way_in_and_out():
    every = np.arange(65536, dtype=np.uint16)
    inside = images.from_uint16(every)
    assert inside.dtype == np.float32 and inside[0] == -1.0 and inside[-1] == 1.0
    np.testing.assert_array_equal(images.to_uint16(inside), every)


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


def test_transparent_images_lie_on_a_checkerboard():
    clear, opaque = np.zeros((2, 32, 32, 4), np.uint8)
    opaque[...] = (10, 20, 30, 255)
    sheet = images.grid(np.stack([clear, opaque]))
    assert sheet.shape == (32, 66, 3)
    assert set(np.unique(sheet[:, :32])) == {204, 255} and sheet[0, 0, 0] != sheet[0, 8, 0]
    np.testing.assert_array_equal(sheet[:, 34:], np.broadcast_to([10, 20, 30], (32, 32, 3)))
    half = np.full((1, 1, 1, 4), (0, 100, 200, 51), np.uint8)  # A fifth.
    assert images.over(half, 255)[0, 0, 0].tolist() == [204, 224, 244]
