"""A generator of gated blocks with skip-layer excitation, after FastGAN (Liu et al. 2021).

A block doubles the size with a transposed convolution to twice the features, normalizes them over
the batch, and multiplies one half by the sigmoid of the other (a gated linear unit). Small maps
gate the channels of maps that are eight times as large: the content of an image decides how its
details are drawn, and gradients take a short path. Images below 32 pixels have no such pair of
maps. The published discriminator, with its self-supervised decoders, is not part of this module.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import blocks, conditional
from imggen.networks.conv.layers import Conv, ConvTranspose
from imggen.networks.layers import BatchNorm, Dense

_SKIPPED = 3  # Number of doublings from a map to the map that it gates.
_init = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """Latent [n, latent size] -> images [n, height, width, channels] in [-1, 1].

    The latent is scaled to a root mean square of 1.

    Attributes:
      shape: (height, width, channels) of the images.
      features: number of features at half the size of the images. It doubles each time the size
        is halved, up to `max_features`, and is half as large at full size.
      max_features: the largest number, at the smallest size.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: the pmap axis over which batch statistics are computed.
    """

    shape: tuple[int, int, int]
    features: int = 32
    max_features: int = 512
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, label=None, *, train: bool) -> jax.Array:
        def gated(x):
            norm = BatchNorm(use_running_average=not train, momentum=0.9, axis_name=self.axis_name)
            return nn.glu(norm(x))

        times, base = blocks.halvings(self.shape[:2], least=1)
        doubled = (self.features * 2**level for level in range(times))
        widths = [min(width, self.max_features) for width in doubled][::-1]
        latent = latent * jax.lax.rsqrt(jnp.mean(jnp.square(latent), -1, keepdims=True) + 1e-8)
        x = conditional.with_class(latent, label, self.num_classes)
        x = Dense(base[0] * base[1] * 2 * widths[0], use_bias=False, kernel_init=_init)(x)
        maps = [gated(x.reshape(-1, *base, 2 * widths[0]))]
        for width in (*widths[1:], max(1, self.features // 2)):
            convolved = ConvTranspose(
                2 * width, (4, 4), stride=2, padding=1, use_bias=False, kernel_init=_init
            )(maps[-1])
            x = gated(convolved)
            if len(maps) >= _SKIPPED:
                x = x * Excitation(width)(maps[-_SKIPPED])
            maps.append(x)
        x = Conv(self.shape[2], 3, padding=1, kernel_init=_init)(maps[-1])
        return jnp.tanh(blocks.crop(x, self.shape[:2]))


class Excitation(nn.Module):
    """Map [n, height, width, channels] -> gates [n, 1, 1, features] in [0, 1].

    sigmoid(W2 swish(W1 pool(x))), where the pool takes at most 4 x 4 means of equal windows.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        pool = tuple(-(-side // 4) for side in x.shape[1:3])
        x = nn.avg_pool(x, pool, strides=pool)
        x = nn.swish(Dense(self.features)(x.reshape(x.shape[0], -1)))
        return nn.sigmoid(Dense(self.features)(x))[:, None, None]
