"""A small U-Net conditioned on time: the velocity of a flow, for images of any size.

Each resolution has residual blocks with group normalization and two convolutions, which are shifted
and scaled by an embedding of the time and the class. There is one self-attention at the smallest
resolution. The last layers start at zero, so that the untrained velocity is 0.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.errors import UserError
from imggen.networks import blocks
from imggen.networks.conv.layers import Conv
from imggen.networks.layers import Dense, Embed, GroupNorm, MultiHeadDotProductAttention

_zeros = nn.initializers.zeros
_FREQUENCIES = 32
_GROUPS = 8


class Block(nn.Module):
    """x [n, height, width, channels] and embedding [n, d] -> [n, height, width, features].

    Attributes:
      features: number of features of the output.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, embedding: jax.Array) -> jax.Array:
        y = Conv(self.features, 3)(nn.silu(_normalize(x)))
        change = Dense(2 * self.features, kernel_init=_zeros)(embedding)[:, None, None]
        scale, shift = jnp.split(change, 2, axis=-1)
        y = nn.silu(_normalize(y) * (1.0 + scale) + shift)
        y = Conv(self.features, 3, kernel_init=_zeros)(y)
        return y + (x if x.shape[-1] == self.features else Conv(self.features, 1)(x))


class FlowUNet(nn.Module):
    """Images [n, height, width, channels] and times [n] in [0, 1] -> velocities, same shape.

    Attributes:
      features: number of features of each resolution, the largest resolution first; each after it
        halves height and width.
      blocks: number of residual blocks per resolution, both on the way down and on the way up.
      heads: number of heads of the attention at the smallest resolution; 0 for no attention.
      num_classes: number of classes, where the label `num_classes` stands for no class; 0 for an
        unconditional network.
    """

    features: tuple[int, ...] = (32, 64, 96)
    blocks: int = 1
    heads: int = 4
    num_classes: int = 0

    @nn.compact
    def __call__(self, images: jax.Array, time: jax.Array, label=None) -> jax.Array:
        scale = 2 ** (len(self.features) - 1)
        size = tuple(-(-side // scale) * scale for side in images.shape[1:3])
        embedding = self._embed(time, label)

        x = Conv(self.features[0], 3)(blocks.pad_to(images, size))
        kept = []
        for level, features in enumerate(self.features):
            if level:
                x = Conv(features, 3, stride=2, padding=1)(x)
            for _ in range(self.blocks):
                x = Block(features)(x, embedding)
                kept.append(x)
        if self.heads:
            if self.heads < 0 or self.features[-1] % self.heads:
                raise UserError(
                    f'config.method.network.heads={self.heads} does not divide the last of '
                    f'features={tuple(self.features)}: set it to a divisor, or to 0.'
                )
            x = x + self._attend(x)
        for level, features in reversed(list(enumerate(self.features))):
            for _ in range(self.blocks):
                x = Block(features)(jnp.concatenate([x, kept.pop()], axis=-1), embedding)
            if level:
                x = Conv(self.features[level - 1], 3)(blocks.upsample(x))
        x = Conv(images.shape[-1], 3, kernel_init=_zeros)(nn.silu(_normalize(x)))
        return blocks.crop(x, images.shape[1:3])

    def _embed(self, time, label):
        """Embeds the time, by cosines and sines of growing frequency, and the class: [n, d]."""
        frequencies = 2.0 * jnp.pi * jnp.exp(jnp.linspace(0.0, math.log(100.0), _FREQUENCIES))
        angles = time[:, None] * frequencies[None]
        width = 4 * self.features[0]
        x = Dense(width)(jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1))
        if self.num_classes:
            x = x + Embed(self.num_classes + 1, width)(label)
        return nn.silu(Dense(width)(nn.silu(x)))

    def _attend(self, x):
        n, height, width, channels = x.shape
        tokens = _normalize(x).reshape(n, height * width, channels)
        attend = MultiHeadDotProductAttention(self.heads, out_kernel_init=_zeros)
        return attend(tokens).reshape(x.shape)


def _normalize(x):
    return GroupNorm(num_groups=math.gcd(_GROUPS, x.shape[-1]))(x)
