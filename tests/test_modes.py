"""Stacked images: what the source stacks, what the judge reads from it."""

import numpy as np
import pytest

from imggen.data import fashion_mnist, stacked
from imggen.errors import UserError
from imggen.metrics import modes


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


def test_the_judge_reads_the_modes_of_real_stacks(stacks):
    found = stacks.read(slice(600))
    guessed = modes.channel_modes(iter([found['image'][:250], found['image'][250:]]))
    # The judge is right about 0.94 of the pictures, hence 0.83 of three.
    assert 0.78 < np.mean(guessed == found['label']) <= 1.0
    right = [
        np.mean(guessed // place % 10 == found['label'] // place % 10) for place in (100, 10, 1)
    ]
    assert min(right) > 0.9


def test_no_stacks_are_told():
    with pytest.raises(UserError, match='num_examples is 0'):
        stacked.load(num_examples=0)
