"""Sliced Wasserstein distance of features, in the scaling that is called MIND.

Between two sets in d dimensions, over random unit directions t,

  MIND = 3 d E_t W2^2(t.X, t.Y),    W2^2(x, y) = integral (F_x^-1(u) - F_y^-1(u))^2 du,

which for shifted copies of one distribution is 3 |shift|^2. Unlike the Fréchet
distance it sees more than two moments; in one dimension W2 is a matter of sorting.
"""

import functools

import jax
import jax.numpy as jnp

from imggen.metrics.pairwise import centerd, check_features


def mind(key: jax.Array, reference, generated, *, num_directions: int = 1024) -> float:
    """Returns the distance; 0 for equal sets, symmetric, in units of a squared feature.

    Args:
      key: of the directions.
      reference: float32 [n, d].
      generated: float32 [m, d].
      num_directions: how many are averaged.
    """
    sets = check_features(reference=reference, generated=generated)
    reference, generated = map(jnp.asarray, centerd(*sets))
    return float(_mind(key, reference, generated, num_directions=num_directions))


@functools.partial(jax.jit, static_argnames='num_directions')
def _mind(key, reference, generated, *, num_directions):
    dimension = reference.shape[1]
    quantiles = (jnp.arange(max(len(reference), len(generated))) + 0.5) / max(
        len(reference), len(generated)
    )

    def squared_distance(key):
        direction = jax.random.normal(key, (dimension,))
        direction /= jnp.linalg.norm(direction)
        ranked = [jnp.sort(features @ direction) for features in (reference, generated)]
        # The inverse distribution function of n points is a staircase of n steps.
        first, second = (
            values[jnp.minimum((quantiles * len(values)).astype(int), len(values) - 1)]
            for values in ranked
        )
        return jnp.mean(jnp.square(first - second))

    squared = jax.lax.map(squared_distance, jax.random.split(key, num_directions), batch_size=16)
    return 3.0 * dimension * jnp.mean(squared)
