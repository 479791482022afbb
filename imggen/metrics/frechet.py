"""Fréchet distance between the Gaussians that share two sets' means and covariances.

Dowson and Landau (1982), as Heusel et al. (2017) use it:

  d^2 = |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))

Features are float32 [n, d]. Everything here is computed in float64 on the host, with the
unbiased covariance (divisor n - 1). The unit is that of a squared feature. If n <= d, a
covariance does not have full rank and the distance is mostly bias; `rank_note` says so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from imggen.errors import UserError

_ROWS_AT_ONCE = 4096
_NUM_SIZES = 15  # Number of sample sizes that `frechet_infinite` fits its line to.
_LARGEST_MIN_SIZE = 5000  # The smallest of these sizes is at most this.


class Moments(NamedTuple):
    """Count, mean and scatter of a set of features, which is all that the distance needs.

    Attributes:
      count: number of feature vectors.
      mean: float64 [d].
      scatter: float64 [d, d], the sum of outer products of deviations from the mean.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> 'Moments':
        """Returns the moments of features [n, d], n >= 1.

        Raises:
          UserError: the array has another shape, or a feature is not finite.
        """
        features = np.asarray(features)
        if features.ndim != 2 or not len(features):
            raise UserError(
                f'Features must be [n, d] with n >= 1, but have shape {features.shape}.'
            )
        total = None
        for first in range(0, len(features), _ROWS_AT_ONCE):
            block = features[first : first + _ROWS_AT_ONCE].astype(np.float64)
            mean = block.mean(axis=0)
            deviations = block - mean
            part = cls(len(block), mean, deviations.T @ deviations)
            total = part if total is None else total.merge(part)
        if not np.isfinite(total.mean).all():
            raise UserError('Features are not finite: the images or the extractor hold NaN.')
        return total

    def merge(self, other: 'Moments') -> 'Moments':
        """Returns the moments of the union of both sets (Chan, Golub and LeVeque, 1979)."""
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        between = np.outer(delta, delta) * (self.count * other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased covariance, float64 [d, d]; raises UserError for fewer than two vectors."""
        if self.count < 2:
            raise UserError('A covariance needs at least 2 images: measure more.')
        return self.scatter / (self.count - 1)


class Extrapolation(NamedTuple):
    """The line d^2(n) = value + slope / n through distances at several sample sizes."""

    value: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def _root(covariance: np.ndarray) -> np.ndarray:
    """Returns F [d, rank] with F F^T = covariance, without the null directions."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])


def _distance(a: Moments, root_a: np.ndarray, b: Moments) -> float:
    # S_a S_b = F F^T S_b has the eigenvalues of the symmetric F^T S_b F. Their square roots
    # are real; those of S_a S_b itself become complex by rounding.
    covariance_b = b.covariance
    values = np.linalg.eigvalsh(root_a.T @ covariance_b @ root_a)
    trace_of_root = np.sqrt(np.maximum(values, 0)).sum()
    delta = a.mean - b.mean
    traces = np.square(root_a).sum() + np.trace(covariance_b)
    return max(0.0, float(delta @ delta + traces - 2 * trace_of_root))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Returns d^2 between two sets. It is symmetric in them up to rounding.

    Raises:
      UserError: the sets have features of different dimensions, or one has a single image.
    """
    if a.mean.shape != b.mean.shape:
        raise UserError(
            f'Features of {a.mean.size} and {b.mean.size} dimensions cannot be compared: '
            'use one extractor for both sets.'
        )
    if a.count > b.count:
        a, b = b, a  # The root of the covariance of few images is thin.
    return _distance(a, _root(a.covariance), b)


def frechet_distance_of_rows(a: np.ndarray, b: np.ndarray) -> float:
    """Returns d^2 between features [n, d] and [m, d] without a d x d matrix.

    With A and B the deviations from the means over sqrt(n - 1) and sqrt(m - 1), S_a is
    A^T A, S_b is B^T B, and tr (S_a S_b)^(1/2) is the sum of the singular values of A B^T.
    That matrix is n x m: cheaper than the eigenvalues of a d x d matrix if n < d.
    """
    means, deviations = [], []
    for features in (a, b):
        features = np.asarray(features, np.float64)
        if len(features) < 2:
            raise UserError('A covariance needs at least 2 images: measure more.')
        means.append(features.mean(axis=0))
        deviations.append((features - means[-1]) / np.sqrt(len(features) - 1))
    trace_of_root = np.linalg.svd(deviations[0] @ deviations[1].T, compute_uv=False).sum()
    traces = sum(np.square(part).sum() for part in deviations)
    delta = means[0] - means[1]
    return max(0.0, float(delta @ delta + traces - 2 * trace_of_root))


def rank_note(count: int, dimension: int) -> str:
    """Returns a sentence if `count`, of the smaller set, is too low for full rank, else ''."""
    if count > dimension:
        return ''
    return (
        f'The Fréchet distance is biased, because {count} images give a covariance of rank '
        f'{count - 1} at most in {dimension} dimensions: compare it at equal counts only.'
    )


def frechet_floor(moments: Moments, count_a: int, count_b: int) -> float:
    """Returns the expected d^2 of two Gaussian samples of one distribution.

    To second order in the sampling error, with eigenvalues l of the covariance,

      E d^2 = (1/n + 1/m) tr S
              + 1/2 (1/(n-1) + 1/(m-1)) (sum_ij l_i l_j / (l_i + l_j) + 1/2 tr S),

    which is about d (d + 5) / (2 n) at n = m and S = I. It holds if n and m are much larger
    than d. Features with heavier tails than a Gaussian have a higher floor; only a comparison
    of real with real images shows it.

    Args:
      moments: the moments of the distribution, from as many images as possible.
      count_a, count_b: sizes n and m of the samples.
    """
    values = np.maximum(np.linalg.eigvalsh(moments.covariance), 0)
    sums = values[:, None] + values[None]
    products = values[:, None] * values[None]
    pairs = np.divide(products, sums, out=np.zeros_like(sums), where=sums > 0).sum()
    trace = values.sum()
    means = (1 / count_a + 1 / count_b) * trace
    covariances = (1 / (count_a - 1) + 1 / (count_b - 1)) * (pairs + trace / 2) / 2
    return float(means + covariances)


def frechet_spread(reference: Moments, groups: Sequence[Moments]) -> float:
    """Returns the standard error of d^2(reference, union of groups) over the generated images.

    It is the delete-one-group jackknife: `groups` are random parts of equal size of the
    generated set, and each is left out once. The reference is held fixed. Near the floor,
    where d^2 is quadratic in the sampling error, the result is somewhat too large.
    """
    root = _root(reference.covariance)
    distances = []
    for left_out in range(len(groups)):
        rest = [group for index, group in enumerate(groups) if index != left_out]
        total = rest[0]
        for group in rest[1:]:
            total = total.merge(group)
        distances.append(_distance(reference, root, total))
    return float(np.sqrt((len(groups) - 1) * np.var(distances)))


def frechet_infinite(key: jax.Array, reference: np.ndarray, generated: np.ndarray) -> Extrapolation:
    """Extrapolates d^2 to infinitely many images (Chong and Forsyth, 2020).

    The bias of d^2 is close to linear in 1/n. At each of 15 sizes from min(5000, n/10) to n,
    random subsets of both sets are compared; the value is the least-squares line in 1/n at 0.
    Both sets shrink together, so that the bias of the reference vanishes too. The value of two
    samples of one distribution scatters around 0 and can be negative.

    `key` draws the subsets, without replacement.

    Raises:
      UserError: a set has fewer than 20 images.
    """
    reference, generated = np.asarray(reference), np.asarray(generated)
    largest = min(len(reference), len(generated))
    smallest = min(_LARGEST_MIN_SIZE, largest // 10)
    if smallest < 2:
        raise UserError(f'Extrapolation needs at least 20 images of each set, not {largest}.')
    sizes = np.linspace(smallest, largest, _NUM_SIZES).astype(int)
    distances = []
    for index, size in enumerate(sizes):
        keys = jax.random.split(jax.random.fold_in(key, index))
        parts = [
            features[np.asarray(jax.random.permutation(subkey, len(features)))[:size]]
            for subkey, features in zip(keys, (reference, generated), strict=True)
        ]
        if size < reference.shape[1]:
            distances.append(frechet_distance_of_rows(*parts))
        else:
            distances.append(frechet_distance(*map(Moments.of, parts)))
    slope, value = np.polyfit(1 / sizes, distances, 1)
    return Extrapolation(float(value), float(slope), tuple(map(int, sizes)), tuple(distances))
