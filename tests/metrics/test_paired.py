"""PSNR and SSIM against scikit-image, and what must hold of any image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from imggen.errors import UserError
from imggen.metrics.paired import luma, mae, psnr, ssim


def pair(shape, noise, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = np.meshgrid(*(np.linspace(0, 3, side) for side in shape[1:3]), indexing='ij')
    smooth = np.sin(4 * rows) * np.cos(3 * columns)
    images = np.clip(
        smooth[None, ..., None] * rng.uniform(0.3, 1, (shape[0], 1, 1, shape[3])), -1, 1
    )
    other = np.clip(images + noise * rng.standard_normal(shape), -1, 1)
    return images.astype(np.float32), other.astype(np.float32)


@pytest.mark.parametrize('noise', [0.001, 0.05, 0.5])
@pytest.mark.parametrize('shape', [(3, 32, 40, 3), (2, 11, 11, 1)])
def test_agrees_with_scikit_image(shape, noise):
    images, references = pair(shape, noise)
    for index, (image, reference) in enumerate(zip(images, references, strict=True)):
        exact, other = image.astype(np.float64), reference.astype(np.float64)
        expected = peak_signal_noise_ratio(other, exact, data_range=2)
        assert psnr(images, references)[index] == pytest.approx(expected, rel=1e-6)
        expected = structural_similarity(
            other + 1,
            exact + 1,
            data_range=2,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert ssim(images, references)[index] == pytest.approx(expected, abs=1e-4)


def test_the_data_range_makes_any_scale_the_same():
    images, references = pair((2, 24, 24, 3), 0.1)
    scaled = [(array + 1) * 127.5 for array in (images, references)]
    np.testing.assert_allclose(psnr(*scaled, data_range=255.0), psnr(images, references), rtol=1e-5)
    np.testing.assert_allclose(
        ssim(*scaled, minimum=0.0, data_range=255.0), ssim(images, references), atol=1e-4
    )
    np.testing.assert_allclose(mae(*scaled), 127.5 * mae(images, references), rtol=1e-5)


def test_an_image_against_itself():
    images, _ = pair((2, 20, 20, 3), 0)
    assert (psnr(images, images) == np.inf).all()
    np.testing.assert_allclose(ssim(images, images), 1, atol=1e-6)
    np.testing.assert_array_equal(mae(images, images), 0)


def test_one_value_an_image_whatever_the_batch():
    images, references = pair((5, 16, 16, 3), 0.2)
    for measure in (mae, psnr, ssim):
        whole = measure(images, references)
        assert whole.shape == (5,)
        np.testing.assert_allclose(whole[3:4], measure(images[3:4], references[3:4]), rtol=1e-5)
        np.testing.assert_allclose(whole, measure(references, images), rtol=1e-5)


def test_known_values():
    black, gray = jnp.full((1, 12, 12, 1), -1.0), jnp.zeros((1, 12, 12, 1))
    assert mae(black, gray)[0] == 1
    assert psnr(black, gray)[0] == pytest.approx(10 * np.log10(4), rel=1e-6)
    # Flat images: the structure term is 1. Black has the mean 0, gray 1, white 2.
    c1 = (0.01 * 2) ** 2
    assert ssim(black, gray)[0] == pytest.approx(c1 / (1 + c1), rel=1e-3)
    assert ssim(gray, gray + 1)[0] == pytest.approx((4 + c1) / (5 + c1), rel=1e-5)


def test_luma_of_the_extremes():
    colors = jnp.array([[-1, -1, -1], [1, 1, 1], [1, -1, -1]], jnp.float32)
    y = luma(colors.reshape(3, 1, 1, 3))
    assert y.shape == (3, 1, 1, 1)
    np.testing.assert_allclose(y.ravel(), [16, 235, 81.481], rtol=1e-5)


def test_ssim_has_a_gradient():
    images, references = pair((1, 16, 16, 1), 0.3)
    gradient = jax.grad(lambda x: ssim(x, references).sum())(images)
    step = 1e-2 * gradient / jnp.linalg.norm(gradient)
    assert ssim(images + step, references)[0] > ssim(images, references)[0]


def test_bad_input_is_a_user_error():
    images, references = pair((1, 10, 16, 3), 0.1)
    with pytest.raises(UserError, match='at least 11 pixels'):
        ssim(images, references)
    with pytest.raises(UserError, match='one shape'):
        psnr(images, references[:, :5])
    with pytest.raises(UserError, match='must be float'):
        mae(images.astype(np.uint8), references)
