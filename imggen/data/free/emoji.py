"""The emoji of a color font as images: about 3,600 of 136 x 128 pixels with transparency.

Sequences of code points (flags, skin tones, people at work) are found by trial: a sequence that
the font knows is as wide as a single emoji.
"""

import io
import itertools
import pathlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from imggen.errors import UserError
from imggen.progress import Progress

_POINTS = 109  # The size of the font's bitmaps.
_WIDTH, _HEIGHT = 136, 128
_JOINER, _AS_PICTURE = '\u200d', '\ufe0f'
_TONES = tuple(map(chr, range(0x1F3FB, 0x1F400)))
_GENDERS = ('\u2640', '\u2642')
_PEOPLE = ('\U0001f468', '\U0001f469', '\U0001f9d1')
# A handshake, a heart and a kiss.
_PAIRS = ('\U0001f91d', f'\u2764{_AS_PICTURE}', f'\u2764{_AS_PICTURE}{_JOINER}\U0001f48b')
_RANGES = ((0x203C, 0x3300), (0x1F000, 0x1FB00))


def load_font(path: pathlib.Path) -> ImageFont.FreeTypeFont:
    """Opens the font at the size of its bitmaps.

    Raises:
      UserError: the file does not exist or is not a color font, or Pillow lacks the library raqm.
    """
    if not path.is_file():
        raise UserError(f'--font={path} does not exist; name a font file.')
    if not features.check('raqm'):
        raise UserError(
            'This Pillow cannot join emoji into sequences; install its wheel from PyPI.'
        )
    try:
        # Given a path that is not a font, Pillow would search for another font of the same name.
        return ImageFont.truetype(io.BytesIO(path.read_bytes()), _POINTS)
    except OSError as error:
        raise UserError(
            f'{path} cannot be read as a color font ({error}); name another file.'
        ) from error


def pictures(font: ImageFont.FreeTypeFont) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (code points, RGBA uint8 [128, 136, 4]) of all emoji, each image once."""
    texts = list(dict.fromkeys(sequences(font)))
    progress, seen = Progress(len(texts), unit='sequence'), set()
    for done, text in enumerate(texts, 1):
        picture = render(font, text)
        progress.advance(done)
        if picture is not None and picture.tobytes() not in seen:
            seen.add(picture.tobytes())
            yield '-'.join(f'{ord(character):x}' for character in text), picture
    progress.close()


def sequences(font: ImageFont.FreeTypeFont) -> Iterator[str]:
    """Yields all texts for which the font has an image, and some that it draws blank."""

    def known(texts):
        return [text for text in texts if 0 < font.getlength(text) <= _WIDTH]

    singles = known(chr(code) for first, last in _RANGES for code in range(first, last))
    toned = known(single + tone for single in singles for tone in _TONES)
    yield from singles
    yield from toned
    letters = [chr(code) for code in range(0x1F1E6, 0x1F200)]
    yield from known(map(''.join, itertools.product(letters, letters)))
    yield from known(f'{key}{_AS_PICTURE}\u20e3' for key in '0123456789#*')
    for base in singles + toned:
        yield from known(f'{base}{_JOINER}{gender}{_AS_PICTURE}' for gender in _GENDERS)
    people = [person + tone for person in _PEOPLE for tone in ('', *_TONES)]
    for one in people:
        joined = one + _JOINER
        yield from known(joined + end for other in singles for end in (other, other + _AS_PICTURE))
        yield from known(joined + pair + _JOINER + other for pair in _PAIRS for other in people)


def render(font: ImageFont.FreeTypeFont, text: str) -> np.ndarray | None:
    """Draws one text in color: RGBA uint8 [128, 136, 4], or None if nothing colored appears."""
    picture = Image.new('RGBA', (_WIDTH, _HEIGHT))
    ImageDraw.Draw(picture).text((0, 0), text, font=font, embedded_color=True)
    pixels = np.asarray(picture)
    return pixels if pixels[..., :3].any() else None
