"""Pictures as files: what each format keeps of them."""

import numpy as np
import pytest
from PIL import Image

from imggen.data import color_profile, decode, encode
from imggen.errors import UserError

RNG = np.random.default_rng(0)


def exif():
    tags = Image.Exif()
    tags[0x010F] = 'Maker'
    return tags.tobytes()


@pytest.mark.parametrize('suffix', sorted(encode.OPTIONS))
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_a_picture_comes_back_with_its_bits_colors_and_facts(tmp_path, suffix, dtype, channels):
    if channels == 4 and suffix not in encode.WITH_ALPHA:
        pytest.skip('holds no alpha')
    pixels = RNG.integers(0, np.iinfo(dtype).max + 1, (9, 7, channels), dtype)
    pixels[0, 0] = np.iinfo(dtype).max
    pixels[1, 1, 3:] = 0  # A transparent pixel has a color, too.
    path = tmp_path / f'a{suffix}'
    encode.write(path, pixels, exif=exif())
    back = decode.read(path, deep=True)
    keeps_16 = dtype == np.uint16 and suffix in ('.png', '.tif', '.tiff')
    if dtype == np.uint16 and not keeps_16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    assert back.pixels.dtype == pixels.dtype
    if not suffix.startswith('.j'):
        parts = [back.pixels, *([back.alpha[..., None]] if channels == 4 else [])]
        np.testing.assert_array_equal(np.concatenate(parts, axis=-1)[..., :channels], pixels)
    bare = suffix == '.bmp' or (suffix.startswith('.tif') and keeps_16 and channels > 1)
    with Image.open(path) as image:
        assert image.getexif().get(0x010F) == (None if bare else 'Maker')
        profile = image.info.get('icc_profile')
    assert profile == (color_profile.srgb() if channels > 1 and not bare else None)


def test_quality_decides_the_size_of_a_jpeg(tmp_path):
    pixels = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    sizes = []
    for quality in (10, 50, 95):
        encode.write(tmp_path / 'a.jpg', pixels, quality=quality)
        sizes.append((tmp_path / 'a.jpg').stat().st_size)
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1] / 3


def test_too_much_exif_is_left_out_and_too_large_a_picture_is_told(tmp_path):
    encode.write(tmp_path / 'a.jpg', np.zeros((4, 4, 3), np.uint8), exif=b'Exif\0\0' + bytes(10**5))
    assert not decode.read(tmp_path / 'a.jpg').exif
    with pytest.raises(UserError, match=r'b\.webp cannot be written .*: name a PNG'):
        encode.write(tmp_path / 'b.webp', np.zeros((1, 20_000, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ['a.jpg']
