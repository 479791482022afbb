"""The PatchGAN discriminator of pix2pix (Isola et al. 2017): one logit per patch.

The network is convolutional: every logit depends on one square of the image only. With 3 strided
layers the square is 70 pixels wide, and with 6 input channels (input and output together) the
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
    """Images [n, height, width, channels] -> logits [n, rows, columns], large for real patches.

    Attributes:
      features: number of features of the first layer; it doubles with each layer, up to eightfold.
      layers: number of convolutions with stride 2, which two with stride 1 follow. A patch is 1,
        16, 34, 70, 142, ... pixels wide with 0, 1, 2, ... layers; with 0 all convolutions are 1x1.
      norm: 'batch', 'instance' or 'none'; the first and the last layer are not normalized.
      axis_name: the pmap axis over which batch statistics are computed.
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
                f'a discriminator with layers={self.layers} needs images of at least '
                f'{smallest_side(self.layers)} pixels per side, not {height}x{width}: lower '
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


def smallest_side(layers: int) -> int:
    """Returns the smallest side in pixels of an image for which there is a logit."""
    return 3 * 2**layers if layers else 1
