"""Clusters of pictures that look alike: classes for a folder that has none.

A GAN that is told the class of each picture draws better ones than a GAN without classes, and
clusters serve as classes (Liu et al. 2020, 'Diverse image generation via self-conditioned GANs').
Theirs are those of k-means. These have equal sizes, because a generator draws all classes equally
often.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen import images
from imggen.features import alexnet

_LAYERS = ('conv3', 'conv5')
_GRID = (2, 2)  # Cells in which activations are averaged: where things are counts a little.
_BATCH = 64
_ITERATIONS = 50  # Of the power iteration, which need not converge: any long axis will do.


def describe(pictures: np.ndarray, params: alexnet.Params) -> np.ndarray:
    """Describes pictures by AlexNet's activations.

    Args:
      pictures: uint8 [n, height, width, 1 or 3], of at least 31 x 31 pixels.
      params: from `alexnet.pretrained`.

    Returns:
      float32 [n, features]; the part of each layer has length 1.
    """
    padded = pictures[np.arange(-len(pictures) % _BATCH + len(pictures)) % len(pictures)]
    batches = (padded[i : i + _BATCH] for i in range(0, len(padded), _BATCH))
    return np.concatenate([_described(params, batch) for batch in batches])[: len(pictures)]


@jax.jit
def _described(params: alexnet.Params, pictures: jax.Array) -> jax.Array:
    layers = alexnet.activations(params, images.from_uint8(pictures), _LAYERS)
    parts = []
    for layer in layers.values():
        shape = (len(pictures), *_GRID, layer.shape[-1])
        part = jax.image.resize(layer, shape, 'linear').reshape(len(pictures), -1)
        parts.append(part / (jnp.linalg.norm(part, axis=-1, keepdims=True) + 1e-8))
    return jnp.concatenate(parts, axis=-1)


def bisect(features: np.ndarray, count: int) -> np.ndarray:
    """Divides rows into clusters whose sizes differ by one at most.

    A set is divided along its first principal component, and its parts are divided again.

    Args:
      features: float32 [n, features].
      count: number of clusters, at most n.

    Returns:
      int32 [n], the number of each row's cluster. Neighbors in number are similar.
    """
    numbers = np.zeros(len(features), np.int32)

    def divide(rows, first, count):
        numbers[rows] = first
        if count == 1:
            return
        centered = features[rows] - features[rows].mean(0)
        order = rows[np.argsort(centered @ _long_axis(centered), kind='stable')]
        low = count // 2
        # The larger clusters come first, so that sizes differ by one at most.
        cut = low * (len(rows) // count) + min(low, len(rows) % count)
        divide(order[:cut], first, low)
        divide(order[cut:], first + low, count - low)

    divide(np.arange(len(features)), 0, count)
    return numbers


def _long_axis(centered: np.ndarray) -> np.ndarray:
    """Returns about the first principal component of centered rows [n, features]."""
    axis = centered[np.argmax(np.square(centered).sum(-1))]
    for _ in range(_ITERATIONS):
        axis = (centered @ axis) @ centered
        axis = axis / (np.linalg.norm(axis) + 1e-20)
    return axis
