"""Keys: how one seed becomes every random number of a run.

A run has one seed. `stream` gives each user of randomness (initial parameters,
steps, data, samples) a key of its own; a step's key is `fold_in(key, step)`; an
image's key is `fold_in(key, index)`. No key is ever stored.
"""

import jax
import jax.numpy as jnp

_STREAMS = {'init': 0, 'loop': 1, 'data': 2, 'sample': 3, 'measure': 4}


def stream(seed: int, name: str) -> jax.Array:
    """Returns the key of one user of randomness: init, loop, data, sample or measure."""
    return jax.random.fold_in(jax.random.key(seed), _STREAMS[name])


def per_image(
    key: jax.Array, count: int, *, axis_name: str | None = None, first: int = 0
) -> jax.Array:
    """Returns one key an image: [count].

    Image i gets `fold_in(key, i)`, whatever the batch it travels in. Under pmap
    each device numbers its images after those of the devices before it, so that
    the devices together draw what one device would.
    """
    if axis_name is not None:
        first = first + jax.lax.axis_index(axis_name) * count
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(first + jnp.arange(count))
