"""Losses on energies: numbers that are small for good pictures, such as an autoencoder's error.

Energies are float32 [n], at least 0. Where a loss looks at pairs of pictures, a pmap
device holds only its own; `axis_name` makes it pair them with those of all devices.
"""

import jax
import jax.numpy as jnp


def excess(energies: jax.Array, threshold: jax.Array) -> jax.Array:
    """max(0, energy - threshold): nothing is left to learn from a picture that passes. [n]."""
    return jax.nn.relu(energies - threshold)


def margin_critic(real: jax.Array, fake: jax.Array, margin: float) -> jax.Array:
    """D(x) + max(0, margin - D(g)), Zhao et al. 2017, eq. 1. [n]."""
    return real + jax.nn.relu(margin - fake)


def pulling_away(codes: jax.Array, *, axis_name: str | None = None) -> jax.Array:
    """Mean squared cosine of all pairs of different codes, Zhao et al. 2017, eq. 4.

    1 / (n (n - 1)) sum_i sum_(j != i) (s_i . s_j / (|s_i| |s_j|))^2

    Args:
      codes: [n, d].
      axis_name: the pmap axis whose devices hold the other codes.

    Returns:
      A scalar; under pmap this device's share, whose mean over devices is the loss.
    """
    norms = jnp.sqrt(jnp.sum(jnp.square(codes), axis=1, keepdims=True) + 1e-12)
    directions = codes / norms
    everyone, others = _others(directions, axis_name)
    return _mean_where(jnp.square(directions @ everyone.T), others)


def mean_distance(rows: jax.Array, columns: jax.Array, *, axis_name: str | None = None):
    """Mean Euclidean distance over all pairs of a row and a column, by the root of d.

    Args:
      rows: [n, d].
      columns: [m, d]; those of all devices are taken.
      axis_name: the pmap axis.

    Returns:
      A scalar; under pmap this device's share.
    """
    return jnp.mean(_distances(rows, _gathered(columns, axis_name)))


def mean_pairwise_distance(rows: jax.Array, *, axis_name: str | None = None) -> jax.Array:
    """Mean Euclidean distance over all pairs of different rows [n, d], by the root of d: scalar.

    E|g - x| - E|g - g'| / 2 is the energy distance of Székely and Rizzo (2013), up to
    the spread of x: smallest where g is distributed as x, in expectation. Without its
    second term one picture would be the best answer.
    """
    everyone, others = _others(rows, axis_name)
    return _mean_where(_distances(rows, everyone), others)


def balance(ratio: jax.Array, real: jax.Array, fake: jax.Array, *, gamma: float, gain: float):
    """k <- clip(k + gain (gamma L(x) - L(g)), 0, 1), Berthelot et al. 2017, eq. 4.

    Args:
      ratio: k, how much of its attention the critic gives to generated pictures.
      real, fake: mean energies, scalars.
      gamma: the ratio of mean energies, generated to real, that is aimed at.
      gain: lambda, of the control.
    """
    return jnp.clip(ratio + gain * (gamma * real - fake), 0.0, 1.0)


def convergence(real: jax.Array, fake: jax.Array, *, gamma: float) -> jax.Array:
    """M = L(x) + |gamma L(x) - L(g)|, Berthelot et al. 2017, section 3.4.1: scalar."""
    return real + jnp.abs(gamma * real - fake)


def _gathered(rows, axis_name):
    return rows if axis_name is None else jax.lax.all_gather(rows, axis_name, tiled=True)


def _others(rows, axis_name):
    """Returns all devices' rows [m, d], and whether column j is another than row i: [n, m]."""
    everyone = _gathered(rows, axis_name)
    first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * len(rows)
    own = first + jnp.arange(len(rows))
    return everyone, own[:, None] != jnp.arange(len(everyone))[None]


def _mean_where(values, chosen):
    return jnp.sum(jnp.where(chosen, values, 0.0)) / jnp.maximum(jnp.sum(chosen), 1)


def _distances(rows, columns):
    """[n, d], [m, d] -> [n, m]: root mean squared differences; their gradient is finite at 0."""
    products = jnp.dot(rows, columns.T, precision=jax.lax.Precision.HIGHEST)
    norms = [jnp.sum(jnp.square(side), axis=1) for side in (rows, columns)]
    squares = norms[0][:, None] + norms[1][None] - 2.0 * products
    return jnp.sqrt(jnp.maximum(squares / rows.shape[1], 0.0) + 1e-8)
