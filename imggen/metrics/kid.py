"""Kernel distance (KID): squared maximum mean discrepancy with a cubic kernel.

Bińkowski et al. (2018): k(x, y) = (x.y / d + 1)^3 and, without bias,

  KID = sum_{i!=j} k(x_i, x_j) / (m (m-1)) + sum_{i!=j} k(y_i, y_j) / (n (n-1))
        - 2 sum_ij k(x_i, y_j) / (m n).

`kid` is that sum over the full sets, with its standard error. Negative values are valid: two
samples of one distribution scatter around 0. `kid_subsets` is the mean over random subsets
that papers report. Its standard deviation describes sets of a thousand images; it is not an
error bar of the full estimate.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import devices
from imggen.errors import UserError
from imggen.metrics.pairwise import check_features, in_blocks


class Kid(NamedTuple):
    """The unbiased estimate and its standard error over draws of both sets."""

    value: float
    standard_error: float


class KidSubsets(NamedTuple):
    """Mean and standard deviation over random subsets, comparable with published values."""

    mean: float
    deviation: float


def _kernel(x, y):
    """Returns k - 1 of all pairs of x [n, d] and y [m, d]: [n, m].

    A constant cancels in the distance. Without it the sums and their rounding errors are
    smaller, and a row of zeros has the kernel 0 with every other row.
    """
    products = jnp.matmul(x, y.T, precision=jax.lax.Precision.HIGHEST) / x.shape[1]
    return products * (3 + products * (3 + products))


@jax.jit
def _kernel_sums(x, y):
    """Returns sums over rows [n], over columns [m] and of squares [n] of k - 1."""

    def add_block(column_sums, rows):
        kernel = _kernel(rows, y)
        sums = jnp.sum(kernel, axis=1), jnp.sum(jnp.square(kernel), axis=1)
        return column_sums + jnp.sum(kernel, axis=0), sums

    # Rows of zeros fill the last block and add nothing.
    blocks = in_blocks(x, len(y))
    column_sums, (row_sums, squares) = jax.lax.scan(add_block, jnp.zeros(len(y)), blocks)
    return row_sums.ravel()[: len(x)], column_sums, squares.ravel()[: len(x)]


def _within(x):
    """Returns means over pairs within a set, float64: of the kernel by row [n], of its square."""
    row_sums, _, squares = (np.asarray(sums, np.float64) for sums in _kernel_sums(x, x))
    norms = np.square(x, dtype=np.float64).mean(axis=1)
    diagonal = norms * (3 + norms * (3 + norms))
    others = len(x) - 1
    return (row_sums - diagonal) / others, (squares - diagonal**2).mean() / others


def kid(reference: np.ndarray, generated: np.ndarray) -> Kid:
    """Returns the distance of two full sets, [m, d] and [n, d], with its standard error.

    The estimate's variance follows from its decomposition into uncorrelated parts
    (Hoeffding, 1948). Let f(x) = E k(x, X') - E k(x, Y), f likewise for y, and g
    the kernel with the means of its rows and columns taken out. Then

      Var = 4 Var f(x) / m + 4 Var f(y) / n
            + 2 E g_xx^2 / (m (m-1)) + 2 E g_yy^2 / (n (n-1)) + 4 E g_xy^2 / (m n).

    The first line dominates far from the reference. Near it the first line vanishes and the
    second dominates. Each expectation is estimated over all pairs, and the share of g in the
    observed variance of f is subtracted; a negative rest is set to 0. So near the floor the
    error is up to a quarter too large, and never too small.

    Raises:
      UserError: a set has fewer than two images, or the sets differ in d.
    """
    x, y = check_features(reference=reference, generated=generated)
    m, n = len(x), len(y)
    if min(m, n) < 2:
        raise UserError(f'KID needs at least 2 images of each set, not {m} and {n}.')
    rows_xx, square_xx = _within(x)
    rows_yy, square_yy = _within(y)
    rows_xy, rows_yx, square_xy = (np.asarray(sums, np.float64) for sums in _kernel_sums(x, y))
    rows_xy, rows_yx, square_xy = rows_xy / n, rows_yx / m, square_xy.mean() / n
    value = rows_xx.mean() + rows_yy.mean() - 2 * rows_xy.mean()

    def doubly_centered(square, rows, columns):
        return max(0.0, square - np.square(rows).mean() - columns.var())

    g_xx = doubly_centered(square_xx, rows_xx, rows_xx)
    g_yy = doubly_centered(square_yy, rows_yy, rows_yy)
    g_xy = doubly_centered(square_xy, rows_xy, rows_yx)
    f_x = max(0.0, np.var(rows_xx - rows_xy, ddof=1) - g_xx / (m - 1) - g_xy / n)
    f_y = max(0.0, np.var(rows_yy - rows_yx, ddof=1) - g_yy / (n - 1) - g_xy / m)
    variance = 4 * f_x / m + 4 * f_y / n
    variance += 2 * g_xx / (m * (m - 1)) + 2 * g_yy / (n * (n - 1)) + 4 * g_xy / (m * n)
    return Kid(float(value), float(np.sqrt(variance)))


def _draw_subsets(key, *, num_subsets, subset_size, num_images):
    """Draws subsets of range(num_images) without replacement: int [num_subsets, subset_size]."""
    # The images with the smallest numbers. XLA would sort all of them, slowly on a CPU.
    numbers = np.asarray(jax.random.bits(key, (num_subsets, num_images)))
    return np.argpartition(numbers, subset_size - 1, axis=1)[:, :subset_size]


@functools.cache
def _compiled_subset_distances():
    # On a CPU, XLA's default fusion of a product with its sum takes a third longer.
    return jax.jit(
        _subset_distances, compiler_options=devices.compiler_options(devices.make_mesh())
    )


def _sum_over_pairs(x):
    """Returns the sum of k - 1 over all pairs of two different rows of x [n, d].

    The kernel is symmetric, so that halves of x need to meet only once: with blocks of 250 rows,
    a thousand rows take 5/8 of all products.
    """
    half, odd = divmod(len(x), 2)
    if odd or half < 250:
        kernel = _kernel(x, x)
        return jnp.sum(kernel) - jnp.trace(kernel)
    a, b = x[:half], x[half:]
    return _sum_over_pairs(a) + _sum_over_pairs(b) + 2 * jnp.sum(_kernel(a, b))


def _subset_distances(x, y, x_indices, y_indices):
    subset_size = x_indices.shape[1]

    def one(indices):
        a, b = x[indices[0]], y[indices[1]]
        within = _sum_over_pairs(a) + _sum_over_pairs(b)
        return within / (subset_size * (subset_size - 1)) - 2 * jnp.mean(_kernel(a, b))

    return jax.lax.map(one, (x_indices, y_indices))


def kid_subsets(
    key: jax.Array,
    reference: np.ndarray,
    generated: np.ndarray,
    *,
    num_subsets: int = 100,
    subset_size: int = 1000,
) -> KidSubsets:
    """Returns the mean and standard deviation over random subsets drawn without replacement.

    Args:
      key: draws the subsets.
      reference: float32 [m, d].
      generated: float32 [n, d].
      num_subsets: number of subsets of each set.
      subset_size: number of images in a subset.

    Raises:
      UserError: a set has fewer images than `subset_size`.
    """
    x, y = check_features(reference=reference, generated=generated)
    if min(len(x), len(y)) < subset_size:
        raise UserError(
            f'KID subsets of {subset_size} images need as many of each set, not {len(x)} and '
            f'{len(y)}: lower subset_size.'
        )
    x_indices, y_indices = (
        _draw_subsets(
            set_key, num_subsets=num_subsets, subset_size=subset_size, num_images=len(features)
        )
        for set_key, features in zip(jax.random.split(key), (x, y), strict=True)
    )
    distances = _compiled_subset_distances()(x, y, x_indices, y_indices)
    distances = np.asarray(distances, np.float64)
    return KidSubsets(float(distances.mean()), float(distances.std()))
