"""The U-Net of pix2pix (Isola et al. 2017): maps an image to an image of the same size.

The encoder halves and the decoder doubles the size by 4x4 convolutions with stride 2; level l of
the decoder also sees level l of the encoder. For 256 x 256 images the layers are the published
ones, 8 levels down to a single pixel: 54,413,955 parameters from 3 to 3 channels.

Images may have any size. If 2^depth does not divide it, the image is mirrored at its borders to the
next size that it divides, and the output is cropped; losses do not see the padding.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import blocks
from imggen.networks.conv.layers import Conv, ConvTranspose
from imggen.networks.normalization import Kind, Normalize, Statistics

_MAX_DEPTH = 8
_WIDEST = 8  # Features at the deepest levels, relative to the first.
_DROPPED_LEVELS = 3
_init = nn.initializers.normal(0.02)


class UNet(nn.Module):
    """Images [n, height, width, any channels] -> [n, height, width, channels] in [-1, 1].

    Attributes:
      channels: number of channels of the output.
      features: number of features at half the size of the image; it doubles with each level, up to
        eightfold.
      depth: number of levels; None for `depth_for` the size of the image.
      skips: whether the decoder sees the levels of the encoder. Without them the network is the
        encoder-decoder of the paper.
      norm: 'batch', 'instance' or 'none'. The first and the deepest level are not normalized: at a
        single pixel, normalization would remove all information.
      dropout: probability in the three deepest levels of the decoder.
      axis_name: the pmap axis over which batch statistics are computed.
    """

    channels: int
    features: int = 64
    depth: int | None = None
    skips: bool = True
    norm: Kind = 'batch'
    dropout: float = 0.5
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, image_keys: jax.Array | None, images: jax.Array, *, statistics: Statistics
    ) -> jax.Array:
        """Translates images.

        Args:
          image_keys: keys [n] for dropout; None for no dropout.
          images: float32 [n, height, width, any channels].
          statistics: the source of the statistics of batch normalization, see
            networks.normalization.
        """
        depth = self.depth or depth_for(images.shape[1:3])
        plain = {'padding': 1, 'kernel_init': _init, 'use_bias': self.norm == 'none'}

        def normalize(x, name):
            return Normalize(self.norm, self.axis_name, name=name)(x, statistics=statistics)

        x = blocks.pad_to(images, padded_size(images.shape[1:3], depth), mode='symmetric')
        levels = []
        for level in range(depth):
            x = nn.leaky_relu(x, 0.2) if level else x
            x = Conv(self._width(level), 4, stride=2, **plain, name=f'down{level}')(x)
            if 0 < level < depth - 1:
                x = normalize(x, f'down{level}_norm')
            levels.append(x)
        x = levels.pop()
        for level in reversed(range(1, depth)):
            x = nn.relu(x)
            x = ConvTranspose(self._width(level - 1), 4, stride=2, **plain, name=f'up{level}')(x)
            x = normalize(x, f'up{level}_norm')
            if image_keys is not None and self.dropout and level >= depth - _DROPPED_LEVELS:
                x = drop(fold_in(image_keys, level), x, self.dropout)
            if self.skips:
                x = jnp.concatenate([x, levels.pop()], axis=-1)
        plain['use_bias'] = True
        x = ConvTranspose(self.channels, 4, stride=2, **plain, name='up0')(nn.relu(x))
        return jnp.tanh(blocks.crop(x, images.shape[1:3]))

    def _width(self, level: int) -> int:
        return self.features * min(2**level, _WIDEST)


def depth_for(size: tuple[int, int]) -> int:
    """Returns the number of levels of a U-Net for images of `size` (height, width).

    This is how often both sides can be halved without remainder, or two less than how often the
    shorter side can be halved to one pixel, whichever is more. In the second case no side is padded
    by more than a quarter. The maximum is 8. 256x256 gives 8, 256x320 gives 6, and 360x480 gives 6
    (padded to 384x512).
    """
    halvings = min(size).bit_length() - 1
    even = [depth for depth in range(1, halvings + 1) if padded_size(size, depth) == tuple(size)]
    return min(_MAX_DEPTH, max(1, halvings - 2, *even))


def padded_size(size: tuple[int, int], depth: int) -> tuple[int, int]:
    """Returns the smallest (height, width), not below `size`, that 2^depth divides."""
    scale = 2**depth
    return -(-size[0] // scale) * scale, -(-size[1] // scale) * scale


def depth_of(params: Mapping) -> int:
    """Returns the number of levels of a U-Net with these parameters."""
    return sum(name.startswith('down') and not name.endswith('norm') for name in params)


def drop(image_keys: jax.Array, x: jax.Array, probability: float) -> jax.Array:
    """Zeroes values of x [n, ...] at random, drawn from keys [n], and scales up the others."""

    def keep(key):
        return jax.random.bernoulli(key, 1.0 - probability, x.shape[1:])

    kept = jax.vmap(keep)(image_keys)
    return jnp.where(kept, x / (1.0 - probability), 0.0)


def fold_in(image_keys: jax.Array, number: int) -> jax.Array:
    """Folds a number into each of the keys [n]."""
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(image_keys)
