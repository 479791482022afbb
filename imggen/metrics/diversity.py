"""Diversity: how far generated images are from each other, and how many images they resemble.

Compare both numbers with those of as many real images.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError
from imggen.metrics.pairwise import (
    centered,
    check_features,
    nearest,
    over_rows,
    squared_distances,
    squared_norms,
)


def mean_pairwise_distance(features: np.ndarray) -> float:
    """Returns the mean Euclidean distance over all pairs of different rows [n, d], n >= 2."""
    (features,) = centered(*check_features(generated=features))
    count = len(features)
    if count < 2:
        raise UserError('A pairwise distance needs at least 2 images.')
    sums = np.asarray(_summed_distances(features), np.float64)
    return float(sums.sum() / (count * (count - 1)))


def distinct_nearest(generated: np.ndarray, training: np.ndarray) -> float:
    """Returns the share of generated rows [n, d] that are alone in their nearest training row.

    The nearest of the training rows [m, d] is shared if it is that of another generated row, too.
    """
    _, indices = nearest(generated, training)
    _, sizes = np.unique(indices, return_counts=True)
    return float(np.count_nonzero(sizes == 1) / len(indices))


@jax.jit
def _summed_distances(features):
    norms = squared_norms(features)

    def one(index, row):
        squared = squared_distances(row, features, norms)
        # The distance of a row to itself is 0 up to rounding. Leave the rounding out.
        return jnp.sum(jnp.where(jnp.arange(len(features)) == index, 0, jnp.sqrt(squared)))

    return over_rows(one, features, len(features))
