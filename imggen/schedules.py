"""Schedules: scalars as functions of the progress of a run, t in [0, 1]."""

import jax.numpy as jnp


def cosine(start: float, end: float, t):
    """Goes from `start` at t = 0 to `end` at t = 1 along half a cosine and stays there.

    v(t) = end + (start - end) (1 + cos(pi t)) / 2
    """
    t = jnp.clip(t, 0.0, 1.0)
    return end + (start - end) * (1.0 + jnp.cos(jnp.pi * t)) / 2.0


def constant_then_linear(constant: float, t):
    """Stays at 1 for the fraction `constant` of a run, then falls linearly to 0 at t = 1."""
    return jnp.clip((1.0 - t) / max(1.0 - constant, 1e-8), 0.0, 1.0)


def warmup_cosine(peak: float, t, *, warmup: float = 0.1):
    """Rises linearly to `peak` over the fraction `warmup` of a run, then falls to 0 by cosine."""
    rising = t / warmup
    falling = (1.0 + jnp.cos(jnp.pi * jnp.clip((t - warmup) / (1.0 - warmup), 0.0, 1.0))) / 2.0
    return peak * jnp.where(t < warmup, rising, falling)
