"""The perceptual loss, which compares images by the features of a frozen network.

Features are {layer: [n, height, width, c]}, for example from `features.vgg16.activations`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

Features = Mapping[str, jax.Array]
_EPSILON = 1e-10


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


def lpips(features: Features, target: Features, *, heads: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the distance of each image to its target, [n]: the summed means of `lpips_maps`."""
    maps = lpips_maps(features, target, heads=heads)
    return sum(distance.mean((1, 2, 3)) for distance in maps.values())


def mean_lpips(
    network: Any, frozen: Mapping[str, Any], images: jax.Array, targets: jax.Array
) -> jax.Array:
    """Returns the mean LPIPS of images [n, height, width, channels] to their targets.

    Args:
      network: a module such as `features.alexnet`, with `activations`.
      frozen: its parameters, 'network', and 'heads' {layer: w_l}.
    """
    heads = frozen['heads']
    of_images, of_targets = (
        network.activations(frozen['network'], pictures, tuple(heads))
        for pictures in (images, targets)
    )
    return lpips(of_images, of_targets, heads=heads).mean()


def lpips_maps(
    features: Features, target: Features, *, heads: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
    """w_l . (u(F_l) - u(P_l))^2, Zhang et al. 2018, eq. 1, where u(x) = x / |x|.

    Args:
      features, target: features of the generated and of the target images.
      heads: {layer: w_l}, with w_l float32 [c].

    Returns:
      {layer: [n, height, width, 1]}, zeros for equal images.
    """
    return {
        layer: (
            jnp.square(_unit(features[layer]) - _unit(target[layer])) * head[None, None, None]
        ).sum(-1, keepdims=True)
        for layer, head in heads.items()
    }


def lpips_levels(features: Features, *, heads: Mapping[str, jax.Array]) -> tuple[jax.Array, ...]:
    """sqrt(w_l / (h w)) u(F_l): vectors whose squared distances, summed over l, are `lpips`.

    Args:
      features: features of n images.
      heads: {layer: w_l}, with w_l float32 [c], at least 0.

    Returns:
      One [n, h w c] per layer, in the order of `heads`.
    """
    found = []
    for layer, head in heads.items():
        n, height, width, _ = features[layer].shape
        weights = jnp.sqrt(head / (height * width))[None, None, None]
        found.append((_unit(features[layer]) * weights).reshape(n, -1))
    return tuple(found)


def _unit(x: jax.Array) -> jax.Array:
    """Scales each pixel's features to length 1. Zeros stay zeros, with a gradient of zero."""
    squares = jnp.square(x).sum(-1, keepdims=True)
    return x / (jnp.sqrt(jnp.maximum(squares, _EPSILON**2)) + _EPSILON)
