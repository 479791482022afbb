"""Precision and recall of distributions, as a curve (Sajjadi et al., 2018).

For shares p of the reference and q of the generated images over the same classes or
clusters, and every slope l > 0,

  precision(l) = sum_i min(l p_i, q_i)        recall(l) = sum_i min(p_i, q_i / l)

A generator of few classes keeps its precision and loses recall, one of garbage
the other way round. Two numbers of the curve: the largest F_8, which weighs
recall, and the largest F_1/8, which weighs precision.
"""

from typing import NamedTuple

import numpy as np

from imggen.errors import UserError


class Curve(NamedTuple):
    """Precision and recall, float64 [num_angles] each, at slopes of equal angles."""

    precision: np.ndarray
    recall: np.ndarray

    def f_score(self, beta: float) -> float:
        """Returns max (1 + beta^2) precision recall / (beta^2 precision + recall)."""
        weighted = beta**2 * self.precision + self.recall
        product = (1 + beta**2) * self.precision * self.recall
        return float(np.max(np.divide(product, weighted, where=weighted > 0, out=0 * weighted)))


def prd(reference, generated, *, num_angles: int = 1001) -> Curve:
    """Returns the curve of two histograms.

    Args:
      reference: counts or shares [k] of real images by class or cluster.
      generated: the same of generated images.
      num_angles: slopes, at equal angles strictly between 0 and 90 degrees.

    Raises:
      UserError: histograms that differ in length, are negative or empty.
    """
    shares = []
    for name, counts in {'reference': reference, 'generated': generated}.items():
        counts = np.asarray(counts, np.float64)
        if counts.ndim != 1 or not counts.size or counts.min() < 0 or not counts.sum() > 0:
            raise UserError(f'The {name} histogram must hold counts [k] that are not all zero.')
        shares.append(counts / counts.sum())
    p, q = shares
    if p.shape != q.shape:
        raise UserError(f'The histograms have {p.size} and {q.size} bins: count in the same ones.')
    margin = 1e-10
    slopes = np.tan(np.linspace(margin, np.pi / 2 - margin, num_angles))[:, None]
    precision = np.minimum(slopes * p[None], q[None]).sum(axis=1)
    # Rounding may exceed 1 by a few ulp.
    return Curve(np.minimum(precision, 1.0), np.minimum(precision / slopes[:, 0], 1.0))
