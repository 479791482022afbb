"""The PatchGAN discriminator of pix2pix (Isola et al. 2017): one verdict a patch.

It is convolutional: every logit sees a square of the picture, and no more. With 3 strided
layers that square has 70 pixels a side, and from 6 channels (input and output together) the
network has 2,768,705 parameters.
"""

import jax
from flax import linen as nn

from imggen.errors import UserError
from imggen.networks.conv.layers import Conv
from imggen.networks.normalization import Kind, Normalize, Statistics

_WIDEST = 8
_init = nn.initializers.normal(0.02)


class PatchGAN(nn.Module):
    """Pictures [n, height, width, channels] -> logits [n, rows, columns]: large where real.

    Attributes:
      features: of the first layer; they double with each, up to eightfold.
      layers: convolutions with stride 2. Two with stride 1 follow. 0 makes it look at single
        pixels, by convolutions of 1x1.
      norm: 'batch', 'instance' or 'none'; the first and the last layer have none.
      axis_name: the pmap axis over which batch statistics are taken.
    """

    features: int = 64
    layers: int = 3
    norm: Kind = 'batch'
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: jax.Array, *, statistics: Statistics) -> jax.Array:
        height, width = images.shape[1:3]
        if min(height, width) < smallest_side(self.layers):
            raise UserError(
                f'a discriminator with layers={self.layers} needs pictures of at least '
                f'{smallest_side(self.layers)} pixels a side, not {height}x{width}: lower '
                'config.method.discriminator.layers.'
            )
        size, padding = (4, 1) if self.layers else (1, 0)
        x = images
        for layer in range(max(self.layers, 1) + 1):
            normalized = layer > 0
            x = Conv(
                self.features * min(2**layer, _WIDEST),
                size,
                stride=2 if layer < self.layers else 1,
                padding=padding,
                use_bias=not normalized or self.norm == 'none',
                kernel_init=_init,
            )(x)
            if normalized:
                x = Normalize(self.norm, self.axis_name)(x, statistics=statistics)
            x = nn.leaky_relu(x, 0.2)
        return Conv(1, size, padding=padding, kernel_init=_init)(x)[..., 0]


def receptive_field(layers: int) -> int:
    """Returns the side in pixels of the square that one logit sees: 1, 16, 34, 70, 142, ..."""
    if not layers:
        return 1
    side = 1
    for stride in (1, 1, *(2,) * layers):  # From the last layer to the first, 4x4 each.
        side = (side - 1) * stride + 4
    return side


def smallest_side(layers: int) -> int:
    """Returns the fewest pixels a side of which a logit is left."""
    return 3 * 2**layers if layers else 1
