"""A residual autoencoder between images and small maps of latents.

The decoder mirrors the encoder. Both are convolutions alone, without normalization, so that a
latent describes the pixels around it.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import blocks
from imggen.networks.conv.layers import Conv
from imggen.networks.super_resolution import pixel_shuffle

_zeros = nn.initializers.zeros


class Block(nn.Module):
    """x + W2 a(W1 a(x)) of two 3x3 convolutions, where W2 starts at zero."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        features = x.shape[-1]
        y = Conv(features, 3)(nn.silu(x))
        return x + Conv(features, 3, kernel_init=_zeros)(nn.silu(y))


class Encoder(nn.Module):
    """Images [n, height, width, c] -> means and log variances [n, height / s, width / s, channels].

    s is 2 to the number of `features`. Images whose sides s does not divide are padded.

    Attributes:
      channels: number of channels of the latents.
      features: number of features of each resolution, the largest first; each halves the image.
      blocks: number of residual blocks per resolution.
    """

    channels: int
    features: tuple[int, ...] = (32, 64)
    blocks: int = 1

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        scale = 2 ** len(self.features)
        x = blocks.pad_to(images, tuple(-(-side // scale) * scale for side in images.shape[1:3]))
        for features in self.features:
            x = Conv(features, 4, stride=2, padding=1)(x)
            for _ in range(self.blocks):
                x = Block()(x)
        return tuple(jnp.split(Conv(2 * self.channels, 3)(nn.silu(x)), 2, axis=-1))


class Decoder(nn.Module):
    """Latents [n, h, w, channels] -> images [n, *shape], not bounded.

    Attributes:
      shape: (height, width, channels) of the images.
      features, blocks: those of the encoder.
    """

    shape: tuple[int, int, int]
    features: tuple[int, ...] = (32, 64)
    blocks: int = 1

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        *larger, smallest = self.features
        finest = max(1, self.features[0] // 4)  # Without them the output has a pattern of pixels.
        x = Conv(smallest, 3)(latents)
        for features in (*larger[::-1], finest):
            for _ in range(self.blocks):
                x = Block()(x)
            x = pixel_shuffle(Conv(4 * features, 3)(x), 2)
        x = Conv(self.shape[2], 3)(nn.silu(x))
        return blocks.crop(x, self.shape[:2])
