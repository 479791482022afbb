"""Realism: how well one image fits among real ones (Kynkäänniemi et al. 2019, section 5).

The ball of a real image x_i reaches to its k-th nearest neighbor among the real images, at the
distance r_i. Of the half of the balls with the smaller radii,

  realism(y) = max_i r_i / |y - x_i|,

which is at least 1 if y lies in one of them. Large balls are of real images that have no company;
they would let anything pass.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError
from imggen.metrics.pairwise import (
    check_features,
    neighbor_distances,
    over_rows,
    squared_distances,
    squared_norms,
)

_SMALLEST = 1e-12  # Of a squared distance.


class Balls(NamedTuple):
    """Balls of real images.

    Attributes:
      mean: float32 [d], the mean of all real images, which centers lie around.
      centers: float32 [n, d].
      squared_radii: float32 [n].
    """

    mean: np.ndarray
    centers: jax.Array
    squared_radii: jax.Array


def balls(real: np.ndarray, *, num_neighbors: int = 3) -> Balls:
    """Returns the smaller half of the balls of real images, by their features [n, d].

    Equal images count once: they are no company for each other.

    Raises:
      UserError: there are not more images than neighbors.
    """
    (real,) = check_features(real=real)
    real = np.unique(real, axis=0)
    if len(real) <= num_neighbors:
        raise UserError(
            f'{len(real)} different real images are too few for {num_neighbors} nearest neighbors: '
            'add pictures, or do not choose samples by them.'
        )
    mean = real.mean(axis=0, dtype=np.float64).astype(np.float32)
    centers = jnp.asarray(real - mean)
    squared_radii = neighbor_distances(centers, num_neighbors=num_neighbors)[:, -1]
    (kept,) = jnp.nonzero(squared_radii <= jnp.median(squared_radii))
    return Balls(mean, centers[kept], squared_radii[kept])


def realism(of: Balls, generated: np.ndarray) -> np.ndarray:
    """Returns the realism float32 [m] of generated images, by their features [m, d]."""
    generated, _ = check_features(generated=generated, real=of.mean[None])
    return np.asarray(_realism(of.centers, of.squared_radii, generated - of.mean))


@jax.jit
def _realism(centers, squared_radii, generated):
    norms = squared_norms(centers)

    def one(_, row):
        squared = squared_distances(row, centers, norms)
        return jnp.sqrt(jnp.max(squared_radii / jnp.maximum(squared, _SMALLEST)))

    return over_rows(one, generated, len(centers))
