"""Measures by class: the class score, histograms of classes, modes of stacked digits.

All are float64 on the host from logits [n, classes] or class numbers [n]. Every
divergence is in nats.
"""

from typing import NamedTuple

import numpy as np

from imggen.errors import UserError


class ClassScore(NamedTuple):
    """The class score and its standard error over images."""

    value: float
    standard_error: float


class Modes(NamedTuple):
    """How evenly a generator reaches the modes of a distribution.

    Attributes:
      reached: modes with at least one image.
      total: modes there are.
      kl_uniform: KL(generated || uniform).
      kl_reference: KL(generated || reference); infinite where an image lies in a
        mode that the reference lacks, None without a reference.
      kl_floor: the expected KL of a perfect sampler of the same count.
    """

    reached: int
    total: int
    kl_uniform: float
    kl_reference: float | None
    kl_floor: float


def class_score(logits) -> ClassScore:
    """Returns exp mean_i KL(p(y | x_i) || p(y)), between 1 and the number of classes.

    Salimans et al. (2016) call it the Inception score where the classifier is
    Inception. It is computed over the whole set, not over ten parts. The standard
    error is that of the mean of the divergences: an error in p(y), which
    minimizes that mean, enters only at second order.

    Args:
      logits: [n, classes], n >= 2.
    """
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or len(logits) < 2:
        raise UserError(f'The class score needs logits [n, classes], n >= 2, not {logits.shape}.')
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    p = np.exp(log_p)
    # A class that underflows for all images has p(y) = 0 and adds nothing.
    log_marginal = np.log(np.maximum(p.mean(axis=0), np.finfo(np.float64).tiny))
    divergences = np.sum(p * (log_p - log_marginal[None]), axis=1)
    value = np.exp(divergences.mean())
    error = value * divergences.std(ddof=1) / np.sqrt(len(logits))
    return ClassScore(float(value), float(error))


def class_counts(classes, num_classes: int) -> np.ndarray:
    """Counts class numbers [n] in [0, num_classes): int64 [num_classes]."""
    return np.bincount(np.asarray(classes).ravel(), minlength=num_classes)


def histogram_kl(counts, *, reference=None) -> float:
    """Returns KL(q || p) of two histograms [classes]; p is uniform without a reference.

    Infinite where q has an image of a class that p lacks.
    """
    counts = np.asarray(counts, np.float64)
    reference = np.ones_like(counts) if reference is None else np.asarray(reference)
    q, p = counts / counts.sum(), reference / reference.sum()
    seen = q > 0
    if (p[seen] == 0).any():
        return float('inf')
    return float(np.sum(q[seen] * np.log(q[seen] / p[seen])))


def kl_floor(num_modes: int, count: int) -> float:
    """Returns (modes - 1) / (2 n), the expected KL of n draws of a perfect sampler.

    A second-order expansion: it holds for n well above the number of modes.
    """
    return (num_modes - 1) / (2 * count)


def mode_coverage(classes, num_modes: int, *, reference_classes=None) -> Modes:
    """Counts the modes that class numbers reach and how evenly.

    Args:
      classes: int [n] in [0, num_modes), of generated images.
      num_modes: modes there are.
      reference_classes: int [m], of real images: real classes are not uniform either.
    """
    counts = class_counts(classes, num_modes)
    reference = None
    if reference_classes is not None:
        reference = histogram_kl(counts, reference=class_counts(reference_classes, num_modes))
    return Modes(
        reached=int(np.count_nonzero(counts)),
        total=num_modes,
        kl_uniform=histogram_kl(counts),
        kl_reference=reference,
        kl_floor=kl_floor(num_modes, int(counts.sum())),
    )
