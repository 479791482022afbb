"""The multilayer perceptrons of the first adversarial nets (Goodfellow et al. 2014).

The generator has rectified linear layers; the discriminator has maxout layers, whose units return
the largest of a few linear maps. Images may have any size and number of channels.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import blocks, conditional, spectral
from imggen.networks.layers import Dense


class Generator(nn.Module):
    """Latent [n, latent size] -> images [n, height, width, channels] in [-1, 1].

    Attributes:
      shape: (height, width, channels) of the images.
      features: number of units of each hidden layer.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: unused; the network does not depend on batch statistics.
    """

    shape: tuple[int, int, int]
    features: tuple[int, ...] = (1200, 1200)
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, label=None, *, train: bool) -> jax.Array:
        del train
        x = conditional.with_class(latent, label, self.num_classes)
        for width in self.features:
            x = nn.relu(Dense(width)(x))
        x = Dense(math.prod(self.shape))(x)
        return jnp.tanh(x).reshape(-1, *self.shape)


class Discriminator(nn.Module):
    """Images [n, height, width, channels] -> logits [n], large if they look real.

    Attributes:
      features: number of units of each hidden layer.
      pieces: number of linear maps of a maxout unit.
      spectral: whether every kernel is divided by its largest singular value.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: unused; the network does not depend on batch statistics.
    """

    features: tuple[int, ...] = (240, 240)
    pieces: int = 5
    spectral: bool = False
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: jax.Array, label=None, *, train: bool) -> jax.Array:
        def linear(width, x):
            return spectral.apply(Dense(width), x, normalize=self.spectral, train=train)

        x = images.reshape(images.shape[0], -1)
        for width in self.features:
            x = linear(width * self.pieces, x).reshape(-1, width, self.pieces)
            x = blocks.largest(x, -1)
        logits = linear(1, x)[:, 0]
        return conditional.projected(
            logits, x, label, self.num_classes, normalize=self.spectral, train=train
        )
