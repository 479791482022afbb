"""The Parzen-window log-likelihood of the first adversarial nets (Goodfellow et al. 2014).

Each of n samples mu, with pixels in [0, 1], is the center of a Gaussian of deviation sigma:

  log p(x) = log mean_i exp(-|x - mu_i|^2 / (2 sigma^2)) - d log(sigma sqrt(2 pi))

sigma is that of ten values between 0.1 and 1 which makes held-out training images most likely.
The metric serves only to compare with published numbers. It does not measure quality: the
centers of k-means score higher than the training images themselves (Theis et al. 2016), which
`measure` shows beside every number.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, images, keys
from imggen.errors import UserError
from imggen.evaluation.distribution import samples as generate
from imggen.inference import sampling
from imggen.metrics.pairwise import over_rows, squared_distances, squared_norms
from imggen.workdir.restore import Restored

SIGMAS = tuple(np.logspace(-1.0, 0.0, 10).tolist())
_NUM_LAST, _NUM_VALIDATION = 10_000, 1_000


class LogLikelihood(NamedTuple):
    """Mean log-likelihood in nats, its standard error over images, and the deviation sigma."""

    value: float
    standard_error: float
    sigma: float


@functools.partial(jax.jit, static_argnames='sigmas')
def _log_likelihoods(samples, test, sigmas):
    norms = squared_norms(samples)
    sigmas = jnp.asarray(sigmas)
    dimension = samples.shape[1]

    def one(_, row):
        squared = squared_distances(row, samples, norms)
        exponents = -squared[None] / (2.0 * jnp.square(sigmas))[:, None]
        return jax.nn.logsumexp(exponents, axis=1) - math.log(len(samples))

    kernels = over_rows(one, test, len(samples) * len(sigmas))
    return kernels - dimension * jnp.log(sigmas * math.sqrt(2.0 * math.pi))[None]


def log_likelihoods(
    samples: np.ndarray, test: np.ndarray, *, sigmas: tuple[float, ...]
) -> np.ndarray:
    """Returns log p of test images [m, ...] under each deviation: float32 [m, len(sigmas)].

    The centers are samples [n, ...]. Both are floats in [0, 1].
    """
    samples, test = (np.asarray(a, np.float32).reshape(len(a), -1) for a in (samples, test))
    return np.asarray(_log_likelihoods(samples, test, tuple(sigmas)))


def parzen(samples: np.ndarray, validation: np.ndarray, test: np.ndarray) -> LogLikelihood:
    """Chooses the deviation on `validation` and returns the log-likelihood of `test`.

    All are images in [0, 1], float [n, ...], of equal shapes.
    """
    sigma = SIGMAS[int(log_likelihoods(samples, validation, sigmas=SIGMAS).mean(0).argmax())]
    values = log_likelihoods(samples, test, sigmas=(sigma,))[:, 0].astype(np.float64)
    return LogLikelihood(
        float(values.mean()), float(values.std() / math.sqrt(len(values))), float(sigma)
    )


@functools.partial(jax.jit, static_argnames=('clusters', 'rounds'))
def k_means(key: jax.Array, points: jax.Array, *, clusters: int, rounds: int = 10) -> jax.Array:
    """Returns centers [clusters, d] of points [n, d] after some rounds of Lloyd's algorithm.

    It starts from points drawn without replacement. A cluster that loses all its points keeps
    its center.
    """
    first = jax.random.choice(key, len(points), (clusters,), replace=False)

    def one_round(_, centers):
        norms = squared_norms(centers)
        nearest = over_rows(
            lambda _, row: jnp.argmin(squared_distances(row, centers, norms)), points, clusters
        )
        sums = jax.ops.segment_sum(points, nearest, clusters)
        counts = jax.ops.segment_sum(jnp.ones(len(points)), nearest, clusters)[:, None]
        return jnp.where(counts > 0, sums / jnp.maximum(counts, 1.0), centers)

    return jax.lax.fori_loop(0, rounds, one_round, points[first])


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures a run by the published protocol.

    The protocol takes 10,000 samples and all test images, and chooses the deviation on the
    first 1,000 of the last 10,000 training images. A set of fewer than 60,000 training images
    gives its last sixth for the choice.

    Returns:
      parzen, its standard error parzen_error and the deviation parzen_sigma; parzen_training,
      with as many training images in place of the samples; and parzen_k_means, with half as
      many centers of k-means over those training images.

    Raises:
      UserError: the method translates images or makes none, or the data set has no test images
        or is larger than the memory budget.
    """
    sampling.check(restored)
    config = restored.config['data']
    (train, _), (test, _) = (data.examples(config, split=split) for split in ('train', 'test'))
    if not isinstance(train, np.ndarray):
        raise UserError(
            'the Parzen window needs a data set that fits into config.data.memory_budget_mib.'
        )
    train, test = train / np.float32(255), test / np.float32(255)
    num_last = min(_NUM_LAST, len(train) // 6) or 1
    train, validation = train[:-num_last], train[-num_last:][:_NUM_VALIDATION]

    chunks = generate(restored, num_images=num_images, seed=seed)
    samples = np.concatenate([images.to_uint8(chunk) for chunk in chunks]) / np.float32(255)
    found = parzen(samples, validation, test)

    key = keys.stream(seed, 'measure')
    rows = np.asarray(jax.random.permutation(key, len(train)))[:num_images]
    points = train[rows].reshape(len(rows), -1)
    centers = np.asarray(k_means(key, points, clusters=max(1, len(rows) // 2)))
    centers = centers.reshape(-1, *train.shape[1:])
    return {
        'parzen': found.value,
        'parzen_error': found.standard_error,
        'parzen_sigma': found.sigma,
        'parzen_training': parzen(train[rows], validation, test).value,
        'parzen_k_means': parzen(centers, validation, test).value,
    }
