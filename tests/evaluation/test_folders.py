"""Two folders of images compared with each other."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from imggen import features, images
from imggen.errors import UserError
from imggen.evaluation import folders as comparison


@pytest.fixture
def folders(tmp_path):
    """Twelve pictures of two sizes, and the same with noise, under equal names."""
    generator = np.random.default_rng(0)
    for index in range(12):
        shape = (40, 36, 3) if index % 3 else (36, 44, 3)
        picture = generator.integers(40, 200, shape, dtype=np.uint8)
        noisy = picture + generator.integers(0, 30, shape, dtype=np.uint8)
        for name, pixels in {'real': picture, 'noisy': noisy}.items():
            (tmp_path / name).mkdir(exist_ok=True)
            images.write_png(tmp_path / name / f'{index}.png', pixels)
    return tmp_path


def _read(path):
    from PIL import Image

    return np.asarray(Image.open(path))


def test_pairs_agree_with_scikit_image_over_pictures_of_several_sizes(folders):
    line = comparison.pairs(comparison.Folders(folders / 'noisy', folders / 'real'))
    psnr, ssim = [], []
    for file in (folders / 'real').iterdir():
        real, noisy = _read(file), _read(folders / 'noisy' / file.name)
        psnr.append(peak_signal_noise_ratio(real, noisy))
        ssim.append(
            structural_similarity(
                real, noisy, channel_axis=-1, gaussian_weights=True, use_sample_covariance=False
            )
        )
    assert line['num_generated'] == 12
    assert line['metrics']['psnr'] == pytest.approx(np.mean(psnr), abs=1e-4)
    # Theirs also averages over a border where the window does not fit.
    assert line['metrics']['ssim'] == pytest.approx(np.mean(ssim), abs=2e-2)
    assert line['spread']['psnr'] == pytest.approx(np.std(psnr, ddof=1) / 12**0.5, rel=1e-3)
    assert 'at their own size' in line['note']


def test_pictures_equal_to_their_partners_are_perfect(folders):
    line = comparison.pairs(comparison.Folders(folders / 'real', folders / 'real'))
    assert line['metrics']['psnr'] == np.inf and line['metrics']['l1'] == 0
    assert line['metrics']['ssim'] == pytest.approx(1.0)
    assert all(value < 1e-6 for name, value in line['metrics'].items() if 'lpips' in name)


def test_a_name_without_partner_and_a_size_that_differs_are_named(folders):
    (folders / 'real' / '3.png').rename(folders / 'real' / 'other.png')
    with pytest.raises(UserError, match=r'1 of 12 images of .*noisy.*: 3 has none'):
        comparison.pairs(comparison.Folders(str(folders / 'noisy'), str(folders / 'real')))
    (folders / 'real' / 'other.png').rename(folders / 'real' / '3.png')
    images.write_png(folders / 'real' / '3.png', np.zeros((20, 20, 3), np.uint8))
    pair = comparison.Folders(str(folders / 'noisy'), str(folders / 'real'))
    with pytest.raises(UserError, match=r'3\.png is 44 x 36 and .* is 20 x 20; give --size'):
        comparison.pairs(pair)
    assert comparison.pairs(pair._replace(size=(32, 32)))['num_generated'] == 12


def test_distributions_say_what_resizing_did(folders):
    pair = comparison.Folders(str(folders / 'noisy'), str(folders / 'real'))
    line = comparison.distributions(pair, features.make('pixels'), only=['frechet', 'kid'])
    assert set(line['metrics']) == {'frechet', 'kid'}
    assert '8 of 24 images were resized to 40 x 36 (crop, antialiased).' in line['note']
