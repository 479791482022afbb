"""A residual network that enlarges images, without batch normalization.

It follows MSRResNet, which is SRResNet (Ledig et al. 2017) without normalization. With 64 features,
16 blocks and upsampling 'steps' it has the published 1,517,571 parameters at scale 4. It learns the
difference to the bicubic enlargement, its output before training; the published network has the
bilinear one there.
"""

import math
from typing import Literal

import jax
from flax import linen as nn

from imggen import options
from imggen.networks.conv.layers import Conv

UPSAMPLING = {
    'steps': 'doubles the size once or twice, with convolutions at full size',
    'direct': 'goes from features to pixels in one step, without convolutions at full size',
}
# He's with a tenth of the standard deviation, so that residual branches start small.
_small = nn.initializers.variance_scaling(2.0 * 0.1**2, 'fan_in', 'normal')
_he = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')


class SuperResolution(nn.Module):
    """Images [n, height, width, channels] -> [n, scale * height, scale * width, channels].

    The output is not bounded.

    Attributes:
      scale: 2 or 4.
      features: number of features of all layers.
      blocks: number of residual blocks.
      upsampling: one of UPSAMPLING. With 'direct' all convolutions work at the small size, where
        each costs 1 / scale^2 of one at full size.
    """

    scale: int = 4
    features: int = 64
    blocks: int = 16
    upsampling: Literal['steps', 'direct'] = 'steps'

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        options.choose(UPSAMPLING, self.upsampling, where='upsampling')
        channels = images.shape[-1]
        first = nn.relu(Conv(self.features, 3, kernel_init=_he)(images))
        x = first
        for _ in range(self.blocks):
            y = nn.relu(Conv(self.features, 3, kernel_init=_small)(x))
            x = x + Conv(self.features, 3, kernel_init=_small)(y)
        last = {'kernel_init': nn.initializers.zeros}
        if self.upsampling == 'direct':
            x = Conv(channels * self.scale**2, 3, **last)(x + first)
            x = pixel_shuffle(x, self.scale)
        else:
            for _ in range(round(math.log2(self.scale))):
                x = Conv(4 * self.features, 3, kernel_init=_small)(x)
                x = nn.leaky_relu(pixel_shuffle(x, 2), 0.1)
            x = nn.leaky_relu(Conv(self.features, 3, kernel_init=_small)(x), 0.1)
            x = Conv(channels, 3, **last)(x)
        return enlarge(images, self.scale) + x


def pixel_shuffle(x: jax.Array, scale: int) -> jax.Array:
    """Turns features into pixels: [n, h, w, scale^2 c] -> [n, scale h, scale w, c].

    The features of a pixel become a block of scale x scale pixels, in the order (row, column,
    channel).
    """
    n, height, width, features = x.shape
    x = x.reshape(n, height, width, scale, scale, features // scale**2)
    x = x.transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, scale * height, scale * width, -1)


def enlarge(images: jax.Array, scale: int, *, method: str = 'cubic') -> jax.Array:
    """Enlarges [n, height, width, channels] by a `method` of `jax.image.resize`.

    'cubic' is the kernel of Keys with a = -1/2, the bicubic of MATLAB and Pillow.
    """
    n, height, width, channels = images.shape
    return jax.image.resize(images, (n, scale * height, scale * width, channels), method)
