"""The tally of a search: how many images were evaluated, and when each threshold was passed.

The tally is part of the state, so tables of evaluations need no log files.
"""

import math

import jax
import jax.numpy as jnp
from flax import struct

THRESHOLDS = (0.5, 0.9, 0.99, 0.999, 0.9999)  # Probabilities of the target class.
NEVER = -1
# Thresholds are compared as log-odds: float32 has few numbers between 0.9999 and 1.
_LOG_ODDS = tuple(math.log(p) - math.log1p(-p) for p in THRESHOLDS)


@struct.dataclass
class Tally:
    """Counts whose leaves lead with the chain axis.

    Attributes:
      evaluations: number of images evaluated, int32 [n].
      first: the evaluation, counted from 1, that first passed each threshold; NEVER until
        then, int32 [n, ..., thresholds].
    """

    evaluations: jax.Array
    first: jax.Array


def start(shape: tuple[int, ...]) -> Tally:
    """Returns an empty tally for chains [n] with one class each, or for [n, classes]."""
    return Tally(
        evaluations=jnp.zeros(shape[:1], jnp.int32),
        first=jnp.full((*shape, len(THRESHOLDS)), NEVER, jnp.int32),
    )


def count(tally: Tally, log_odds: jax.Array) -> Tally:
    """Counts a generation in the tally of chains [n, ...].

    `log_odds` [n, ..., k] are those of the target class of each evaluated image, in the order in
    which the images count.
    """
    passed = log_odds[..., None] >= jnp.asarray(_LOG_ODDS).reshape((1,) * log_odds.ndim + (-1,))
    place = jnp.argmax(passed, axis=-2).astype(jnp.int32) + 1
    before = tally.evaluations.reshape((-1,) + (1,) * (place.ndim - 1))
    is_new = (tally.first == NEVER) & jnp.any(passed, axis=-2)
    return Tally(
        evaluations=tally.evaluations + log_odds.shape[-1],
        first=jnp.where(is_new, before + place, tally.first),
    )


def reached(tally: Tally, threshold: float) -> jax.Array:
    """Returns the share of chains (and classes) that passed one of THRESHOLDS: scalar."""
    return jnp.mean(tally.first[..., THRESHOLDS.index(threshold)] != NEVER)
