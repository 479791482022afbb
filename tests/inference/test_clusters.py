"""Clusters: of equal sizes, of what is alike, and the file that a GAN with classes reads."""

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from imggen.data.loaders import folder
from imggen.errors import UserError
from imggen.features import alexnet
from imggen.inference import clusters
from tests.helpers import commands


@pytest.mark.parametrize(('n', 'count'), [(1, 1), (7, 7), (64, 8), (101, 6), (103, 32)])
def test_sizes_differ_by_one_at_most(n, count):
    features = np.random.default_rng(n).normal(size=(n, 5)).astype('float32')
    sizes = np.bincount(clusters.bisect(features, count), minlength=count)
    assert len(sizes) == count and sizes.sum() == n
    assert sizes.max() - sizes.min() <= 1


def test_what_is_alike_comes_together():
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.repeat(np.arange(4), 25))
    centers = np.float32([[0, 0, 9], [0, 1, 9], [30, 0, 9], [30, 3, 9]])
    features = centers[kinds] + rng.normal(0, 0.05, (100, 3)).astype('float32')
    numbers = clusters.bisect(features, 4)
    assert len({*zip(kinds, numbers, strict=True)}) == 4


def test_equal_rows_are_divided():
    assert np.bincount(clusters.bisect(np.ones((10, 3), np.float32), 3)).tolist() == [4, 3, 3]


def test_the_command_writes_classes_that_a_folder_takes(tmp_path):
    try:
        alexnet.pretrained()
    except UserError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(1)
    (tmp_path / 'set').mkdir()
    for index in range(12):
        pixels = np.zeros((40, 40, 3), np.uint8)
        if index % 2:  # Stripes; the others are noise.
            pixels[:, ::8] = rng.integers(150, 255)
        else:
            pixels[:] = rng.integers(0, 255, pixels.shape)
        Image.fromarray(pixels).save(tmp_path / 'set' / f'{index:02d}.png')
    (tmp_path / 'set' / 'broken.png').write_bytes(b'nothing')
    output, source = tmp_path / 'classes.csv', str(tmp_path / 'set')
    with commands.imported('experiments.prepare.clusters') as command:
        too_few = pytest.raises(UserError, match='12 pictures, too few for --count=13')
        with flagsaver.flagsaver(source=source, output=str(output), count=13), too_few:
            command.main([])
        with flagsaver.flagsaver(source=source, output=str(output), count=2):
            command.main([])
            with pytest.raises(UserError, match='--overwrite'):
                command.main([])
    dataset = folder.load(path=str(tmp_path / 'set'), size=(8, 8), labels=str(output))
    labels = dataset.read(slice(None))['label']
    assert dataset.class_names == ('0', '1')
    assert len({*labels[::2]}) == len({*labels[1::2]}) == 1 and labels[0] != labels[1]
    assert (tmp_path / 'classes.png').is_file()
