"""A threshold on energies, from a histogram that a compiled step can accumulate.

The bins are evenly spaced in the logarithm of the energy: each is 2 % wide, from 1e-6 to 1e3.
Energies outside this range count in the first or the last bin. Histograms of several devices
or steps can be added.
"""

import jax
import jax.numpy as jnp
import numpy as np

NUM_BINS = 1024
HELD_OUT_SHARE = 0.1
_EDGES = np.geomspace(1e-6, 1e3, NUM_BINS + 1).astype(np.float32)


def held_out(images: jax.Array) -> jax.Array:
    """Returns 1.0 for each image that is held out, otherwise 0.0: float32 [n].

    One image in ten is held out. The sum of its uint8 values decides, so that an image gets
    the same answer at every step and on every device, and so does its mirror image.

    Args:
      images: float32 [n, height, width, channels] in [-1, 1].
    """
    values = jnp.round((images + 1.0) * 127.5).astype(jnp.int32)
    return (jnp.sum(values, axis=(1, 2, 3)) % 10 == 0).astype(jnp.float32)


def count(energies: jax.Array, weights: jax.Array) -> jax.Array:
    """Returns the histogram of energies [n] with weights [n]: float32 [NUM_BINS]."""
    bins = jnp.clip(jnp.searchsorted(_EDGES, energies, side='left') - 1, 0, NUM_BINS - 1)
    return jnp.zeros(NUM_BINS).at[bins].add(weights)


def threshold(counts: jax.Array, false_reject_rate: float) -> jax.Array:
    """Returns the smallest bin edge that at most `false_reject_rate` of the counts exceed.

    `counts` is a histogram [NUM_BINS], and `false_reject_rate` is in [0, 1). An empty histogram
    gives the smallest edge, which accepts nothing.
    """
    passed = jnp.cumsum(counts) / jnp.maximum(jnp.sum(counts), 1e-12)
    enough = passed >= 1.0 - false_reject_rate - 1e-6
    return jnp.asarray(_EDGES)[jnp.where(jnp.any(enough), jnp.argmax(enough) + 1, 0)]
