"""Emoji of a color font: the font is named, and images have color and transparency."""

import pathlib

import numpy as np
import pytest

from imggen.data.free import emoji
from imggen.errors import UserError

FONTS = sorted(pathlib.Path('/usr/share/fonts').rglob('NotoColorEmoji.ttf'))


def test_a_file_that_is_no_font_is_named(tmp_path):
    font = tmp_path / 'NotoColorEmoji.ttf'
    font.write_bytes(b'no font')
    with pytest.raises(UserError, match='cannot be read as a color font'):
        emoji.load_font(font)
    with pytest.raises(UserError, match='does not exist; name a font file'):
        emoji.load_font(tmp_path / 'nowhere.ttf')


@pytest.mark.skipif(not FONTS, reason='the font is not here: fonts-noto-color-emoji')
def test_an_emoji_has_color_and_transparency():
    font = emoji.load_font(FONTS[0])
    heart = emoji.render(font, '\U0001f49a')  # A green one.
    assert heart.shape == (128, 136, 4) and heart.dtype == np.uint8
    assert heart[0, 0, 3] == 0 and heart[64, 68, 3] == 255
    assert heart[64, 68, 1] > heart[64, 68, 0]
    assert emoji.render(font, '\ufe0f') is None
