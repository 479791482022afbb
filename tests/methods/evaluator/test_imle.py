"""RS-IMLE: every real image chooses its nearest sample, and none is left out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import keys, methods
from imggen.errors import UserError
from imggen.methods.evaluator import imle
from tests.helpers import cases

TINY = cases.CONFIGS['imle']


def test_every_real_image_chooses_its_nearest_sample():
    real = jnp.array([[0.0, 0.0], [4.0, 0.0], [4.5, 0.0]])
    pool = jnp.array([[9.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    index, rejected = imle.nearest(real, pool, 0.0)
    assert index.tolist() == [2, 1, 1] and not rejected.any()


def test_samples_near_any_real_image_are_rejected():
    real = jnp.array([[0.0], [10.0]])
    pool = jnp.array([[0.1], [1.0], [10.2], [12.0]])
    index, rejected = imle.nearest(real, pool, 0.09)
    assert index.tolist() == [1, 3]
    assert rejected.tolist() == [True, False, True, False]
    # If nothing else is left, the nearest are taken all the same.
    index, rejected = imle.nearest(real, pool, 100.0)
    assert index.tolist() == [0, 2] and rejected.all()


def test_a_rejected_sample_is_one_near_an_image_of_any_device():
    real = jnp.arange(4.0)[:, None, None]  # One image on each of four devices.
    pool = jnp.array([[0.1], [1.5], [3.1]])
    search = jax.pmap(
        lambda own: imle.nearest(own, pool, 0.02, axis_name='devices'), axis_name='devices'
    )
    index, rejected = search(real)
    assert index.ravel().tolist() == [1, 1, 1, 1]
    assert rejected.tolist() == [[True, False, True]] * 4


def test_images_of_two_kinds_are_both_learned():
    """A squared error alone would have one best answer, the gray in the middle."""
    options = {'epsilon': 0.0, 'pixel_weight': 1.0, 'pool_factor': 10, 'learning_rate': 3e-3}
    method = methods.make({**TINY, **options, 'ema_half_life_images': 100.0})

    def batch(index):
        level = jax.random.uniform(jax.random.key(index), (4, 1, 1, 1), minval=0.5, maxval=0.9)
        return {'image': jnp.broadcast_to(jnp.concatenate([-level, level]), (8, 8, 8, 1))}

    state = jax.jit(method.init)(jax.random.key(0), method.frozen, batch(0))
    step = jax.jit(method.phases[0].step)
    for index in range(400):
        state, _ = step(jax.random.key(index), state, method.frozen, batch(index))
    made = method.sample(keys.per_image(jax.random.key(1), 64), state, method.frozen, batch(0))
    means = np.asarray(made['generated'].mean((1, 2, 3)))
    assert np.mean(means < -0.4) > 0.2 and np.mean(means > 0.4) > 0.2


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'pool_factor': 0}, 'pool_factor=0: set it to 1 or more'),
        ({'pool_factor': 2**31}, 'pool_factor=.* is too large'),
        ({'epsilon': -1.0}, 'epsilon=-1.0: set it to 0 or more'),
        ({'latent_size': 0}, 'latent_size=0: set it to 1 or more'),
        ({'pixel_weight': -1.0}, 'pixel_weight=-1.0: set it to 0 or more'),
        ({'network': 'alexnett'}, "did you mean 'alexnet'"),
    ],
)
def test_impossible_options_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        methods.make({**TINY, **changes})
