"""Metrics from classes: the class score, histograms of classes, coverage of modes.

Everything is computed in float64 on the host from logits [n, classes] or labels [n]. Every
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
    """How many modes of a distribution a generator reaches, and how evenly.

    Attributes:
      reached: number of modes with at least one image.
      kl_uniform: KL(generated || uniform).
      kl_floor: the expected KL of a perfect sampler of as many images.
    """

    reached: int
    kl_uniform: float
    kl_floor: float


def class_score(logits: np.ndarray) -> ClassScore:
    """Returns exp mean_i KL(p(y | x_i) || p(y)) of logits [n, classes], n >= 2.

    It lies between 1 and the number of classes.

    Salimans et al. (2016) call it the Inception score if the classifier is Inception. It is
    computed over the whole set, not over ten parts. The standard error is that of the mean of
    the divergences: the true p(y) minimizes that mean, so an error in p(y) enters only at
    second order.
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


def class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts labels, int [n] in [0, num_classes): int64 [num_classes]."""
    return np.bincount(np.asarray(labels).ravel(), minlength=num_classes)


def histogram_kl(counts: np.ndarray, *, reference: np.ndarray | None = None) -> float:
    """Returns KL(q || p) of two histograms [classes]; p is uniform without a reference.

    It is infinite if q has an image of a class that p lacks.
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

    This is a second-order expansion: it holds if n is well above the number of modes.
    """
    return (num_modes - 1) / (2 * count)


def mode_coverage(labels: np.ndarray, num_modes: int) -> Modes:
    """Returns how many modes labels, int [n] in [0, num_modes), reach, and how evenly."""
    counts = class_counts(labels, num_modes)
    return Modes(
        reached=int(np.count_nonzero(counts)),
        kl_uniform=histogram_kl(counts),
        kl_floor=kl_floor(num_modes, int(counts.sum())),
    )
