"""DCGAN (Radford et al. 2016): strided convolutions with batch normalization.

Images may have any size and number of channels. The number of features doubles each time the size
is halved, up to `max_features`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen import options
from imggen.networks import blocks, conditional, spectral
from imggen.networks.conv.layers import Conv, ConvTranspose
from imggen.networks.layers import BatchNorm, Dense

_init = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """Latent [n, latent size] -> images [n, height, width, channels] in [-1, 1].

    Attributes:
      shape: (height, width, channels) of the images.
      features: number of features at half the size of the images.
      max_features: the largest number, at the smallest size.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: the pmap axis over which batch statistics are computed.
    """

    shape: tuple[int, int, int]
    features: int = 64
    max_features: int = 512
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, label=None, *, train: bool) -> jax.Array:
        def activate(x):
            x = BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                scale_init=lambda key, shape, dtype=jnp.float32: (
                    1.0 + 0.02 * jax.random.normal(key, shape, dtype)
                ),
                axis_name=self.axis_name,
            )(x)
            return nn.relu(x)

        times, base = blocks.halvings(self.shape[:2], least=1)
        widths = [min(self.features * 2**level, self.max_features) for level in range(times)][::-1]
        x = conditional.with_class(latent, label, self.num_classes)
        x = Dense(base[0] * base[1] * widths[0], use_bias=False, kernel_init=_init)(x)
        x = activate(x.reshape(-1, *base, widths[0]))
        for width in widths[1:]:
            x = ConvTranspose(
                width, (4, 4), stride=2, padding=1, use_bias=False, kernel_init=_init
            )(x)
            x = activate(x)
        x = ConvTranspose(self.shape[2], (4, 4), stride=2, padding=1, kernel_init=_init)(x)
        return jnp.tanh(blocks.crop(x, self.shape[:2]))


class Discriminator(nn.Module):
    """Images [n, height, width, channels] -> logits [n], large if they look real.

    Attributes:
      features: number of features at half the size of the images.
      max_features: the largest number, at the smallest size.
      normalize: whether all convolutions but the first are followed by batch normalization.
      spectral: whether every kernel is divided by its largest singular value.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: the pmap axis over which batch statistics are computed.
    """

    features: int = 64
    max_features: int = 512
    normalize: bool = True
    spectral: bool = False
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: jax.Array, label=None, *, train: bool) -> jax.Array:
        def layer(module, x):
            return spectral.apply(module, x, normalize=self.spectral, train=train)

        times, base = blocks.halvings(images.shape[1:3], least=1)
        x = blocks.pad_to(images, (base[0] * 2**times, base[1] * 2**times))
        for level in range(times):
            width = min(self.features * 2**level, self.max_features)
            normalize = self.normalize and level > 0
            conv = Conv(
                width, (4, 4), stride=2, padding=1, use_bias=not normalize, kernel_init=_init
            )
            x = layer(conv, x)
            if normalize:
                x = BatchNorm(
                    use_running_average=not train, momentum=0.9, axis_name=self.axis_name
                )(x)
            x = nn.leaky_relu(x, 0.2)
        x = x.reshape(x.shape[0], -1)
        logits = layer(Dense(1, kernel_init=_init), x)[:, 0]
        return conditional.projected(
            logits, x, label, self.num_classes, normalize=self.spectral, train=train
        )


def generator(
    section: Mapping[str, Any], shape: tuple[int, ...], *, axis_name: str | None = None
) -> Generator:
    """Returns the generator of images of `shape` [n, height, width, channels].

    `section` holds the options `config.method.generator`.
    """
    return options.build(
        Generator, section, where='config.method.generator', shape=shape[1:], axis_name=axis_name
    )
