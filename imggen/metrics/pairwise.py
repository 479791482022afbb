"""Distances of all pairs of features of two sets, a few million at a time, on the device.

Metrics over pairs (KID, precision and recall, copying, diversity) compute n x m numbers but
keep only a few of each row. `over_rows` maps a function over rows in bounded memory: it
compares one block of rows with all columns and never holds the whole matrix.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError

_PAIRS_AT_ONCE = 2**22  # 16 MiB of float32.


def check_features(**named: np.ndarray) -> list[np.ndarray]:
    """Returns every named set as float32 [n, d].

    Raises:
      UserError: the sets differ in d, one is empty, or a value is not finite.
    """
    checked = []
    for name, features in named.items():
        features = np.asarray(features, np.float32)
        if features.ndim != 2 or not len(features):
            raise UserError(
                f'The {name} features must be [n, d] with n >= 1, not {features.shape}.'
            )
        if features.shape[1] != (dimension := (checked or [features])[0].shape[1]):
            raise UserError(
                f'The {name} features have {features.shape[1]} dimensions and the others '
                f'{dimension}: use one extractor for all sets.'
            )
        if not np.isfinite(features).all():
            raise UserError(f'The {name} features are not finite: check the images for NaN.')
        checked.append(features)
    return checked


def centered(*sets: np.ndarray) -> list[np.ndarray]:
    """Subtracts the mean of the first set from every set [n, d].

    It keeps the distances and makes their rounding errors smaller.
    """
    mean = sets[0].mean(axis=0, dtype=np.float64).astype(np.float32)
    return [features - mean for features in sets]


def over_rows(function: Callable, rows: jax.Array, num_columns: int):
    """Maps a function over rows in blocks that fit into the memory.

    Args:
      function: (index, row [d]) -> pytree. It may use a few arrays of `num_columns` numbers.
      rows: [n, d].
      num_columns: how many numbers one row needs.

    Returns:
      The pytrees, stacked: every leaf leads with n.
    """
    block = max(1, min(len(rows), _PAIRS_AT_ONCE // num_columns))
    return jax.lax.map(
        lambda pair: function(*pair), (jnp.arange(len(rows)), rows), batch_size=block
    )


def in_blocks(rows, num_columns: int):
    """Cuts a pytree of arrays [n, ...] into blocks that fit into the memory: [blocks, block, ...].

    Zeros fill the last block.
    """
    count = len(jax.tree.leaves(rows)[0])
    block = max(1, min(count, _PAIRS_AT_ONCE // num_columns))

    def cut(array):
        padding = [(0, -count % block)] + [(0, 0)] * (array.ndim - 1)
        return jnp.pad(array, padding).reshape(-1, block, *array.shape[1:])

    return jax.tree.map(cut, rows)


def squared_distances(row: jax.Array, columns: jax.Array, squared_norms: jax.Array) -> jax.Array:
    """Returns |row - column|^2 [m] of one row [d] and columns [m, d] with squared norms [m].

    Over a block of rows, |x|^2 + |y|^2 - 2 x.y is a matrix product. By default accelerators
    round its factors to fewer bits; the highest precision keeps float32.
    """
    products = jnp.dot(columns, row, precision=jax.lax.Precision.HIGHEST)
    return jnp.maximum(squared_norms + jnp.sum(row * row) - 2 * products, 0)


def squared_norms(features: jax.Array) -> jax.Array:
    """Returns |x|^2 [n] of features [n, d]."""
    return jnp.sum(features * features, axis=1)


@functools.partial(jax.jit, static_argnames='num_neighbors')
def neighbor_distances(features: jax.Array, *, num_neighbors: int) -> jax.Array:
    """Returns squared distances to the nearest other vectors of a set [n, d], n > num_neighbors.

    They are float32 [n, num_neighbors], in ascending order. A vector is not a neighbor of itself.
    An equal vector is.
    """
    norms = squared_norms(features)

    def smallest(index, row):
        squared = squared_distances(row, features, norms)
        squared = jnp.where(jnp.arange(len(features)) == index, jnp.inf, squared)
        # Each round reads the row once. On a CPU that is twenty times faster than top_k. A
        # distance that occurs twice counts twice.
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
        # Take the difference itself, so that the distance of a copy is exactly 0.
        return jnp.sqrt(jnp.sum(jnp.square(row - references[index]))), index

    return over_rows(one, queries, len(references))


def nearest(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest reference [m, d] of every query [n, d].

    Returns:
      Euclidean distances float32 [n] and indices into `references` int32 [n].
    """
    references, queries = check_features(reference=references, query=queries)
    distances, indices = _nearest(*centered(references, queries)[::-1])
    return np.asarray(distances), np.asarray(indices)
