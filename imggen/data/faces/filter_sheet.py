"""A sheet that shows the result of every filter but HED on one picture."""

import numpy as np

from imggen import images
from imggen.data import decode
from imggen.data.faces import contact_sheet
from imggen.data.pairs import filters

# Filters that make one binary layer for each color channel and level.
_LAYERED = ('threshold', 'contours', 'canny')
_LEFT_OUT = ('hed',)  # Its weights are installed by themselves.
_COLORS = ('red', 'green', 'blue')


def draw(picture: np.ndarray, *, side: int = 240, columns: int = 8) -> np.ndarray:
    """Draws the picture and then every filter but HED with its default settings.

    Filters that make binary layers come last. Each of their levels fills four tiles of a row: the
    three layers together in color, then the layers of red, green and blue, white on black. For a
    gray picture, each level fills one tile.

    The picture is uint8 [height, width, 1 or 3], and the sheet has 3 channels. `side` is the side
    of a tile in pixels.
    """
    picture = decode.resize(picture, _within(picture.shape, side), fit='stretch')
    plain = [name for name in filters.FILTERS if name not in (*_LAYERED, *_LEFT_OUT)]
    groups = [
        [contact_sheet.tile(layers, [], caption=caption, side=side) for caption, layers in group]
        for name in (*plain, *_LAYERED)
        for group in _groups(name, picture)
    ]
    blank = np.full_like(groups[0][0], 255)
    tiles = []
    for group in groups:
        room = -len(tiles) % columns
        if room < len(group) <= columns:
            tiles += [blank] * room  # The tiles of a level stay in one row.
        tiles += group
    return images.grid(np.stack(tiles), columns=columns)


def _groups(name: str, picture: np.ndarray) -> list[list[tuple[str, np.ndarray]]]:
    """Returns the tiles of a filter, (caption, layers), in one list for each level."""
    layers, channels = filters.make(name, {})(picture), picture.shape[-1]
    if name not in _LAYERED:
        return [[(name, layers)]]
    groups = []
    levels = np.split(layers, layers.shape[-1] // channels, axis=-1)
    for number, level in enumerate(levels, 1):
        caption = f'{name}, level {number}' if len(levels) > 1 else name
        groups.append([(caption, level)])
        if channels > 1:
            groups[-1] += [
                (f'{caption}, {color}', level[..., i : i + 1]) for i, color in enumerate(_COLORS)
            ]
    return groups


def _within(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    scale = side / max(shape[:2])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
