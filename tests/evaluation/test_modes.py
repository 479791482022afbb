"""Stacked images: what the source stacks, what the classifier reads from it."""

import numpy as np
import pytest

from imggen.data.loaders import fashion_mnist, stacked
from imggen.errors import UserError
from imggen.evaluation import evaluate, modes
from imggen.images import from_uint8
from tests.helpers import held


@pytest.fixture(scope='module')
def stacks():
    return stacked.load(num_examples=2000)


def test_channels_are_pictures_and_the_label_is_their_classes(stacks):
    images, labels, _ = fashion_mnist.find(split='train')
    found = stacks.read(np.array([3, 700, 3]))
    assert stacks.shape == (2000, 28, 28, 3) and found['image'].dtype == np.uint8
    np.testing.assert_array_equal(found['image'][0], found['image'][2])
    for image, label in zip(found['image'], found['label'], strict=True):
        for channel, digit in enumerate(f'{label:03}'):
            (row,) = np.flatnonzero((images == image[..., channel]).all((1, 2)))[:1]
            assert labels[row] == int(digit)


def test_stacks_are_the_same_in_every_run_and_reach_the_modes(stacks):
    again = stacked.load(num_examples=2000)
    rows = slice(10, 20)
    np.testing.assert_array_equal(again.read(rows)['image'], stacks.read(rows)['image'])
    labels = stacks.read(slice(None))['label']
    assert labels.min() >= 0 and labels.max() < 1000
    # 2,000 draws from 1,000 modes leave exp(-2) of them out.
    assert abs(len(np.unique(labels)) - 1000 * (1 - np.exp(-2))) < 40
    other = stacked.load(num_examples=2000, split='test').read(rows)['image']
    assert not np.array_equal(other, stacks.read(rows)['image'])


def test_the_classifier_reads_the_modes_of_real_stacks(stacks):
    found = stacks.read(slice(600))
    guessed = modes.channel_modes(iter([found['image'][:250], found['image'][250:]]))
    # The Fashion-MNIST classifier is right about 0.94 of the pictures, hence 0.83 of three.
    assert 0.78 < np.mean(guessed == found['label']) <= 1.0
    right = [
        np.mean(guessed // place % 10 == found['label'] // place % 10) for place in (100, 10, 1)
    ]
    assert min(right) > 0.9


def test_no_stacks_are_told():
    with pytest.raises(UserError, match='num_examples is 0'):
        stacked.load(num_examples=0)


def test_real_stacks_reach_what_chance_lets_them_reach(stacks):
    images = from_uint8(stacks.read(slice(1000))['image'])
    run = held.run(images, data={'name': 'stacked', 'num_examples': 1000})
    found = modes.measure(run, num_images=1000, seed=0)
    # The Fashion-MNIST classifier makes errors.
    assert abs(found['modes_reached'] - 1000 * (1 - np.exp(-1))) < 60
    assert found['modes_kl_floor'] == pytest.approx(999 / 2000)
    assert found['modes_kl'] == pytest.approx(found['modes_kl_floor'], rel=0.5)
    # These are the images of the reference; a mode without any counts as half an image.
    assert found['modes_kl_real'] < np.log(1 + 0.5 * np.exp(-1)) + 0.02
    assert found['channels_kl'] < 0.05


def test_a_class_that_is_never_made_is_seen_in_its_channel(stacks):
    images, labels = (stacks.read(slice(None))[name] for name in ('image', 'label'))
    some = from_uint8(images[labels < 500][:500])  # Of ten classes of the first channel, five.
    found = modes.measure(held.run(some, data={'name': 'stacked'}), num_images=500, seed=0)
    assert found['modes_reached'] < 400
    assert found['channels_kl'] == pytest.approx(np.log(2), abs=0.12)


def test_stacks_are_measured_by_as_many_images_as_were_published(stacks):
    image = from_uint8(stacks.read(slice(1))['image'])
    run = held.run(image, data={'name': 'stacked'})
    run = run._replace(config={**run.config, 'run': {'extractor': '', 'scores': ('modes',)}})
    assert evaluate.protocol(run).num_images == 26_000
    assert evaluate.protocol(run, num_images=10).num_images == 10
    digits = {**run.config, 'run': {'extractor': 'pixels'}}
    assert evaluate.protocol(run._replace(config=digits)).num_images == 10_000
