"""A convolutional autoencoder: strided convolutions down to a code, and back.

Images may have any size and number of channels. There is no normalization, so that the output for
an image depends on that image alone, and its error is a score of a single image.
"""

import jax
from flax import linen as nn

from imggen.networks import blocks
from imggen.networks.conv.layers import Conv, ConvTranspose
from imggen.networks.layers import Dense


class Encoder(nn.Module):
    """Images [n, height, width, channels] -> codes [n, code_size] and feature maps.

    The feature maps are a tuple of [n, height / 2^i, width / 2^i, features], the largest first.

    Attributes:
      features: number of features at half the size of the images; it doubles at every halving.
      max_features: the largest number, at the smallest size.
      code_size: length of a code.
    """

    features: int = 32
    max_features: int = 128
    code_size: int = 64

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        times, base = blocks.halvings(images.shape[1:3], least=1)
        x = blocks.pad_to(images, (base[0] * 2**times, base[1] * 2**times))
        maps = []
        for level in range(times):
            width = min(self.features * 2**level, self.max_features)
            x = nn.elu(Conv(width, (4, 4), stride=2, padding=1)(x))
            maps.append(x)
        return Dense(self.code_size)(x.reshape(x.shape[0], -1)), tuple(maps)


class Decoder(nn.Module):
    """Codes [n, code_size] -> images [n, height, width, channels], not bounded.

    A dense layer turns the code into feature maps, and convolutions turn these into an image.

    Attributes:
      shape: (height, width, channels) of the images.
      features, max_features: those of the encoder.
    """

    shape: tuple[int, int, int]
    features: int = 32
    max_features: int = 128

    @nn.compact
    def __call__(self, codes: jax.Array) -> jax.Array:
        times, base = blocks.halvings(self.shape[:2], least=1)
        widths = [min(self.features * 2**level, self.max_features) for level in range(times)][::-1]
        x = nn.elu(Dense(base[0] * base[1] * widths[0])(codes))
        x = x.reshape(-1, *base, widths[0])
        for width in widths[1:]:
            x = nn.elu(ConvTranspose(width, (4, 4), stride=2, padding=1)(x))
        x = ConvTranspose(self.shape[2], (4, 4), stride=2, padding=1)(x)
        return blocks.crop(x, self.shape[:2])


class Autoencoder(nn.Module):
    """Images [n, height, width, channels] -> (reconstructions, codes, feature maps).

    Attributes:
      shape: (height, width, channels) of the images.
      features, max_features, code_size: those of the encoder, which the decoder mirrors.
    """

    shape: tuple[int, int, int]
    features: int = 32
    max_features: int = 128
    code_size: int = 64

    def setup(self):
        self.encoder = Encoder(self.features, self.max_features, self.code_size)
        self.decoder = Decoder(self.shape, self.features, self.max_features)

    def __call__(self, images: jax.Array):
        codes, maps = self.encoder(images)
        return self.decoder(codes), codes, maps

    def encode(self, images: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Returns codes [n, code_size] and feature maps, without decoding."""
        return self.encoder(images)
