"""How decoded images become an input and a target, within the compiled step.

Images are float32 [n, height, width, channels] in [-1, 1], whole 8-bit levels, and already
augmented. All functions but `another` return a `Pairing.pair`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from imggen import images, keys
from imggen.data.pairs import degradation

Pair = Callable[[jax.Array, jax.Array], dict[str, jax.Array]]
Partner = Callable[[jax.Array, jax.Array], jax.Array]


def same() -> Pair:
    """Makes each image both sides, for an autoencoder."""
    return lambda key, pictures: {'input': pictures, 'target': pictures}


def sides(input_channels: int, *, swap: bool = False) -> Pair:
    """Splits images that hold both sides along the channels.

    Args:
      input_channels: number of channels before those of the target.
      swap: whether the sides change places.
    """

    def pair(key, pictures):
        del key
        first, second = pictures[..., :input_channels], pictures[..., input_channels:]
        if swap:
            first, second = second, first
        return {'input': first, 'target': second}

    return pair


def noise() -> Pair:
    """Makes inputs of uniform 8-bit noise in the shape of the targets, one key for each image."""

    def pair(key, pictures):
        draw = lambda key: jax.random.randint(key, pictures.shape[1:], 0, 256)
        values = jax.vmap(draw)(keys.per_image(key, len(pictures)))
        return {'input': images.from_uint8(values), 'target': pictures}

    return pair


def downscale(scale: int, *, degrade: bool = False) -> Pair:
    """Makes inputs that are small copies of the targets; see `images.downscale`.

    With `degrade` they are blurred, noisy and compressed, too; see `degradation.degrade`.
    """

    def pair(key, pictures):
        if degrade:
            return {'input': degradation.degrade(key, pictures, scale), 'target': pictures}
        return {'input': images.downscale(pictures, scale), 'target': pictures}

    return pair


def another(numbers: np.ndarray) -> Partner:
    """Returns a `Pairing.partner` that draws uniformly from the other images of a subset.

    Args:
      numbers: int32 [n], the subset of each image; every subset holds two images or more.
    """
    members = np.argsort(numbers, kind='stable').astype(np.int32)
    counts = np.bincount(numbers).astype(np.int32)
    starts = (np.cumsum(counts) - counts).astype(np.int32)
    places = np.empty_like(members)
    places[members] = np.arange(len(members), dtype=np.int32) - starts[numbers[members]]

    def partner(key, rows):
        subset = jnp.asarray(numbers)[rows]
        count = jnp.asarray(counts)[subset]
        step = jax.vmap(lambda key, count: jax.random.randint(key, (), 1, count))(
            keys.per_image(key, len(rows)), count
        )
        place = (jnp.asarray(places)[rows] + step) % count
        return jnp.asarray(members)[jnp.asarray(starts)[subset] + place]

    return partner
