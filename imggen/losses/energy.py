"""Losses on energies: numbers that are small for good images, such as a reconstruction error.

Energies are float32 [n], at least 0. Losses over pairs of images take `axis_name`: under pmap
they pair a device's images with those of all devices (`gather_batch`).
"""

import jax
import jax.numpy as jnp


def excess(energies: jax.Array, threshold: jax.Array) -> jax.Array:
    """max(0, energy - threshold), which is 0 for an image that passes the threshold: [n]."""
    return jax.nn.relu(energies - threshold)


def margin_discriminator(real: jax.Array, fake: jax.Array, margin: float) -> jax.Array:
    """D(x) + max(0, margin - D(g)), Zhao et al. 2017, eq. 1: [n]."""
    return real + jax.nn.relu(margin - fake)


def pulling_away(codes: jax.Array, *, axis_name: str | None = None) -> jax.Array:
    """Mean squared cosine over all pairs of different codes, Zhao et al. 2017, eq. 4.

    1 / (n (n - 1)) sum_i sum_(j != i) (s_i . s_j / (|s_i| |s_j|))^2

    Args:
      codes: [n, d].
      axis_name: the pmap axis whose devices hold the other codes.

    Returns:
      A scalar. Under pmap it is the device's share, whose mean over devices is the loss.
    """
    norms = jnp.sqrt(jnp.sum(jnp.square(codes), axis=1, keepdims=True) + 1e-12)
    directions = codes / norms
    everything, others = _others(directions, axis_name)
    return _mean_where(jnp.square(directions @ everything.T), others)


def mean_distance(rows: jax.Array, columns: jax.Array, *, axis_name: str | None = None):
    """Mean Euclidean distance of a row and a column over all pairs, divided by sqrt(d).

    Args:
      rows: [n, d].
      columns: [m, d]; under pmap the columns of all devices are used.
      axis_name: the pmap axis; None under jit.

    Returns:
      A scalar. Under pmap it is the device's share, whose mean over devices is the loss.
    """
    return jnp.mean(_distances(rows, gather_batch(columns, axis_name)))


def mean_pairwise_distance(rows: jax.Array, *, axis_name: str | None = None) -> jax.Array:
    """Mean distance of two different rows [n, d] over all pairs, divided by sqrt(d): scalar.

    E|g - x| - E|g - g'| / 2 is the energy distance of Székely and Rizzo (2013), up to the spread
    of x. Its expectation is smallest if g and x have the same distribution. Without the second
    term a single image would be the best answer.
    """
    everything, others = _others(rows, axis_name)
    return _mean_where(_distances(rows, everything), others)


def balance(ratio: jax.Array, real: jax.Array, fake: jax.Array, *, gamma: float, gain: float):
    """k <- clip(k + gain (gamma L(x) - L(g)), 0, 1), Berthelot et al. 2017, eq. 4.

    Args:
      ratio: k, the weight of generated images in the discriminator's loss.
      real, fake: mean energies of real and generated images, scalars.
      gamma: the target ratio of these mean energies, generated to real.
      gain: lambda, the gain of the control.
    """
    return jnp.clip(ratio + gain * (gamma * real - fake), 0.0, 1.0)


def convergence(real: jax.Array, fake: jax.Array, *, gamma: float) -> jax.Array:
    """M = L(x) + |gamma L(x) - L(g)|, Berthelot et al. 2017, section 3.4.1: scalar."""
    return real + jnp.abs(gamma * real - fake)


def squared_distances(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """|r - c|^2 of all pairs, [n, d] and [m, d] -> [n, m]; rounding may make it negative."""
    products = jnp.dot(rows, columns.T, precision=jax.lax.Precision.HIGHEST)
    norms = [jnp.sum(jnp.square(side), axis=1) for side in (rows, columns)]
    return norms[0][:, None] + norms[1][None] - 2.0 * products


def gather_batch(rows: jax.Array, axis_name: str | None) -> jax.Array:
    """Gathers a batch over the devices of a pmap axis, for losses over pairs of images.

    Under pmap a device holds only its own rows, [n, ...]. A loss over pairs must see the rows of
    all devices: compare the device's own rows with the gathered ones and return the mean over
    these pairs. The mean of the devices' results is then the loss of the whole batch, and the
    mean of their gradients is its gradient, because gradients flow back to the device that a row
    came from. Row i of device d is row d * n + i of the result.

    Args:
      rows: [n, ...].
      axis_name: the pmap axis; None under jit, where the batch is already whole.

    Returns:
      [number of devices * n, ...].
    """
    return rows if axis_name is None else jax.lax.all_gather(rows, axis_name, tiled=True)


def _others(rows, axis_name):
    """Returns all devices' rows [m, d], and whether row j of them differs from row i: [n, m]."""
    everything = gather_batch(rows, axis_name)
    first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * len(rows)
    own = first + jnp.arange(len(rows))
    return everything, own[:, None] != jnp.arange(len(everything))[None]


def _mean_where(values, chosen):
    return jnp.sum(jnp.where(chosen, values, 0.0)) / jnp.maximum(jnp.sum(chosen), 1)


def _distances(rows, columns):
    """[n, d], [m, d] -> [n, m]: root mean squared differences, with a finite gradient at 0."""
    squares = squared_distances(rows, columns)
    return jnp.sqrt(jnp.maximum(squares / rows.shape[1], 0.0) + 1e-8)
