"""Contact sheets: many pictures on one page, with boxes drawn around what was found in them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from imggen.data import decode
from imggen.data.faces.boxes import Box

_CAPTION_PIXELS = 14


class Mark(NamedTuple):
    """Something to draw into a picture.

    Attributes:
      box: the rectangle, in pixels of the picture; parts outside the tile are drawn at its edge.
      color: RGB in [0, 255].
      text: a label at the upper edge.
      points: (row, column) of dots.
    """

    box: Box
    color: tuple[int, int, int]
    text: str = ''
    points: tuple[tuple[float, float], ...] = ()


def tile(
    picture: np.ndarray, marks: Sequence[Mark], *, caption: str = '', side: int = 240
) -> np.ndarray:
    """Shrinks a picture into a square, with marks drawn in and a line of text below.

    Args:
      picture: uint8 [height, width, 1 or 3].
      marks: the boxes and points to draw.
      caption: the line of text; cut if it is too long.
      side: side of the square, in pixels.

    Returns:
      uint8 [side + caption line, side, 3].
    """
    height, width, _ = picture.shape
    scale = side / max(height, width)
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    picture = decode.resize(decode.to_channels(picture, 3), small, fit='stretch')
    page = Image.new('RGB', (side, side + _CAPTION_PIXELS), 'white')
    top, left = (side - small[0]) // 2, (side - small[1]) // 2
    page.paste(Image.fromarray(picture), (left, top))
    draw = ImageDraw.Draw(page)
    for mark in marks:
        box = mark.box.scaled(scale)
        # A portrait's box may extend beyond the picture, and then beyond the square.
        edges = (left + box.left, top + box.top, left + box.left + box.width)
        edges = [min(max(edge, 0.0), side - 1.0) for edge in (*edges, top + box.top + box.height)]
        draw.rectangle(edges, outline=mark.color, width=2)
        if mark.text:
            draw.text((edges[0] + 3, edges[1] + 2), mark.text, fill=mark.color)
        for row, column in mark.points:
            x, y = left + column * scale, top + row * scale
            draw.ellipse([(x - 2, y - 2), (x + 2, y + 2)], fill=mark.color)
    draw.rectangle([(0, side), (side, side + _CAPTION_PIXELS)], fill='white')
    draw.text((2, side + 1), _printable(caption)[: side // 6], fill='black')
    return np.asarray(page)


def _printable(text: str) -> str:
    # A file name may hold any character.
    return ''.join(c if c.isprintable() and c.isascii() else '?' for c in text)
