"""Diversity: how far generated images are from each other, and how many images they resemble.

Both figures mean something beside those of as many real images.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError
from imggen.metrics.pairwise import (
    centerd,
    check_features,
    nearest,
    over_rows,
    squared_distances,
    squared_norms,
)


@jax.jit
def _summed_distances(features):
    norms = squared_norms(features)

    def one(index, row):
        squared = squared_distances(row, features, norms)
        # A vector's distance to itself is 0 up to rounding; leave the rounding out.
        return jnp.sum(jnp.where(jnp.arange(len(features)) == index, 0, jnp.sqrt(squared)))

    return over_rows(one, features, len(features))


def mean_pairwise_distance(features) -> float:
    """Returns the mean Euclidean distance over all pairs of different images of [n, d], n >= 2."""
    (features,) = centerd(*check_features(generated=features))
    count = len(features)
    if count < 2:
        raise UserError('A pairwise distance needs at least 2 images.')
    sums = np.asarray(_summed_distances(features), np.float64)
    return float(sums.sum() / (count * (count - 1)))


def distinct_nearest(generated, training) -> int:
    """Returns how many images of training [m, d] are nearest to some image of generated [n, d]."""
    _, indices = nearest(generated, training)
    return len(np.unique(indices))
