"""One seed, many independent keys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import keys
from imggen.errors import UserError


def test_streams_and_seeds_differ():
    names = ('init', 'loop', 'data', 'sample', 'measure')
    drawn = {jax.random.bits(keys.stream(seed, name)).item() for seed in range(3) for name in names}
    assert len(drawn) == 15


@pytest.mark.parametrize('seed', [2**64, -(2**63) - 1, 1.5])
def test_a_seed_that_makes_no_key_is_one_sentence(seed):
    keys.stream(2**63 - 1, 'init')
    with pytest.raises(UserError, match='is not a whole number of 64 bits'):
        keys.stream(seed, 'init')


def test_an_image_has_the_same_key_in_any_batch():
    key = jax.random.key(0)
    whole = jax.random.key_data(keys.per_image(key, 8))
    later = jax.random.key_data(keys.per_image(key, 3, first=4))
    assert jnp.array_equal(whole[4:7], later)


def test_devices_together_draw_what_one_device_draws():
    key = jax.random.key(0)
    draw = lambda keys: jax.vmap(lambda k: jax.random.normal(k, (2,)))(keys)
    mapped = jax.pmap(
        lambda _: draw(keys.per_image(key, 2, axis_name='devices')), axis_name='devices'
    )(np.zeros(4))
    assert jnp.array_equal(np.asarray(mapped).reshape(8, 2), draw(keys.per_image(key, 8)))
