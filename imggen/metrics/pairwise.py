"""All pairs of two sets of features, a few million at a time, on the device.

Measures over pairs (KID, manifolds, copying, diversity) need n x m numbers, but
only a few of each row. `over_rows` maps a function over rows and bounds the memory:
one block of rows against all columns, never the whole matrix.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError

_PAIRS_AT_ONCE = 2**22  # 16 MiB of float32.


def check_features(**named) -> list[np.ndarray]:
    """Returns every set as float32 [n, d]; UserError if shapes differ or a value is not finite."""
    checked = []
    for name, features in named.items():
        features = np.asarray(features, np.float32)
        if features.ndim != 2 or not len(features):
            raise UserError(
                f'The {name} features must be [n, d] with n >= 1, not {features.shape}.'
            )
        if features.shape[1] != (dimension := (checked or [features])[0].shape[1]):
            raise UserError(
                f'The {name} features have {features.shape[1]} dimensions where the others have '
                f'{dimension}: use one extractor for all sets.'
            )
        if not np.isfinite(features).all():
            raise UserError(f'The {name} features are not finite: look at the images for NaN.')
        checked.append(features)
    return checked


def centerd(*sets: np.ndarray) -> list[np.ndarray]:
    """Subtracts the first set's mean from every set [n, d]: distances stay, rounding shrinks."""
    mean = sets[0].mean(axis=0, dtype=np.float64).astype(np.float32)
    return [features - mean for features in sets]


def over_rows(function: Callable, rows: jax.Array, num_columns: int):
    """Maps (index, row [d]) -> pytree over rows [n, d], in blocks; results lead with n.

    Args:
      function: makes up to a few arrays of `num_columns` numbers a row.
      rows: [n, d].
      num_columns: what one row costs.
    """
    block = max(1, min(len(rows), _PAIRS_AT_ONCE // num_columns))
    return jax.lax.map(
        lambda pair: function(*pair), (jnp.arange(len(rows)), rows), batch_size=block
    )


def squared_distances(row: jax.Array, columns: jax.Array, squared_norms: jax.Array) -> jax.Array:
    """Returns |row - column|^2 [m] of one row [d] and columns [m, d] with squared norms [m].

    |x|^2 + |y|^2 - 2 x.y is a matrix product over a block of rows. Accelerators
    would round its factors to fewer bits; the highest precision asks for float32.
    """
    products = jnp.dot(columns, row, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(squared_norms + jnp.sum(row * row) - 2 * products, 0)


def squared_norms(features: jax.Array) -> jax.Array:
    """Returns |x|^2 [n] of features [n, d]."""
    return jnp.sum(features * features, axis=1)


@functools.partial(jax.jit, static_argnames='num_neighbors')
def neighbor_distances(features: jax.Array, *, num_neighbors: int) -> jax.Array:
    """Returns squared distances to the nearest others of the set: [n, num_neighbors], rising.

    Features are [n, d] with n > num_neighbors; a vector is no neighbor of itself,
    an equal one is.
    """
    norms = squared_norms(features)

    def smallest(index, row):
        squared = squared_distances(row, features, norms)
        squared = jnp.where(jnp.arange(len(features)) == index, jnp.inf, squared)
        # Each round reads the row once, which on a CPU is twenty times faster than
        # top_k. A distance that occurs twice counts twice.
        found = [jnp.min(squared)]
        for rank in range(2, num_neighbors + 1):
            not_above = jnp.sum(squared <= found[-1])
            next_larger = jnp.min(jnp.where(squared > found[-1], squared, jnp.inf))
            found.append(jnp.where(not_above >= rank, found[-1], next_larger))
        return jnp.stack(found)

    return over_rows(smallest, features, len(features))


@jax.jit
def _nearest(queries, references):
    norms = squared_norms(references)

    def one(_, row):
        index = jnp.argmin(squared_distances(row, references, norms))
        # The difference itself, so that a copy is at distance 0 exactly.
        return jnp.sqrt(jnp.sum(jnp.square(row - references[index]))), index

    return over_rows(one, queries, len(references))


def nearest(queries, references) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest reference of every query.

    Args:
      queries: float32 [n, d].
      references: float32 [m, d].

    Returns:
      Euclidean distances float32 [n] and indices into `references` int32 [n].
    """
    references, queries = check_features(reference=references, query=queries)
    distances, indices = _nearest(*centerd(references, queries)[::-1])
    return np.asarray(distances), np.asarray(indices)
