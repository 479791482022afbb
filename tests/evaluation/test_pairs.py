"""Pictures compared with the references of equal names."""

import csv

import jax
import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from imggen import images
from imggen.errors import UserError
from imggen.evaluation import pairs
from imggen.evaluation.folders import Folders
from imggen.metrics import lpips as perceptual
from imggen.metrics import paired

FIDELITY = pairs.How(('l1', 'psnr', 'ssim'))
# Three share a padded shape, and one has another.
SIZES = {'small': (40, 36), 'wide': (50, 60), 'wider': (33, 64), 'large': (70, 45)}


def write(folder, name, pixels):
    images.write_png(folder / f'{name}.png', pixels)


def picture(size, *, noise=0, seed=0):
    cat = skimage.data.chelsea()[: 3 * size[0] : 3, : 3 * size[1] : 3].astype(int)
    added = np.random.default_rng(seed).integers(-noise, noise + 1, cat.shape)
    return np.clip(cat + added, 0, 255).astype(np.uint8)


@pytest.fixture
def both(tmp_path):
    for name, size in SIZES.items():
        write(tmp_path / 'real', name, picture(size))
        write(tmp_path / 'made', name, picture(size, noise=20))
    return Folders(str(tmp_path / 'made'), str(tmp_path / 'real'))


def test_padding_changes_no_value_and_few_shapes_are_compiled(both):
    before = pairs._measure._cache_size()
    found = pairs.compare(both, FIDELITY)
    assert pairs._measure._cache_size() - before == 2  # 64 x 64 holds three sizes.
    assert found.names == tuple(sorted(SIZES))
    for row, name in enumerate(found.names):
        real, made = (
            images.from_uint8(picture(SIZES[name], noise=noise)[None]) for noise in (0, 20)
        )
        alone = {
            'l1': paired.mae(made, real) / 2,
            'psnr': paired.psnr(made, real),
            'ssim': paired.ssim(made, real),
        }
        for measure, value in alone.items():
            assert found.values[measure][row] == pytest.approx(float(value[0]), abs=1e-5), measure


def test_lpips_is_of_the_colors_without_the_padding(tmp_path):
    size = SIZES['small']
    for folder, noise in (('made', 20), ('real', 0)):
        write(tmp_path / folder, 'one', picture(size, noise=noise))
    given = Folders(str(tmp_path / 'made'), str(tmp_path / 'real'))
    found = pairs.compare(given, pairs.How(('lpips', 'psnr'), luma=True))
    assert found.values.keys() == {'lpips_alexnet', 'psnr_y'}
    real, made = (images.from_uint8(picture(size, noise=noise)[None]) for noise in (0, 20))
    alone = jax.jit(perceptual.lpips)(perceptual.load('alexnet'), made, real)
    assert found.values['lpips_alexnet'] == pytest.approx(alone, abs=1e-5)


def test_the_values_are_those_of_scikit_image(both):
    found = pairs.compare(both, FIDELITY)
    for row, name in enumerate(found.names):
        real, made = picture(SIZES[name]), picture(SIZES[name], noise=20)
        assert found.values['psnr'][row] == pytest.approx(
            peak_signal_noise_ratio(real, made), abs=1e-4
        )
        _, similarity = structural_similarity(
            real,
            made,
            channel_axis=-1,
            gaussian_weights=True,
            use_sample_covariance=False,
            full=True,
        )
        # Ours is averaged only where the window fits.
        assert found.values['ssim'][row] == pytest.approx(similarity[5:-5, 5:-5].mean(), abs=1e-5)
    line = pairs.line(both, FIDELITY, found)
    assert line['num_generated'] == 4 and 'at their own size' in line['note']
    assert line['metrics']['psnr'] == pytest.approx(found.values['psnr'].mean())
    assert line['spread']['psnr'] == pytest.approx(found.values['psnr'].std(ddof=1) / 2)


def test_luma_without_a_border(both):
    found = pairs.compare(both, pairs.How(('psnr', 'l1'), luma=True, crop=4))
    assert found.values.keys() == {'psnr_y', 'l1_y'}
    weights = np.array([65.481, 128.553, 24.966]) / 255
    y = [
        np.rint(picture(SIZES['large'], noise=noise)[4:-4, 4:-4] @ weights + 16)
        for noise in (0, 20)
    ]
    row = found.names.index('large')
    expected = peak_signal_noise_ratio(*y, data_range=255)
    assert found.values['psnr_y'][row] == pytest.approx(expected, abs=2e-3)
    assert found.values['l1_y'][row] == pytest.approx(np.abs(y[0] - y[1]).mean() / 255, abs=1e-5)


