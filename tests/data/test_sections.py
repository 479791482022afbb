"""What can be asked of a `data` section: held-out images, classes, inputs, images for sheets."""

import numpy as np
import pytest
from PIL import Image

from imggen import data, images
from imggen.data.loaders import fashion_mnist
from imggen.data.pairs import filters
from imggen.errors import UserError

RNG = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for number in range(20):
        path = tmp_path / 'pictures' / 'ab'[number % 2] / f'{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(path)
    return tmp_path / 'pictures'


def section(root, **options):
    return {'name': 'pairs', 'path': str(root), 'size': (6, 5), 'batch_size': 2, **options}


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        ({'name': 'fashion_mnist'}, True),
        ({'name': 'stacked'}, True),
        ({'name': 'folder', 'path': 'x'}, False),
        ({'name': 'folder', 'path': 'x', 'test_fraction': 0.1}, True),
        ({'name': 'pairs', 'path': 'x', 'test_fraction': 0.0}, False),
        ({'name': 'pairs', 'path': 'x', 'test_fraction': 0.1}, True),
        ({'name': 'none'}, False),
        ({'name': 'style'}, False),
    ],
)
def test_which_sources_hold_images_out(config, expected):
    assert data.has_held_out(config) is expected


def test_class_names_are_those_that_the_section_keeps(root):
    assert data.class_names({'name': 'fashion_mnist'}) == fashion_mnist.NAMES
    kept = {'name': 'fashion_mnist', 'class_names': (8, 'Dress'), 'batch_size': 4}
    assert data.class_names(kept) == ('Bag', 'Dress')
    folder = {'name': 'folder', 'path': str(root), 'size': (6, 5)}
    assert data.class_names(folder) == ()
    assert data.class_names({**folder, 'labels': 'folders'}) == ('a', 'b')


def test_an_input_filter_makes_the_inputs_of_the_pairs(root):
    config = section(root, filter='threshold', filter_options={'level': 90}, channels=1)
    make = data.input_filter(config)
    pairs = data.paired_examples(config, split='train')
    color = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(make(pairs['target'][0]), pairs['input'][0])
    np.testing.assert_array_equal(make(color), filters.threshold(filters.gray(color), level=90))
    assert data.input_filter({**config, 'direction': 'BtoA'}) is None
    assert data.input_filter(section(root, task='downscale')) is None
    assert data.input_filter({'name': 'fashion_mnist'}) is None


def test_only_the_task_noise_starts_from_noise(root):
    assert data.starts_from_noise(section(root, task='noise'))
    assert not data.starts_from_noise(section(root))
    assert not data.starts_from_noise({'name': 'fashion_mnist'})


def test_a_preview_is_held_out_pairs_from_all_over_the_split(root):
    config = section(root, filter='gray', test_fraction=0.4)
    shown = data.make(config, seed=0).preview(3)
    pairs = data.paired_examples(config, split='test')
    rows = np.linspace(0, len(pairs['target']) - 1, 3, dtype=int)
    for side in ('input', 'target'):
        assert shown[side].dtype == np.float32
        np.testing.assert_array_equal(images.to_uint8(shown[side]), pairs[side][rows])
    assert data.make(config, seed=0).preview(99)['target'].shape == pairs['target'].shape


def test_without_held_out_pairs_there_is_no_preview(root):
    assert data.make(section(root), seed=0).preview(3) is None
    assert data.make(section(root, test_fraction=1e-9), seed=0).preview(3) is None
    folder = {'name': 'folder', 'path': str(root), 'size': (6, 5), 'test_fraction': 0.4}
    assert data.make({**folder, 'batch_size': 2}, seed=0).preview(3) is None


def test_a_source_without_splits_has_no_examples():
    with pytest.raises(UserError, match="name='none' has no splits to compare with"):
        data.examples({'name': 'none'}, split='test')
