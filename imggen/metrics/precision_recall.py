"""Precision, recall, density and coverage: two sets as unions of balls.

The ball of an image reaches to its k-th nearest neighbor in its own set.
With real images x_i, generated images y_j and open balls B,

  precision  mean_j [y_j in some B_3(x_i)]        recall  mean_i [x_i in some B_3(y_j)]
  density    1/(k m) sum_ij [y_j in B_5(x_i)]     coverage  mean_i [some y_j in B_5(x_i)]

Precision and recall are Kynkäänniemi et al. (2019), k = 3; density and coverage are
Naeem et al. (2020), k = 5. Two samples of one distribution have density 1 and, if they are
equally large, coverage 1 - 2^-k in expectation. Their precision and recall are below 1.

Ties: a point on the border is outside, as in the code of the second paper. `inclusive=True`
puts it inside, as in the code of the first paper. The rules agree for features in general
position, which have no ties.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError
from imggen.metrics.pairwise import (
    centered,
    check_features,
    in_blocks,
    neighbor_distances,
    squared_distances,
    squared_norms,
)

TIES_RULE = 'A point on the border of a ball lies outside (precision, recall, density, coverage).'


class _Counts(NamedTuple):
    reference: int
    generated: int


MIN_IMAGES = _Counts(6, 4)  # One more than the default numbers of neighbors.


class Manifold(NamedTuple):
    """The four metrics and the standard errors of two of them.

    `precision_error` and `density_error` are over the generated images; the real set is held
    fixed. Recall and coverage are not means of independent terms, so they have none.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    precision_error: float
    density_error: float


@functools.partial(jax.jit, static_argnames='inclusive')
def _compare(reference, radii, generated, generated_radii, *, inclusive):
    """Compares each generated with each real image once, a block of generated images at a time.

    Args:
      reference: [n, d].
      radii: squared radii of real balls, [2, n].
      generated: [m, d].
      generated_radii: squared radii of generated balls, [m].
      inclusive: whether a point on the border is inside.

    Returns:
      How many real balls of each kind hold each generated image, int32 [m, 2]; whether a
      generated ball holds each real image, bool [n]; the squared distance of each real image to
      the nearest generated one, [n].
    """
    norms = squared_norms(reference)
    inside = jnp.less_equal if inclusive else jnp.less
    by_point = jax.vmap(lambda point: squared_distances(point, reference, norms))

    def add_block(found, block):
        recalled, nearest = found
        points, own_radii, there = block
        squared = jnp.where(there[:, None], by_point(points), jnp.inf)
        recalled |= jnp.any(inside(squared, own_radii[:, None]), axis=0)
        counts = jnp.sum(inside(squared[:, None], radii[None]), axis=-1)
        return (recalled, jnp.minimum(nearest, jnp.min(squared, axis=0))), counts

    blocks = in_blocks((generated, generated_radii, jnp.ones(len(generated), bool)), len(reference))
    start = jnp.zeros(len(reference), bool), jnp.full(len(reference), jnp.inf)
    (recalled, nearest), counts = jax.lax.scan(add_block, start, blocks)
    return counts.reshape(-1, 2)[: len(generated)], recalled, nearest


def precision_recall(
    reference: np.ndarray,
    generated: np.ndarray,
    *,
    num_neighbors: int = 3,
    num_density_neighbors: int = 5,
    inclusive: bool = False,
) -> Manifold:
    """Compares a generated with a reference set.

    Args:
      reference: float32 [n, d].
      generated: float32 [m, d].
      num_neighbors: k of precision and recall.
      num_density_neighbors: k of density and coverage.
      inclusive: whether a point at exactly the radius lies in a ball.

    Raises:
      UserError: a set does not have more images than neighbors.
    """
    reference, generated = check_features(reference=reference, generated=generated)
    most = max(num_neighbors, num_density_neighbors)
    if len(reference) <= most or len(generated) <= num_neighbors:
        raise UserError(
            f'{len(reference)} reference and {len(generated)} generated images are too few for '
            f'{most} and {num_neighbors} nearest neighbors: measure more images.'
        )
    reference, generated = centered(reference, generated)
    radii = neighbor_distances(reference, num_neighbors=most).T
    radii = radii[jnp.array([num_neighbors - 1, num_density_neighbors - 1])]
    generated_radii = neighbor_distances(generated, num_neighbors=num_neighbors)[:, -1]

    counts, recalled, nearest = _compare(
        reference, radii, generated, generated_radii, inclusive=inclusive
    )
    counts = np.asarray(counts)
    covered = (jnp.less_equal if inclusive else jnp.less)(nearest, radii[1])
    precise = counts[:, 0] > 0
    density = counts[:, 1] / num_density_neighbors
    return Manifold(
        precision=float(precise.mean()),
        recall=float(np.asarray(recalled).mean()),
        density=float(density.mean()),
        coverage=float(np.asarray(covered).mean()),
        precision_error=float(precise.std() / np.sqrt(len(generated))),
        density_error=float(density.std() / np.sqrt(len(generated))),
    )
