"""Random keys: how one seed determines every random number of a run.

A run has one seed. `stream` derives one key for each purpose (initial parameters, steps, data,
samples). The key of a step is `fold_in(key, step)`, and the key of an image is
`fold_in(key, index)`. No key is ever stored.
"""

import jax
import jax.numpy as jnp

from imggen.errors import UserError

_STREAMS = {'init': 0, 'loop': 1, 'data': 2, 'sample': 3, 'measure': 4, 'restart': 5}


def stream(seed: int, name: str) -> jax.Array:
    """Returns the key for one purpose: 'init', 'loop', 'data', 'sample', 'measure' or 'restart'.

    Raises:
      UserError: the seed is not a whole number of 64 bits.
    """
    try:
        key = jax.random.key(seed)
    except (OverflowError, TypeError):
        raise UserError(
            f'the seed {seed!r} is not a whole number of 64 bits, with sign: give another --seed '
            'or config.seed.'
        ) from None
    return jax.random.fold_in(key, _STREAMS[name])


def per_image(
    key: jax.Array, count: int, *, axis_name: str | None = None, first: int = 0
) -> jax.Array:
    """Returns one key per image: [count].

    Image i gets `fold_in(key, i)`, whatever the size of its batch. Under pmap each device
    numbers its images after those of the devices before it, so all devices together draw the
    same numbers as a single device.

    Args:
      key: the key of a step, or of a set of samples.
      count: number of images; under pmap, on this device.
      axis_name: the pmap axis that the batch is spread over; None under jit.
      first: index of the first image.
    """
    if axis_name is not None:
        first = first + jax.lax.axis_index(axis_name) * count
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(first + jnp.arange(count))
