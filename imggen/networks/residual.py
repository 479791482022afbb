"""The residual networks of R3GAN (Huang et al. 2024), for images of any size.

There is no normalization. A stage is a change of resolution followed by residual blocks; the
discriminator mirrors the generator. Residual branches start at zero (Fixup), so that an untrained
network only resamples.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import blocks, conditional, spectral
from imggen.networks.conv.layers import Conv
from imggen.networks.layers import Dense

_SLOPE = 0.2  # Of the leaky ReLU.
_linear = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')


class ResidualBlock(nn.Module):
    """x + W3 a(b + G a(b + W1 x)): 1x1 expand, grouped 3x3, 1x1 contract, biases before `a`.

    Attributes:
      expansion: number of inner features per feature.
      group_size: number of inner features per group of the 3x3 convolution; None for one group.
      depth: L, the number of residual blocks in the network. The first two layers start with
        variance 2 / (1 + slope^2) / fan_in / sqrt(L), the last at zero.
      spectral: whether every kernel is divided by its largest singular value. The last layer then
        starts as the others do, because a kernel of zeros cannot be normalized.
    """

    expansion: int
    group_size: int | None
    depth: int
    spectral: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        def layer(module, x):
            return spectral.apply(module, x, normalize=self.spectral, train=train)

        features = x.shape[-1]
        inner = features * self.expansion
        init = nn.initializers.variance_scaling(
            2.0 / (1.0 + _SLOPE**2) / self.depth**0.5, 'fan_in', 'normal'
        )
        groups = max(1, inner // self.group_size) if self.group_size else 1
        last = init if self.spectral else nn.initializers.zeros
        y = nn.leaky_relu(layer(Conv(inner, 1, kernel_init=init), x), _SLOPE)
        conv = Conv(inner, 3, padding=1, groups=groups, kernel_init=init)
        y = nn.leaky_relu(layer(conv, y), _SLOPE)
        return x + layer(Conv(features, 1, use_bias=False, kernel_init=last), y)


class Generator(nn.Module):
    """Latent [n, latent size] -> images [n, height, width, channels], not bounded.

    Attributes:
      shape: (height, width, channels) of the images.
      features: number of features of each stage, the smallest size first. The first is repeated
        if the images are halved more often.
      blocks: number of residual blocks per stage.
      expansion, group_size: see ResidualBlock. The paper uses 2 and 16; on a CPU an operation of a
        grouped convolution takes longer than one of a plain convolution (benchmarks/conv.py).
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: unused; the network does not depend on batch statistics.
    """

    shape: tuple[int, int, int]
    features: tuple[int, ...] = (96, 48, 16)
    blocks: int = 1
    expansion: int = 1
    group_size: int | None = None
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, label=None, *, train: bool) -> jax.Array:
        del train
        times, base = blocks.halvings(self.shape[:2])
        widths = stage_widths(self.features, times + 1)
        basis = self.param('basis', nn.initializers.normal(1.0), (1, *base, widths[0]))
        latent = conditional.with_class(latent, label, self.num_classes)
        scale = Dense(widths[0], use_bias=False, kernel_init=_linear)(latent)
        x = basis.astype(scale.dtype) * scale[:, None, None, :]
        for level, width in enumerate(widths):
            if level:
                if width != x.shape[-1]:
                    x = _pointwise(width)(x)
                x = blocks.upsample(x)
            for _ in range(self.blocks):
                x = ResidualBlock(self.expansion, self.group_size, self.blocks * len(widths))(x)
        x = _pointwise(self.shape[2])(x)
        return blocks.crop(x, self.shape[:2])


class Discriminator(nn.Module):
    """Images [n, height, width, channels] -> logits [n], large if they look real.

    Attributes:
      features, blocks, expansion, group_size: those of the generator, the smallest size first.
      spectral: whether every kernel is divided by its largest singular value.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: unused; the network does not depend on batch statistics.
    """

    features: tuple[int, ...] = (96, 48, 16)
    blocks: int = 1
    expansion: int = 1
    group_size: int | None = None
    spectral: bool = False
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: jax.Array, label=None, *, train: bool) -> jax.Array:
        def layer(module, x):
            return spectral.apply(module, x, normalize=self.spectral, train=train)

        times, base = blocks.halvings(images.shape[1:3])
        widths = stage_widths(self.features, times + 1)
        x = blocks.pad_to(images, (base[0] * 2**times, base[1] * 2**times))
        x = layer(_pointwise(widths[-1]), x)
        for level in range(times, -1, -1):
            for _ in range(self.blocks):
                depth = self.blocks * len(widths)
                block = ResidualBlock(self.expansion, self.group_size, depth, self.spectral)
                x = block(x, train=train)
            if level:
                x = blocks.downsample(x)
                if widths[level - 1] != x.shape[-1]:
                    x = layer(_pointwise(widths[level - 1]), x)
        # A depthwise convolution whose kernel covers the remaining size: one number per feature.
        init = nn.initializers.normal((base[0] * base[1]) ** -0.5)
        basis = self.param('basis', init, (1, *base, widths[0]))
        if self.spectral:  # Its singular values are the norms of the features.
            basis /= jnp.sqrt(jnp.max(jnp.sum(jnp.square(basis), axis=(0, 1, 2))))
        x = jnp.sum(x * basis, axis=(1, 2))
        logits = layer(Dense(1, use_bias=False, kernel_init=_linear), x)[:, 0]
        return conditional.projected(
            logits, x, label, self.num_classes, normalize=self.spectral, train=train
        )


def _pointwise(features: int) -> Conv:
    return Conv(features, 1, use_bias=False, kernel_init=_linear)


def stage_widths(features: tuple[int, ...], stages: int) -> tuple[int, ...]:
    """Returns the number of features of each stage, the smallest size first."""
    if stages <= len(features):
        return tuple(features[len(features) - stages :])
    return (features[0],) * (stages - len(features)) + tuple(features)
