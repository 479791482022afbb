"""Perceptual losses: images compared by what a frozen network sees in them.

Features are {layer: [n, height, width, c]}, for example of `features.vgg16.activations`;
losses are [n], one an image.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

Features = Mapping[str, jax.Array]


def content_absolute(features: jax.Array, target: jax.Array) -> jax.Array:
    """|F - P|^2 / 2, Gatys et al. 2016, eq. 1."""
    return jnp.square(features - target).sum((1, 2, 3)) / 2.0


def content(features: jax.Array, target: jax.Array) -> jax.Array:
    """|F - P|^2 / |P|^2: the same at any size and in any units."""
    size = jnp.square(target).sum((1, 2, 3))
    return jnp.square(features - target).sum((1, 2, 3)) / jnp.maximum(size, 1e-20)


def perceptual(
    features: Features, target: Features, *, weights: Mapping[str, float] | None = None
) -> jax.Array:
    """sum_l w_l mean |F_l - P_l|^2, Johnson et al. 2016, eq. 2.

    Args:
      features: of the images made.
      target: of the images wanted, with the same layers.
      weights: by layer; 1 each by default.

    Returns:
      [n].
    """
    weights = dict.fromkeys(features, 1.0) if weights is None else weights
    return sum(
        weight * jnp.square(features[layer] - target[layer]).mean((1, 2, 3))
        for layer, weight in weights.items()
    )