def test_equal_pairs_are_not_in_the_mean_of_psnr(both, tmp_path):
    write(tmp_path / 'made', 'large', picture(SIZES['large']))
    found = pairs.compare(both, FIDELITY)
    line = pairs.line(both, FIDELITY, found)
    others = np.delete(found.values['psnr'], found.names.index('large'))
    assert np.isfinite(others).all() and line['metrics']['psnr'] == pytest.approx(others.mean())
    assert line['spread']['psnr'] > 0
    assert '1 equal pairs have an infinite psnr and are not in its mean.' in line['note']
    same = both._replace(generated=both.reference)
    assert pairs.line(same, FIDELITY, pairs.compare(same, FIDELITY))['metrics'] == {
        'l1': 0.0,
        'psnr': np.inf,
        'ssim': pytest.approx(1.0),
    }


def test_small_pictures_have_the_measures_that_fit(both, tmp_path):
    for folder in ('made', 'real'):
        write(tmp_path / folder, 'small', picture((9, 20), noise=5 * (folder == 'made')))
    found = pairs.compare(both, FIDELITY)
    line = pairs.line(both, FIDELITY, found)
    row = found.names.index('small')
    assert np.isnan(found.values['ssim'][row]) and np.isfinite(found.values['psnr'][row])
    assert '1 pictures below 11 pixels a side have no ssim.' in line['note']
    assert line['metrics']['ssim'] == pytest.approx(np.delete(found.values['ssim'], row).mean())
    with pytest.raises(UserError, match=r'too small: sides must have 31 for lpips; give --size'):
        pairs.compare(both._replace(size=(12, 12)), pairs.How(('lpips',)))
    with pytest.raises(UserError, match=r'small.png is 20 x 9: --crop=5 leaves nothing of it'):
        pairs.compare(both, FIDELITY._replace(crop=5))


def test_each_pair_has_a_row_in_the_csv(both, tmp_path):
    found = pairs.compare(both, pairs.How(('psnr',)))
    pairs.write_csv(tmp_path / 'values.csv', found)
    with open(tmp_path / 'values.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['name'] for row in rows] == sorted(SIZES)
    np.testing.assert_allclose([float(row['psnr']) for row in rows], found.values['psnr'], 1e-5)
    with pytest.raises(UserError, match='cannot be written'):
        pairs.write_csv(tmp_path / 'values.csv' / 'more.csv', found)


def test_what_cannot_be_paired_is_named_before_anything_is_measured(both, tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, '_batches', None)
    with pytest.raises(
        UserError, match='--measure=kid is unknown: there are l1, psnr, ssim, lpips'
    ):
        pairs.compare(both, pairs.How(('kid',)))
    write(tmp_path / 'made', 'lonely', picture((20, 20)))
    with pytest.raises(UserError, match=r'1 of 5 images of .*made have no partner.*: lonely has'):
        pairs.compare(both, FIDELITY)
    write(tmp_path / 'real', 'lonely', picture((20, 24)))
    with pytest.raises(UserError, match=r'lonely.png is 20 x 20 and .* is 24 x 20; give --size'):
        pairs.compare(both, FIDELITY)
    Image.fromarray(picture((20, 20))).save(tmp_path / 'real' / 'lonely.jpg')
    with pytest.raises(UserError, match=r'lonely.* and .*lonely.* have the same name'):
        pairs.compare(both, FIDELITY)
    with pytest.raises(UserError, match='set --reference to one'):
        pairs.compare(both._replace(reference=str(tmp_path / 'none')), FIDELITY)


def test_a_picture_on_its_side_is_compared_upright(tmp_path):
    upright = picture((40, 30))
    write(tmp_path / 'real', 'one', upright)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / 'made').mkdir()
    Image.fromarray(np.rot90(upright)).save(tmp_path / 'made' / 'one.png', exif=exif)
    given = Folders(str(tmp_path / 'made'), str(tmp_path / 'real'))
    assert pairs.compare(given, FIDELITY).values['l1'][0] == 0


def test_a_damaged_pair_is_skipped_and_named(both, tmp_path):
    broken = tmp_path / 'made' / 'wide.png'
    broken.write_bytes(broken.read_bytes()[:200])
    found = pairs.compare(both, FIDELITY)
    assert found.names == ('large', 'small', 'wider') and len(found.values['l1']) == 3
    note = pairs.line(both, FIDELITY, found)['note']
    assert '1 pair was skipped; the first: ' in note and 'wide.png' in note
    for name in ('large', 'small', 'wider'):
        (tmp_path / 'made' / f'{name}.png').write_bytes(b'no picture')
    with pytest.raises(UserError, match=r'no pair can be read; the first: .*large\.png'):
        pairs.compare(both, FIDELITY)
