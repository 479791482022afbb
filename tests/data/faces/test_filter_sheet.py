"""The sheet of filters: every one of them, and binary layers by themselves."""

import numpy as np

from imggen.data.faces import filter_sheet
from imggen.data.pairs import filters

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (64, 48, 3), dtype=np.uint8)
SIDE, LINE, GAP, COLUMNS = 64, 14, 2, 8


def tiles(sheet, columns=COLUMNS):
    """Cuts a sheet into its tiles, without what is written below and beside the picture."""
    rows = (len(sheet) + GAP) // (SIDE + LINE + GAP)
    assert sheet.shape == (
        rows * (SIDE + LINE + GAP) - GAP,
        columns * (SIDE + GAP) - GAP,
        3,
    )
    return [
        sheet[row * (SIDE + LINE + GAP) :, column * (SIDE + GAP) :][:SIDE, 8:56]
        for row in range(rows)
        for column in range(columns)
    ]


def test_the_sheet_begins_with_the_picture_and_has_every_filter():
    seen = tiles(filter_sheet.draw(PICTURE, side=SIDE))
    np.testing.assert_array_equal(seen[0], PICTURE)
    for name in filters.FILTERS.keys() - {'hed'}:
        made = filters.make(name, {})(PICTURE)[..., :3]
        assert any(np.array_equal(tile, np.broadcast_to(made, tile.shape)) for tile in seen), name


def test_binary_layers_stand_side_by_side_each_by_itself():
    seen = tiles(filter_sheet.draw(PICTURE, side=SIDE))
    for name in ('threshold', 'contours', 'canny'):
        layers = filters.make(name, {})(PICTURE)
        for level in np.split(layers, layers.shape[-1] // 3, axis=-1):
            (first,) = [i for i, tile in enumerate(seen) if np.array_equal(tile, level)]
            assert first % COLUMNS <= COLUMNS - 4  # In one row.
            for channel in range(3):
                expected = np.repeat(level[..., channel : channel + 1], 3, axis=-1)
                np.testing.assert_array_equal(seen[first + 1 + channel], expected)


def test_gray_pictures_and_narrow_sheets_have_their_filters_too():
    seen = tiles(filter_sheet.draw(PICTURE[..., :1], side=SIDE))
    shown = [tile for tile in seen if not np.all(tile == 255)]
    assert len(shown) == len(filters.FILTERS) - 1 + 3  # Without HED; contours at four levels.
    narrow = tiles(filter_sheet.draw(PICTURE, side=SIDE, columns=3), columns=3)
    assert len(narrow) == 30  # Five, a blank, and six levels of four.
