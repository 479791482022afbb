"""Sliced Wasserstein distance: compares how features are distributed, not only their moments.

Heitz, Vanhoey, Chambon and Belcour, 'A sliced Wasserstein loss for neural texture synthesis', 2021.
On a line, optimal transport matches sorted values. With the features F [m, c] of an image, those of
a style S [m', c], and k directions v [c],

    loss = mean over v and i of ((F v)_(i) - q_i(S v))^2 / mean over v and i of q_i(S v)^2,

where (i) sorts and q_1, ..., q_m are quantiles. The directions are columns of a random rotation.
They are drawn with the target and stay: a line search needs a loss that does not change.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from imggen.errors import UserError

_CHANNELS_PER_DIRECTION = 4  # Published: 1. Sorting then takes most of the time.


@struct.dataclass
class Positions:
    """Features of one layer, with the positions in one row.

    Attributes:
      weight: number of positions, [n, 1].
      features: [n, m, c].
    """

    weight: jax.Array
    features: jax.Array


@struct.dataclass
class Target:
    """A style, projected.

    Attributes:
      directions: [n, c, k], orthogonal and of length one.
      quantiles: projections of the style's features, ascending, [n, k, m'].
    """

    directions: jax.Array
    quantiles: jax.Array


def positions(features: jax.Array, *, weight: jax.Array | None = None) -> Positions:
    """Lists the positions of features [n, height, width, c].

    Raises:
      UserError: `weight` is not None. Quantiles have no regions.
    """
    if weight is not None:
        raise UserError(
            "config.method.statistic='sliced' compares whole pictures; leave out the masks, or set "
            "config.method.statistic='gram'."
        )
    n, height, width, channels = features.shape
    return Positions(
        jnp.full((n, 1), float(height * width)), features.reshape(n, height * width, channels)
    )


def make_target(image_keys: jax.Array, styles: Sequence[Positions], weights: jax.Array) -> Target:
    """Draws the directions and projects the styles.

    Args:
      image_keys: one key for each image, [n].
      styles: the features of one or several styles. The quantiles of several are averaged, which
        gives the distribution between theirs: their barycenter.
      weights: relative weights of the styles, [n, number of styles].
    """
    channels = styles[0].features.shape[-1]
    count = max(1, channels // _CHANNELS_PER_DIRECTION)
    directions = jax.vmap(lambda key: jax.random.orthogonal(key, channels)[:, :count])(image_keys)
    most = max(style.features.shape[1] for style in styles)
    shares = weights / weights.sum(-1, keepdims=True)
    quantiles = sum(
        shares[:, i, None, None]
        * resample(jnp.sort(_projections(style.features, directions), axis=-1), most)
        for i, style in enumerate(styles)
    )
    return Target(directions, quantiles)


def distance(image: Positions, style: Target) -> jax.Array:
    """Returns the loss, [n, 1]: 0 for the features of the style itself, in whatever order."""
    values = _projections(image.features, style.directions)
    quantiles = resample(style.quantiles, values.shape[-1])
    # Sorted values are matched with quantiles. For the gradient a match is constant, so that
    # nothing is differentiated through the sort.
    order = jnp.argsort(jax.lax.stop_gradient(values), axis=-1)
    place = jax.vmap(jax.vmap(lambda order, row: row.at[order].set(row, unique_indices=True)))
    error = jnp.square(values - place(order, quantiles)).mean((1, 2))
    scale = jnp.square(style.quantiles).mean((1, 2))
    return (error / jnp.maximum(scale, 1e-20))[:, None]


def resample(ascending: jax.Array, count: int) -> jax.Array:
    """Interpolates sorted values [..., m] at `count` quantiles: [..., count]."""
    length = ascending.shape[-1]
    if length == count:
        return ascending
    at = np.clip((np.arange(count) + 0.5) * length / count - 0.5, 0, length - 1)
    low = np.int32(at)
    high = np.minimum(low + 1, length - 1)
    share = np.float32(at - low).reshape(*(1,) * (ascending.ndim - 1), count)
    return (1.0 - share) * ascending[..., low] + share * ascending[..., high]


def _projections(features: jax.Array, directions: jax.Array) -> jax.Array:
    """Projects [n, m, c] on [n, c, k]: [n, k, m]."""
    return jnp.einsum('nmc,nck->nkm', features, directions)
