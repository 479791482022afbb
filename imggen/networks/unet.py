"""The U-Net of pix2pix (Isola et al. 2017): a picture in, a picture of the same size out.

Encoder and decoder halve and double by 4x4 convolutions with stride 2; level l of the
decoder also sees level l of the encoder. At 256 x 256 the layers are the published ones,
8 levels down to a single pixel: 54,413,955 parameters from 3 to 3 channels.

Any size will do. A size that 2^depth does not divide is mirrored out at its borders to the
next that it does, and the output is cut back; losses never see the rim.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import blocks
from imggen.networks.conv.layers import Conv, ConvTranspose
from imggen.networks.normalization import Kind, Normalize, Statistics

_MAX_DEPTH = 8
_WIDEST = 8  # Features at the deepest levels, in those of the first.
_DROPPED_LEVELS = 3
_init = nn.initializers.normal(0.02)


class UNet(nn.Module):
    """Pictures [n, height, width, any channels] -> [n, height, width, channels] in [-1, 1].

    Attributes:
      channels: of the output.
      features: at half the picture's size; they double with each level, up to eightfold.
      depth: levels; None takes what `depth_for` says of the picture's size.
      skips: whether the decoder sees the encoder's levels; without, it is the paper's
        encoder-decoder.
      norm: 'batch', 'instance' or 'none'. The first and the deepest level have none: at a
        single pixel it would leave nothing of the picture.
      dropout: probability in the three deepest levels of the decoder.
      axis_name: the pmap axis over which batch statistics are taken.
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
        self, key: jax.Array | None, images: jax.Array, *, statistics: Statistics
    ) -> jax.Array:
        """Translates pictures.

        Args:
          key: one a picture, [n], for dropout; None drops nothing.
          images: float32 [n, height, width, any channels].
          statistics: of batch normalization, see networks.normalization.
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
            if key is not None and self.dropout and level >= depth - _DROPPED_LEVELS:
                x = drop(fold_in(key, level), x, self.dropout)
            if self.skips:
                x = jnp.concatenate([x, levels.pop()], axis=-1)
        plain['use_bias'] = True
        x = ConvTranspose(self.channels, 4, stride=2, **plain, name='up0')(nn.relu(x))
        return jnp.tanh(blocks.crop(x, images.shape[1:3]))

    def _width(self, level: int) -> int:
        return self.features * min(2**level, _WIDEST)


def depth_for(size: tuple[int, int]) -> int:
    """Returns the levels of a U-Net for pictures of `size` (height, width).

    As many as halve both sides without a rest, down to one pixel; or, if that is more, two
    less than the shorter side can be halved, for which no side is padded by more than a
    quarter. At most 8: 256x256 has 8, 256x320 has 6, 360x480 (padded to 384x512) 6.
    """
    halvings = min(size).bit_length() - 1
    even = [depth for depth in range(1, halvings + 1) if padded_size(size, depth) == tuple(size)]
    return min(_MAX_DEPTH, max(1, halvings - 2, *even))


def padded_size(size: tuple[int, int], depth: int) -> tuple[int, int]:
    """Returns the smallest (height, width) from `size` on that divides by 2^depth."""
    scale = 2**depth
    return -(-size[0] // scale) * scale, -(-size[1] // scale) * scale


def depth_of(params: Mapping) -> int:
    """Returns the levels of a U-Net by its parameters, for pictures of any size."""
    return sum(name.startswith('down') and not name.endswith('norm') for name in params)


def drop(key: jax.Array, x: jax.Array, probability: float) -> jax.Array:
    """Zeroes values of x [n, ...] at random and scales up the rest; image i draws from key[i]."""
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1.0 - probability, x.shape[1:]))(key)
    return jnp.where(kept, x / (1.0 - probability), 0.0)


def fold_in(key: jax.Array, number: int) -> jax.Array:
    """Folds one number into each of the keys [n]."""
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(key)
