"""Hypercolumns: the activations of many layers at each point of a grid, side by side.

The grid has a quarter of the image's height and width. A layer's activations are divided by their
number of channels, so that the wide deep layers do not outweigh the others.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imggen.methods.style import pyramid
from imggen.methods.style.networks import Network, Params

_STRIDE = 4
_TINY = 1e-12


class Columns(NamedTuple):
    """Which activations make a hypercolumn: some layers of a network, with its padding."""

    network: Network
    layers: Sequence[str]
    padding: str

    def __call__(self, params: Params, images: jax.Array) -> dict[str, jax.Array]:
        """Returns {layer: [n, height / 4, width / 4, channels]} for images [n, height, width, c].

        Activations are resized bilinearly, without antialiasing, as published.
        """
        found = self.network.activations(
            params, images, self.layers, pooling='max', padding=self.padding
        )
        height, _ = grid(images.shape)
        return {layer: _on_grid(found[layer], height) / found[layer].shape[-1] for layer in found}

    def widths(self, params: Params, images: jax.Array) -> dict[str, int]:
        """Returns the number of channels of each layer."""
        shapes = jax.eval_shape(lambda *arguments: self(*arguments), params, images)
        return {layer: shape.shape[-1] for layer, shape in shapes.items()}


def grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Returns (height, width) of the grid over images of shape [n, height, width, channels]."""
    return tuple(max(1, side // _STRIDE) for side in shape[1:3])


def _on_grid(features: jax.Array, height: int) -> jax.Array:
    """Resizes features by a power of two, as `jax.image.resize` does without antialiasing."""
    while features.shape[1] < height:
        features = pyramid.double(features)
    if features.shape[1] == 4 * height:  # A point lies between the two middle ones of four.
        n, rows, columns, channels = features.shape
        blocks = features.reshape(n, rows // 4, 4, columns // 4, 4, channels)
        return blocks[:, :, 1:3, :, 1:3].mean((2, 4))
    return pyramid.halve(features) if features.shape[1] > height else features


def flat(columns: Mapping[str, jax.Array]) -> jax.Array:
    """Concatenates the layers and lists the points of the grid: [n, points, all channels]."""
    joined = jnp.concatenate(list(columns.values()), axis=-1)
    return joined.reshape(len(joined), -1, joined.shape[-1])


def centered(vectors: jax.Array) -> jax.Array:
    """Subtracts the mean over [..., points, channels] and scales each vector to length one.

    Equal vectors become zeros, whose cosine with any vector is 0.
    """
    return unit(vectors - vectors.mean(-2, keepdims=True))


def unit(vectors: jax.Array) -> jax.Array:
    """Scales vectors [..., channels] to length one; zeros stay zeros."""
    squares = jnp.square(vectors).sum(-1, keepdims=True)
    return vectors * jax.lax.rsqrt(squares + _TINY)
