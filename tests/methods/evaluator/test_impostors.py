"""Data of the evaluator methods: digits, impostors, and the three data sets of the configs."""

import importlib
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import data, keys, methods
from imggen.errors import UserError
from imggen.methods.evaluator import impostors

CONFIGS = sorted(
    path.stem for path in (pathlib.Path(__file__).parents[3] / 'configs').glob('evaluator_*.py')
)


def test_digits_are_all_there_once():
    train, labels = data.examples({'name': 'digits'}, split='train')
    test, _ = data.examples({'name': 'digits'}, split='test')
    assert (len(train), len(test)) == (1437, 360)
    assert train.shape[1:] == (8, 8, 1) and train.dtype == np.uint8
    assert train.min() == 0 and train.max() == 255
    assert set(labels) == set(range(10))


def test_digits_are_those_that_scikit_learn_loads():
    given = pytest.importorskip('sklearn.datasets').load_digits()
    images, labels = (
        np.concatenate(parts)
        for parts in zip(
            *(data.examples({'name': 'digits'}, split=split) for split in ('train', 'test')),
            strict=True,
        )
    )
    np.testing.assert_array_equal(images[..., 0], np.rint(given.images * (255 / 16)))
    np.testing.assert_array_equal(labels, given.target)


def test_one_digit_is_a_set_and_an_unknown_one_is_an_error():
    images, labels = data.examples({'name': 'digits', 'class_names': ('3',)}, split='train')
    assert 100 < len(images) < 200 and set(labels) == {0}
    with pytest.raises(UserError, match="has no class 'three'"):
        data.examples({'name': 'digits', 'class_names': ('three',)}, split='train')


def test_digits_without_scikit_learn_are_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    with pytest.raises(UserError, match='scikit-learn is not installed'):
        data.examples({'name': 'digits'}, split='train')


@pytest.mark.parametrize('kind', impostors.IMPOSTORS)
@pytest.mark.parametrize('shape', [(8, 8, 1), (7, 13, 3), (3, 2, 1)])
def test_impostors_depend_on_their_key_alone_and_stay_in_range(kind, shape):
    images = jax.random.uniform(jax.random.key(0), (6, *shape), minval=-1.0, maxval=1.0)
    make = impostors.IMPOSTORS[kind]
    many = make(keys.per_image(jax.random.key(1), 6), images)
    few = make(keys.per_image(jax.random.key(1), 2, first=3), images[3:5])
    assert many.shape == images.shape and float(jnp.abs(many).max()) <= 1.0
    np.testing.assert_array_equal(many[3:5], few)
    assert not jnp.array_equal(many[0], many[1])


def test_patches_keep_their_pixels():
    image = jnp.arange(64.0).reshape(1, 8, 8, 1)
    shuffled = impostors.patches(jax.random.split(jax.random.key(0), 1), image)
    assert not jnp.array_equal(shuffled, image)
    assert sorted(shuffled.ravel().tolist()) == sorted(image.ravel().tolist())
    tiles = shuffled[0, :, :, 0].reshape(4, 2, 4, 2).swapaxes(1, 2).reshape(16, 4)
    np.testing.assert_array_equal(tiles - tiles[:, :1], np.tile([[0, 1, 8, 9]], (16, 1)))


def test_a_mixture_holds_every_kind():
    images = jnp.full((200, 4, 4, 1), 0.25)
    made = impostors.mixture(keys.per_image(jax.random.key(0), 200), images)
    shuffled = jnp.all(made == 0.25, axis=(1, 2, 3))
    values = np.array([len(np.unique(image)) for image in np.asarray(made)])
    assert 0.2 < shuffled.mean() < 0.5
    assert 0.2 < np.mean(values == 16) < 0.5  # Noise has no value twice.


@pytest.mark.parametrize('name', CONFIGS)
@pytest.mark.parametrize('argument', ['data=folder,size=24', 'kind=Bag'])
def test_every_config_takes_every_data_set(name, argument):
    config = importlib.import_module(f'configs.{name}').get_config(argument)
    assert config.data.name == ('fashion_mnist' if argument == 'kind=Bag' else 'folder')
    config.total_images, config.data.batch_size = 640, 32
    assert config.method.num_steps == 20
    method = methods.make(config.method.to_dict())
    shape = config.data.get('size', (8, 8))
    batch = {'image': jax.ShapeDtypeStruct((32, *shape, 3), jnp.float32)}
    state = jax.eval_shape(method.init, jax.random.key(0), (), batch)
    image_keys = jax.eval_shape(lambda: keys.per_image(jax.random.key(0), 5))
    made = jax.eval_shape(method.sample, image_keys, state, (), batch)
    assert made['generated'].shape == (5, *shape, 3)


def test_an_unknown_data_set_is_an_error():
    with pytest.raises(UserError, match="data='cats' is unknown"):
        importlib.import_module('configs.evaluator_ebgan').get_config('data=cats')


def test_the_three_reference_periods_are_one_sweep():
    from configs import evaluator_reference
    from imggen.sweep import points as sweep

    points = sweep.check(
        evaluator_reference.get_hyper(sweep.HYPER), evaluator_reference.get_config()
    )
    assert len(points) == 15
    assert {point['method.reference_epochs'] for point in points} == {5, 10, 50}
