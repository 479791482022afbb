"""A threshold on energies of pictures set aside, from a histogram that a compiled step can keep.

Bins are even in the logarithm of the energy, 2 % wide, from 1e-6 to 1e3; what lies
outside counts into the first or last. Counts of several devices or steps add up.
"""

import jax
import jax.numpy as jnp
import numpy as np

NUM_BINS = 1024
HELD_OUT_SHARE = 0.1
_EDGES = np.geomspace(1e-6, 1e3, NUM_BINS + 1).astype(np.float32)


def held_out(images: jax.Array) -> jax.Array:
    """Says which pictures [n, height, width, channels] in [-1, 1] are set aside: [n].

    1.0 for one in ten, told by the sum of its values in uint8: the same pictures at
    every step, wherever they come from, and mirrored ones with them.
    """
    values = jnp.round((images + 1.0) * 127.5).astype(jnp.int32)
    return (jnp.sum(values, axis=(1, 2, 3)) % 10 == 0).astype(jnp.float32)


def count(energies: jax.Array, weights: jax.Array) -> jax.Array:
    """Returns the histogram of energies [n], each counting its weight [n]: [NUM_BINS]."""
    bins = jnp.clip(jnp.searchsorted(_EDGES, energies, side='left') - 1, 0, NUM_BINS - 1)
    return jnp.zeros(NUM_BINS).at[bins].add(weights)


def threshold(counts: jax.Array, false_reject_rate: float) -> jax.Array:
    """Returns the least edge that at most `false_reject_rate` of the counts lie above: scalar.

    1 - rate of them pass. Without counts it is the smallest edge, which passes nothing.
    """
    passed = jnp.cumsum(counts) / jnp.maximum(jnp.sum(counts), 1e-12)
    enough = passed >= 1.0 - false_reject_rate - 1e-6
    return jnp.asarray(_EDGES)[jnp.where(jnp.any(enough), jnp.argmax(enough) + 1, 0)]
