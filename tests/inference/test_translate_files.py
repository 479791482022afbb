"""Files of pictures translated: their names, sizes and alpha, and those that are broken."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from imggen.data import color_profile, decode, encode
from imggen.errors import UserError
from imggen.inference import translate
from imggen.inference import translate_files as translation_files
from tests.inference.test_translate import ENLARGE, picture, pix2pix, restored


@pytest.fixture(scope='module')
def enlarging():
    batch = {'input': jnp.zeros((1, 8, 8, 3)), 'target': jnp.zeros((1, 16, 16, 3))}
    data = {'name': 'pairs', 'task': 'downscale', 'scale': 2}
    return translate.make(restored(ENLARGE, data, batch))


@pytest.fixture(scope='module')
def translator():
    """What it makes depends on the key, and on nothing but what is near a pixel."""
    return translate.make(pix2pix(test_dropout=True))


def translate_files(translator, source, output, **options):
    jobs = translation_files.plan(source, output).jobs
    return translation_files.translate_files(translator, jobs, **options)


def test_a_folder_keeps_names_sizes_and_alpha_and_goes_on_after_a_broken_file(enlarging, tmp_path):
    source, output = tmp_path / 'source', tmp_path / 'output'
    (source / 'sub').mkdir(parents=True)
    alpha = np.tile(np.arange(0, 240, 20, dtype=np.uint8)[:, None], (1, 20))
    rgba = np.concatenate([picture(12, 20), alpha[..., None]], axis=-1)
    Image.fromarray(rgba).save(source / 'a.png')
    Image.fromarray(picture(9, 30, 1)[..., 0]).save(source / 'gray.bmp')
    Image.fromarray(picture(20, 10)).save(source / 'sub' / 'b.jpg')
    Image.fromarray(picture(1, 1)).save(source / 'c.gif')
    (source / 'broken.png').write_bytes(b'not a picture')
    counts = []
    written, skipped, _ = translate_files(enlarging, source, output, done=counts.append)
    assert written == 4
    assert counts == [1, 2, 3, 4, 5]
    assert len(skipped) == 1
    assert 'broken.png cannot be read' in skipped[0]
    found = {path.relative_to(output).as_posix() for path in output.rglob('*') if path.is_file()}
    assert found == {'a.png', 'gray.bmp', 'sub/b.jpg', 'c.gif.png'}
    with Image.open(output / 'a.png') as result:
        assert (result.mode, result.size) == ('RGBA', (40, 24))
        assert np.abs(np.asarray(result)[::2, ::2, 3].astype(int) - alpha).max() <= 20
    with Image.open(output / 'gray.bmp') as result:
        assert (result.mode, result.size) == ('L', (60, 18))
    with Image.open(output / 'sub' / 'b.jpg') as result:
        assert (result.format, result.size) == ('JPEG', (20, 40))


def test_one_picture_goes_where_it_is_told(translator, tmp_path):
    source = tmp_path / 'a.png'
    Image.fromarray(picture(8, 12)).save(source)
    translate_files(translator, source, tmp_path / 'b.webp')
    translate_files(translator, source, tmp_path / 'out')
    with Image.open(tmp_path / 'b.webp') as one, Image.open(tmp_path / 'out' / 'a.png') as two:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
        assert one.size == (12, 8)


@pytest.mark.parametrize(
    ('source', 'output', 'message'),
    [
        ('pictures', 'pictures', 'lies in .*, the input'),
        ('pictures', 'pictures/out', 'lies in .*, the input'),
        ('pictures', 'file', 'is a file, .* a folder'),
        ('pictures/a.png', 'a.xyz', r'a.xyz cannot be written: .* ends in one of .png, .webp'),
        ('pictures/a.png', 'pictures/a.png', 'would overwrite'),
        ('nowhere', 'out', 'is neither a file nor a folder'),
        ('empty', 'out', 'holds no images'),
    ],
)
def test_where_pictures_come_from_and_go_is_checked_first(tmp_path, source, output, message):
    (tmp_path / 'file').touch()
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'empty').mkdir()
    Image.fromarray(picture(8, 8)).save(tmp_path / 'pictures' / 'a.png')
    before = (tmp_path / 'pictures' / 'a.png').read_bytes()
    with pytest.raises(UserError, match=message):
        translation_files.plan(tmp_path / source, tmp_path / output)
    assert (tmp_path / 'pictures' / 'a.png').read_bytes() == before


def test_a_picture_draws_from_its_own_name_whatever_lies_beside_it(translator, tmp_path):
    (tmp_path / 'in').mkdir()
    image = Image.fromarray(picture(32, 32))
    image.save(tmp_path / 'in' / 'b.png')
    translate_files(translator, tmp_path / 'in', tmp_path / 'alone')
    image.save(tmp_path / 'in' / 'a.png')
    translate_files(translator, tmp_path / 'in', tmp_path / 'out')
    translate_files(translator, tmp_path / 'in' / 'b.png', tmp_path / 'single.png')
    names = ('out/a.png', 'out/b.png', 'alone/b.png', 'single.png')
    other, *same = (np.asarray(Image.open(tmp_path / name)) for name in names)
    for one in same[1:]:
        np.testing.assert_array_equal(one, same[0])
    assert np.any(other != same[0])


def test_names_do_not_collide_and_what_exists_is_kept(tmp_path):
    source, output = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    output.mkdir()
    names = ('a.gif', 'a.gif.png', 'a.png', 'a.jpg', 'a.jfif', 'b.ppm', 'b.ppm.png.png')
    for name in names:
        (source / name).touch()
    jobs = translation_files.plan(source, output).jobs
    targets = {job.name: job.target.relative_to(output).as_posix() for job in jobs}
    assert len(set(targets.values())) == len(names)
    assert targets == {
        **{name: name for name in names},
        'a.gif': 'a.gif.png.png',
        'b.ppm': 'b.ppm.png',
    }
    for name in ('a.png', 'skipped.txt'):
        (output / name).write_text('mine')
        with pytest.raises(UserError, match=f'{output / name} exists: name another --output'):
            translation_files.plan(source, output)
        assert len(translation_files.plan(source, output, overwrite=True).jobs) == len(names)
        (output / name).unlink()


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_16_bits_and_exif_go_through_and_the_turn_is_done_once(enlarging, tmp_path, suffix):
    steps = (np.arange(24 * 32).reshape(24, 32) * 80).astype(np.uint16)
    encode.write(tmp_path / f'a.{suffix}', np.dstack([steps] * 3))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, 'Maker'
    Image.fromarray(picture(24, 32)).save(tmp_path / 'b.jpg', exif=exif)
    for name in (f'a.{suffix}', 'b.jpg'):
        translate_files(enlarging, tmp_path / name, tmp_path / 'out' / name)
    deep = decode.read(tmp_path / 'out' / f'a.{suffix}', deep=True).pixels
    assert deep.dtype == np.uint16 and len(np.unique(deep)) > 256
    with Image.open(tmp_path / 'out' / 'b.jpg') as turned:
        assert turned.size == (48, 64)
        assert dict(turned.getexif()) == {0x010F: 'Maker'}
        assert turned.info['icc_profile'] == color_profile.srgb()


@pytest.mark.parametrize('suffix', ['jpg', 'bmp'])
def test_a_format_without_alpha_is_refused_for_a_picture_that_has_some(
    translator, tmp_path, suffix
):
    rgba = np.concatenate([picture(8, 8), np.full((8, 8, 1), 100, np.uint8)], axis=-1)
    Image.fromarray(rgba).save(tmp_path / 'clear.png')
    target = tmp_path / f'clear.{suffix}'
    summary = translate_files(translator, tmp_path / 'clear.png', target)
    sentence = (
        f'{target} cannot hold the transparency of {tmp_path / "clear.png"}: name one that ends '
        'in .png.'
    )
    assert summary == (0, [sentence], [])
    assert not target.exists()
