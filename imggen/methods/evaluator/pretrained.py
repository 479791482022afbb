"""A pretrained network as the evaluator: it says how far two images are apart.

The distance of two images is their LPIPS (Zhang et al. 2018) plus their squared error,
because LPIPS hardly sees a shift of tone. It is a squared Euclidean distance of `embed`, so that a
matrix product finds the nearest of many images.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imggen import options
from imggen.features import alexnet, layers, lite0, vgg16
from imggen.losses import perceptual

NETWORKS = {'alexnet': alexnet, 'lite0': lite0, 'vgg16': vgg16, 'pixels': None}
# LPIPS has learned no weights for Lite0: these layers count alike.
_LITE0_CHANNELS = {'block2': 24, 'block4': 40, 'block10': 112, 'block15': 320}


def load(name: str, *, where: str = 'config.method.network') -> Mapping[str, Any]:
    """Returns the weights of one of NETWORKS, and the weights of its layers in the distance.

    `where` is the option that names the network, for messages.

    Raises:
      UserError: the network is unknown, or its weights are not installed.
    """
    network = options.choose(NETWORKS, name, where=where)
    if network is None:
        return {}
    return {'network': network.pretrained(), 'heads': _heads(name)}


def levels(name: str, frozen: Mapping[str, Any], images: jax.Array, *, size: int) -> tuple:
    """Returns the features of images at every level: ([n, d], ...), the shallowest first.

    'pixels' has none.

    The sum of the squared distances of the levels of two images is their LPIPS.

    Args:
      name: one of NETWORKS.
      frozen: the result of `load`.
      images: [n, height, width, channels] in [-1, 1].
      size: images are resized to this height and width for the network.
    """
    if not frozen:
        return ()
    heads = frozen['heads']
    resized = layers.resize(images, size, size)
    maps = NETWORKS[name].activations(frozen['network'], resized, tuple(heads))
    return perceptual.lpips_levels(maps, heads=heads)


def embed(
    name: str, frozen: Mapping[str, Any], images: jax.Array, *, size: int, pixel_weight: float
) -> jax.Array:
    """Returns vectors [n, d] whose squared distance is LPIPS + pixel_weight mean (x - y)^2.

    The other arguments are those of `levels`.
    """
    pixels = images.reshape(len(images), -1)
    pixels *= (pixel_weight / pixels.shape[1]) ** 0.5
    return jnp.concatenate([pixels, *levels(name, frozen, images, size=size)], axis=1)


def _heads(name: str) -> Mapping[str, np.ndarray]:
    if name != 'lite0':
        return NETWORKS[name].lpips_heads()
    return {
        layer: np.full(channels, 1.0 / len(_LITE0_CHANNELS), np.float32)
        for layer, channels in _LITE0_CHANNELS.items()
    }
