"""Objectives: how strongly a classifier sees the target class; a search maximizes them.

Logits are [n, classes], targets int32 [n] and results float32 [n]. In float32 a probability near
1 saturates long before its logarithm does, and the logarithm saturates before the log-odds.
"""

import jax
import jax.numpy as jnp


def log_odds(logits: jax.Array, target: jax.Array) -> jax.Array:
    """log p / (1 - p) of the target class: z_t - log sum over j != t of exp z_j."""
    own, others = _split(logits, target)
    return own - jax.nn.logsumexp(others, axis=-1)


def log_odds_of_each(logits: jax.Array) -> jax.Array:
    """log p / (1 - p) of every class: [n, classes].

    For all classes but the most probable one, p is at most 1/2, and log(1 - p) follows from p
    without cancellation. So the cost is linear in the number of classes.
    """
    best = jnp.argmax(logits, axis=-1)
    log_p = jax.nn.log_softmax(logits)
    # log p - log(1 - p); the bound only matters where the other branch is taken.
    odds = log_p - jnp.log1p(-jnp.minimum(jnp.exp(log_p), 0.75))
    is_best = jnp.arange(logits.shape[-1])[None] == best[:, None]
    return jnp.where(is_best, log_odds(logits, best)[:, None], odds)


def logit(logits: jax.Array, target: jax.Array) -> jax.Array:
    """Logit of the target class: z_t. Other classes need not become improbable."""
    return _split(logits, target)[0]


def margin(logits: jax.Array, target: jax.Array) -> jax.Array:
    """Logit of the target class minus the largest other logit: z_t - max over j != t of z_j."""
    own, others = _split(logits, target)
    return own - jnp.max(others, axis=-1)


def log_probability(logits: jax.Array, target: jax.Array) -> jax.Array:
    """log p of the target class."""
    return jax.nn.log_sigmoid(log_odds(logits, target))


def probability(logits: jax.Array, target: jax.Array) -> jax.Array:
    """p of the target class; exactly 1 if float32 has no number closer."""
    return jax.nn.sigmoid(log_odds(logits, target))


OBJECTIVES = {
    'logit': logit,
    'log_odds': log_odds,
    'margin': margin,
    'log_probability': log_probability,
    'probability': probability,
}


def _split(logits, target):
    """Returns the target's logit [n], and the logits with minus infinity in its place."""
    is_target = jnp.arange(logits.shape[-1])[None] == target[:, None]
    own = jnp.sum(jnp.where(is_target, logits, 0.0), axis=-1)
    return own, jnp.where(is_target, -jnp.inf, logits)
