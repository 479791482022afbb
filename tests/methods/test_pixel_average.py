"""The average of a set equals NumPy's mean and median, in any order and batches."""

import jax
import numpy as np
import pytest

from imggen import devices, images, keys, methods
from imggen.data import pipeline
from imggen.data.dataset import from_arrays
from imggen.errors import UserError
from imggen.training import loop

RNG = np.random.default_rng(0)
EXPECTED = {'mean': np.mean, 'median': np.median}


def average(pictures, statistic, *, num_images=None, batch_size=4, mesh=None, seed=0):
    num_images = num_images or len(pictures)
    method = methods.make(
        {
            'name': 'pixel_average',
            'num_steps': -(-num_images // batch_size),
            'num_images': num_images,
            'statistic': statistic,
        }
    )
    source = pipeline.shuffled(
        from_arrays(pictures, description='some'),
        seed=seed,
        batch_size=batch_size,
        augmentation={},
        memory_budget_mib=1,
    )
    mesh = mesh or devices.make_mesh(devices=jax.devices()[:1])
    state = loop.run(method, source, seed=seed, mesh=mesh).state
    return jax.device_get(state), method


@pytest.mark.parametrize('statistic', ['mean', 'median'])
@pytest.mark.parametrize('count', [1, 9, 10])
def test_each_picture_counts_once_and_exactly(statistic, count):
    pictures = RNG.integers(0, 256, (count, 5, 4, 3), dtype=np.uint8)
    state, _ = average(pictures, statistic)
    assert state.count == count
    expected = EXPECTED[statistic](pictures, axis=0)
    np.testing.assert_allclose((state.average + 1) * 127.5, expected, atol=2e-5)


@pytest.mark.parametrize('statistic', ['mean', 'median'])
def test_order_batches_and_devices_change_nothing(statistic):
    pictures = RNG.integers(0, 256, (11, 4, 4, 1), dtype=np.uint8)
    first, _ = average(pictures, statistic)
    others = [
        average(pictures, statistic, seed=3)[0],
        average(pictures, statistic, batch_size=11)[0],
        average(pictures, statistic, batch_size=8, mesh=devices.make_mesh())[0],
    ]
    for other in others:
        np.testing.assert_array_equal(other.totals, first.totals)
        np.testing.assert_allclose(other.average, first.average, atol=1e-6)


def test_a_median_resists_one_outlier():
    pictures = np.full((9, 3, 3, 1), 100, np.uint8)
    pictures[0] = 255
    assert np.all(images.to_uint8(average(pictures, 'median')[0].average) == 100)
    assert np.all(images.to_uint8(average(pictures, 'mean')[0].average) == 117)


@pytest.mark.parametrize('statistic', ['mean', 'median'])
def test_several_epochs_give_what_one_gives(statistic):
    pictures = RNG.integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    once, _ = average(pictures, statistic)
    thrice, _ = average(pictures, statistic, num_images=18)
    assert thrice.count == 18
    np.testing.assert_allclose(thrice.average, once.average, atol=1e-6)


def test_a_sample_repeats_the_average():
    pictures = RNG.integers(0, 256, (4, 4, 4, 1), dtype=np.uint8)
    state, method = average(pictures, 'mean')
    sample = method.sample(keys.per_image(jax.random.key(0), 3), state, (), {})['generated']
    assert sample.shape == (3, 4, 4, 1)
    np.testing.assert_array_equal(sample, np.repeat(state.average[None], 3, axis=0))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'statistic': 'mode'}, "config.method.statistic='mode' is not a valid choice"),
        ({'num_images': 0}, 'config.method.num_images is 0'),
        ({'num_images': 2**23}, 'config.method.num_images is 8388608'),
    ],
)
def test_wrong_options_are_errors(change, message):
    with pytest.raises(UserError) as caught:
        methods.make({'name': 'pixel_average', 'num_steps': 1, 'num_images': 4, **change})
    assert message in str(caught.value)
