"""Pictures for style transfer on their way in and back out."""

import pathlib

import jax
import numpy as np
import pytest
from PIL import Image

from imggen import data, images
from imggen.data import decode, frame, picture
from imggen.data.loaders import style as pictures
from imggen.errors import UserError


def noise(height, width, channels=3, *, seed=0):
    """A smooth random picture, uint8."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 6, channels), dtype=np.uint8)
    image = Image.fromarray(small if channels > 1 else small[..., 0])
    large = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return large.reshape(height, width, channels)


@pytest.fixture
def files(tmp_path):
    """A content of 90x140 with alpha, a style of 200x100."""
    alpha = np.full((90, 140, 1), 255, np.uint8)
    alpha[:, 100:] = 0
    alpha[:, 90:100] = 128
    content = np.concatenate([noise(90, 140), alpha], -1)
    Image.fromarray(content).save(tmp_path / 'content.png')
    Image.fromarray(noise(200, 100, seed=1)).save(tmp_path / 'style.png')
    return str(tmp_path / 'content.png'), str(tmp_path / 'style.png')


def load(files, **options):
    return pictures.load(content=files[0], style=files[1], **{'size': 64, **options})


def batch(dataset):
    return dataset.read(slice(None))


def test_source_gives_one_batch_in_minus_one_to_one(files):
    section = {'name': 'style', 'content': files[0], 'style': files[1], 'size': 64}
    source = data.make(section, seed=0)
    found = jax.device_get(source.batch(3))
    assert {name: leaf.shape for name, leaf in found.items()} == {
        'image': (1, 48, 64, 3),  # 41 of 64 comes to a multiple of 16.
        'style0': (1, 64, 32, 3),
        'style_weight': (1, 1),
    }
    for name in ('image', 'style0'):
        assert found[name].dtype == np.float32
        assert -1.0 <= found[name].min() < -0.2 and 0.2 < found[name].max() <= 1.0
    with pytest.raises(UserError, match='no splits'):
        data.examples(section, split='test')


def test_result_comes_back_at_its_own_size_with_its_alpha(files):
    dataset = load(files)
    result = images.from_uint8(batch(dataset)['image'])
    results = dataset.postprocess(np.asarray(result))
    assert list(results) == ['content']
    back = results['content']
    original = np.asarray(Image.open(files[0]))
    assert back.shape == (90, 140, 4) and back.dtype == np.uint8
    np.testing.assert_array_equal(back[..., 3], original[..., 3])
    difference = back[:, :88, :3].astype(int) - original[:, :88, :3]
    assert np.abs(difference).mean() < 4, 'an unchanged picture comes back as it was'


def test_what_is_transparent_has_the_mean_color_of_what_is_not(files):
    found = picture.read(files[0], 'config.data.content')
    original = np.asarray(Image.open(files[0])).astype(float)
    share = original[..., 3:] / original[..., 3].sum()
    np.testing.assert_allclose(
        found.rgb[50, 130], (original[..., :3] * share).sum((0, 1)), atol=1.0
    )
    empty = np.zeros((20, 30, 4), np.uint8)
    Image.fromarray(empty).save(files[0])
    assert picture.read(files[0], 'config.data.content').alpha.max() == 0


def test_exif_turns_content_and_alpha_is_absent_where_opaque(tmp_path, files):
    turned = tmp_path / 'turned.jpg'
    exif = Image.Exif()
    exif[0x0112] = 6  # A quarter turn clockwise.
    Image.fromarray(noise(60, 100)).save(turned, exif=exif, quality=95)
    dataset = load((str(turned), files[1]))
    assert batch(dataset)['image'].shape == (1, 64, 32, 3)
    back = dataset.postprocess(np.zeros((1, 64, 32, 3)))['turned']
    assert back.shape == (100, 60, 3)


def test_sixteen_bit_gray_and_palette_pictures_are_read(tmp_path, files):
    deep = tmp_path / 'deep.png'
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(deep)
    Image.fromarray(noise(64, 64)).quantize(8).save(tmp_path / 'few.png')
    dataset = load((str(deep), str(tmp_path / 'few.png')))
    image = batch(dataset)['image'][0]
    assert image.shape == (64, 64, 3)
    np.testing.assert_array_equal(image[..., 0], (ramp.astype(int) + 128) // 257)
    assert dataset.postprocess(np.zeros((1, 64, 64, 3)))['deep'].shape == (64, 64, 3)


def test_stretch_makes_both_square_as_the_published_config_does(files):
    found = batch(load(files, fit='stretch'))
    assert found['image'].shape == found['style0'].shape == (1, 64, 64, 3)


def test_styles_are_scaled_but_never_enlarged_and_weighted(tmp_path, files):
    both = f'{files[1]},{files[0]}'
    found = batch(load((files[0], both), style_scale=0.5, style_weights=(3.0, 1.0)))
    assert found['style0'].shape == (1, 32, 32, 3)  # 16 is below the smallest side.
    np.testing.assert_array_equal(found['style_weight'], [[3.0, 1.0]])
    large = batch(load((files[0], files[1]), style_scale=8.0))
    assert large['style0'].shape == (1, 192, 96, 3)  # 200 x 100, to multiples of 16.


def test_contents_of_a_folder_are_grouped_by_shape_at_full_size(tmp_path, files):
    folder = tmp_path / 'contents'
    folder.mkdir()
    for name, size in {'a.png': (60, 90), 'b.jpg': (90, 60), 'c.png': (60, 90)}.items():
        Image.fromarray(noise(*size)).save(folder / name)
    (folder / 'notes.txt').write_text('no picture')
    dataset = load((str(folder), files[1]))
    found = batch(dataset)
    # The longer side of each has 64 pixels, however the first one lies.
    assert found['group0'].shape == (2, 48, 64, 3)
    assert found['group1'].shape == (1, 64, 48, 3)
    assert found['image'].shape == (3, 64, 64, 3)
    assert found['style0'].shape[0] == found['style_weight'].shape[0] == 3
    wide = found['image'][0]
    np.testing.assert_array_equal(images.from_uint8(wide[8:56]), found['group0'][0])
    np.testing.assert_array_equal(wide[4:8], wide[8:12][::-1])
    back = dataset.postprocess(np.asarray(images.from_uint8(found['image'])))
    assert {name: one.shape for name, one in back.items()} == {
        'a': (60, 90, 3),
        'c': (60, 90, 3),
        'b': (90, 60, 3),
    }
    original = decode.decode(folder / 'b.jpg').astype(int)
    assert np.abs(back['b'] - original).mean() < 4


def test_unreadable_files_of_a_folder_are_named_and_skipped(tmp_path, files, caplog):
    folder = tmp_path / 'contents'
    folder.mkdir()
    Image.fromarray(noise(60, 90)).save(folder / 'good.png')
    (folder / '._good.png').write_bytes(b'\x00\x05\x16\x07')
    (folder / 'damaged.png').write_bytes((folder / 'good.png').read_bytes()[:100])
    with caplog.at_level('WARNING', logger='absl'):
        found = batch(load((str(folder), files[1])))
    assert found['image'].shape[0] == 1
    assert 'damaged.png cannot be read' in caplog.text
    (folder / 'good.png').unlink()
    with pytest.raises(UserError, match=r'none of the 1 pictures .*damaged\.png'):
        load((str(folder), files[1]))


@pytest.mark.parametrize(
    ('files', 'names'),
    [
        (['a.jpg', 'a.png', 'a_1.jpg'], ['a', 'a_2', 'a_1']),
        (['A.jpg', 'a.jpg'], ['A', 'a_1']),
        (['a.jpg', 'a.png.jpg'], ['a', 'a.png_1']),
    ],
)
def test_names_of_results_never_meet(files, names):
    contents = [picture.Picture(pathlib.Path(file), None, None) for file in files]
    assert pictures._names(contents) == names


def framed(width=8, color=(170, 40, 30)):
    rgb = noise(200, 160).copy()
    rgb[:, -width:] = color
    return rgb


def test_the_frame_of_a_style_is_cut_and_said(tmp_path, files, caplog):
    rgb = framed()
    inside, cut = frame.trim(rgb)
    assert cut[:3] == (0, 0, 0) and 8 <= cut[3] <= 12
    np.testing.assert_array_equal(inside, rgb[:, : 160 - cut[3]])
    assert frame.trim(noise(200, 160))[1] == (0, 0, 0, 0)
    path = tmp_path / 'framed.png'
    Image.fromarray(rgb).save(path)
    with caplog.at_level('WARNING', logger='absl'):
        cut = batch(load((files[0], str(path)), style_scale=4.0))
    assert 'framed.png: cut a frame' in caplog.text and 'trim=False' in caplog.text
    kept = batch(load((files[0], str(path)), style_scale=4.0, trim=False))
    red = kept['style0'][0, :, -2]
    assert red[:, 0].min() > 0.2 and red[:, 2].max() < -0.6
    assert cut['style0'][0, :, -2, 0].min() < 0.2
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(mask := tmp_path / 'mask.png')
    masks = {'content_mask': str(mask), 'style_masks': str(mask)}
    masked = batch(load((files[0], str(path)), style_scale=4.0, **masks))
    np.testing.assert_array_equal(masked['style0'], kept['style0'])


def test_detail_of_the_content_is_added_and_colors_are_matched(tmp_path, files):
    fine = np.tile(np.array([[90, 166], [166, 90]], np.uint8), (64, 64))
    Image.fromarray(fine).convert('RGB').save(tmp_path / 'fine.png')
    named = (str(tmp_path / 'fine.png'), files[1])
    gray = np.zeros((1, 64, 64, 3))
    without = load(named).postprocess(gray)['fine']
    found = load(named, detail=1.0).postprocess(gray)['fine']
    assert without.std() == 0
    np.testing.assert_allclose(found[..., 0], fine, atol=2)
    result = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3))
    matched = load(named, colors='matched').postprocess(result)['fine']
    palette = decode.decode(pathlib.Path(files[1])).reshape(-1, 3)
    np.testing.assert_allclose(matched.mean((0, 1)), palette.mean(0), atol=6)


def test_two_contents_of_one_name_give_two_results(tmp_path, files):
    for folder in ('x', 'y'):
        (tmp_path / folder).mkdir()
        Image.fromarray(noise(64, 64)).save(tmp_path / folder / 'same.png')
    named = f'{tmp_path / "x" / "same.png"},{tmp_path / "y" / "same.png"}'
    results = load((named, files[1])).postprocess(np.zeros((2, 64, 64, 3)))
    assert list(results) == ['same', 'same_1']


def chroma(pixels):
    values = np.asarray(pixels, float)
    return values - (values @ np.array([0.299, 0.587, 0.114]))[..., None]


def test_colors_of_the_content_are_kept(tmp_path, files):
    content = tmp_path / 'soft.png'
    soft = (96 + noise(64, 64) // 4).astype(np.uint8)
    Image.fromarray(soft).save(content)
    after = load((str(content), files[1]), colors='content')
    assert batch(after)['image'].shape[-1] == 3
    only = load((str(content), files[1]), colors='luminance')
    found = batch(only)
    assert found['image'].shape[-1] == found['style0'].shape[-1] == 1
    brightness = 0.2 * np.ones((1, 64, 64, 1))
    for dataset, result in ((after, brightness * [1, 1, 1]), (only, brightness)):
        back = dataset.postprocess(np.asarray(result))['soft']
        np.testing.assert_allclose(chroma(back), chroma(soft), atol=2.0)
        luma = back @ np.array([0.299, 0.587, 0.114])
        np.testing.assert_allclose(luma, 1.2 * 127.5, atol=1.5)


def test_recolored_style_has_the_contents_colors(files):
    found = batch(load(files, colors='recolored'))
    content = np.asarray(images.from_uint8(found['image'][0])).reshape(-1, 3)
    style = found['style0'][0].reshape(-1, 3)
    np.testing.assert_allclose(style.mean(0), content.mean(0), atol=0.1)
    gray = np.repeat(noise(64, 64, 1), 3, -1)
    Image.fromarray(gray).save(files[1])
    assert np.isfinite(batch(load(files, colors='recolored'))['style0']).all()


def test_masks_become_regions(tmp_path, files):
    content_mask, style_mask = tmp_path / 'm.png', tmp_path / 'n.png'
    halves = np.zeros((90, 140), np.uint8)
    halves[:, 70:] = 255
    Image.fromarray(halves).save(content_mask)
    Image.fromarray(halves.T[:100].copy()).save(style_mask)
    masks = {'content_mask': str(content_mask), 'style_masks': str(style_mask)}
    found = batch(load(files, **masks))
    assert found['image_mask'].shape == (1, 48, 64, 2)
    assert found['style0_mask'].shape == (1, 64, 32, 2)
    np.testing.assert_allclose(found['image_mask'].sum(-1), 1.0, atol=0.01)
    assert found['image_mask'][0, :, :30, 0].min() == 1.0
    with pytest.raises(UserError, match='go together'):
        load(files, content_mask=str(content_mask))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(style_mask)
    with pytest.raises(UserError, match=r'no mask .* has the gray level 255'):
        load(files, **masks)


def test_a_line_a_tiny_style_and_masks_of_other_sizes_become_sound_arrays(tmp_path, files):
    for name, (height, width) in {'line': (1, 70), 'tiny': (2, 3)}.items():
        Image.fromarray(noise(height, width)).save(tmp_path / f'{name}.png')
    for name, (height, width) in {'c': (5, 4), 's': (1, 2)}.items():
        halves = np.zeros((height, width), np.uint8)
        halves[:, width // 2 :] = 255
        Image.fromarray(halves).save(tmp_path / f'{name}.png')
    masks = {'content_mask': str(tmp_path / 'c.png'), 'style_masks': str(tmp_path / 's.png')}
    dataset = load((str(tmp_path / 'line.png'), str(tmp_path / 'tiny.png')), detail=1.0, **masks)
    found = batch(dataset)
    assert found['image'].shape == (1, 32, 64, 3) and found['image_mask'].shape == (1, 32, 64, 2)
    assert found['style0'].shape == (1, 32, 32, 3) and found['style0_mask'].shape == (1, 32, 32, 2)
    for name, leaf in found.items():
        assert np.isfinite(leaf).all(), name
    for name in ('image_mask', 'style0_mask'):
        np.testing.assert_allclose(found[name].sum(-1), 1.0, atol=0.01)
    [pixels] = dataset.postprocess(found['image']).values()
    assert pixels.shape == (1, 70, 3)


def test_a_style_takes_part_only_where_its_mask_has_the_level(tmp_path, files):
    halves = np.zeros((90, 140), np.uint8)
    halves[:, 70:] = 255
    for name, mask in {'c': halves, 'dark': 0 * halves, 'light': 0 * halves + 255}.items():
        Image.fromarray(mask).save(tmp_path / f'{name}.png')
    masks = {
        'content_mask': str(tmp_path / 'c.png'),
        'style_masks': f'{tmp_path / "dark.png"},{tmp_path / "light.png"}',
    }
    found = batch(load((files[0], f'{files[1]},{files[0]}'), **masks))
    assert found['style0_mask'].max((0, 1, 2)).tolist() == [1.0, 0.0]
    assert found['style1_mask'].max((0, 1, 2)).tolist() == [0.0, 1.0]


def test_a_soft_mask_gives_shares(tmp_path, files):
    ramp = np.tile(np.linspace(0, 255, 140).astype(np.uint8), (90, 1))
    Image.fromarray(ramp).save(tmp_path / 'ramp.png')
    Image.fromarray(np.uint8(ramp > 127) * 255).save(tmp_path / 'hard.png')
    masks = {'content_mask': str(tmp_path / 'ramp.png'), 'style_masks': str(tmp_path / 'hard.png')}
    found = batch(load(files, **masks))
    shares = found['image_mask'][0, 20]
    np.testing.assert_allclose(shares.sum(-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(shares[:, 1], np.linspace(0, 1, 64), atol=0.03)
    assert found['style0_mask'].shape == (1, 64, 32, 2)


def test_initial_picture_comes_to_the_contents_size(files):
    found = batch(load(files, initial=files[1]))
    assert found['initial'].shape == (1, 48, 64, 3)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'content': ''}, r'config\.data\.content is empty'),
        ({'style': 'gone.png'}, r'gone\.png cannot be read .*config\.data\.style'),
        ({'size': 8}, r'config\.data\.size is 8'),
        ({'fit': 'crop'}, r"config\.data\.fit is 'crop'"),
        ({'colors': 'gray'}, r"config\.data\.colors is 'gray'"),
        ({'detail': -1.0}, r'config\.data\.detail is -1\.0'),
        ({'style_scale': 0.0}, r'config\.data\.style_scale is 0\.0'),
        ({'style_weights': (1.0, 2.0)}, r'config\.data\.style_weights'),
    ],
)
def test_bad_options_are_named(files, changes, message):
    options = {'content': files[0], 'style': files[1], 'size': 64}
    with pytest.raises(UserError, match=message):
        pictures.load(**{**options, **changes})


def test_an_empty_folder_is_told(tmp_path, files):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='holds no pictures'):
        load((str(tmp_path / 'empty'), files[1]))
