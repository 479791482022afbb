"""Every filter of one picture on one sheet, each with its name."""

import numpy as np

from imggen import images
from imggen.data import contact_sheet, decode, filters


def draw(picture: np.ndarray, *, side: int = 240, columns: int = 6) -> np.ndarray:
    """Returns a sheet: the picture, then every filter with its default settings.

    Filters that make several layers a colour channel, such as the contours at four
    levels, fill a tile a level in colour; after them stands every layer by itself.

    Args:
      picture: uint8 [height, width, 1 or 3].
      side: of a tile in pixels.
      columns: tiles a row.

    Returns:
      uint8 [sheet height, sheet width, 3].
    """
    picture = decode.resize(picture, _within(picture.shape, side), fit='stretch')
    channels = picture.shape[-1]
    tiles = []
    for name in filters.FILTERS:
        layers = filters.make(name, {})(picture)
        parts = np.split(layers, max(1, layers.shape[-1] // channels), axis=-1)
        for number, part in enumerate(parts):
            caption = f'{name}, level {number + 1}' if len(parts) > 1 else name
            tiles.append(contact_sheet.tile(part, [], caption=caption, side=side))
        if len(parts) > 1 and channels > 1:
            for number in range(layers.shape[-1]):
                level, channel = divmod(number, channels)
                caption = f'{name}, level {level + 1}, {("red", "green", "blue")[channel]}'
                layer = layers[..., number : number + 1]
                tiles.append(contact_sheet.tile(layer, [], caption=caption, side=side))
    return images.grid(np.stack(tiles), columns=columns)


def _within(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    scale = side / max(shape[:2])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
