"""The perceptual loss, which compares images by the features of a frozen network.

Features are {layer: [n, height, width, c]}, for example from `features.vgg16.activations`.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

Features = Mapping[str, jax.Array]


def perceptual(
    features: Features, target: Features, *, weights: Mapping[str, float] | None = None
) -> jax.Array:
    """sum_l w_l mean |F_l - P_l|^2, Johnson et al. 2016, eq. 2.

    Args:
      features, target: features of the generated and of the target images.
      weights: {layer: w_l}; 1 for each layer by default.

    Returns:
      One loss per image, [n].
    """
    weights = dict.fromkeys(features, 1.0) if weights is None else weights
    return sum(
        weight * jnp.square(features[layer] - target[layer]).mean((1, 2, 3))
        for layer, weight in weights.items()
    )
