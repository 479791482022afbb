"""A read-out of hypercolumns: what one network knows at each pixel, in all of its layers.

A hypercolumn (Hariharan et al. 2015) stacks the activations of many layers above a pixel. The first
dense layer on it is a sum of dense layers on the maps, and a dense layer commutes with the resizing
of its map. So each map is reduced at its own size, and no column of thousands of channels is made.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks.layers import Dense


class Readout(nn.Module):
    """Maps [n, h_l, w_l, c_l], the largest first -> [n, h_0, w_0, outputs].

    relu(b + sum_l resize(W_l x_l)), followed by one dense layer. A sum of small maps is enlarged
    bilinearly before the next larger one is added. Each map of each image is divided by its root
    mean square, since the layers of a network differ by orders of magnitude.

    Attributes:
      outputs: number of channels at each pixel.
      features: number of features between the two layers.
    """

    outputs: int
    features: int = 128

    @nn.compact
    def __call__(self, maps: Sequence[jax.Array]) -> jax.Array:
        init = nn.initializers.variance_scaling(2.0 / len(maps), 'fan_in', 'normal')
        x = self.param('bias', nn.initializers.zeros, (self.features,))[None, None, None]
        for index, one in reversed(list(enumerate(maps))):
            one = one * jax.lax.rsqrt(jnp.mean(jnp.square(one), (1, 2, 3), keepdims=True) + 1e-8)
            dense = Dense(self.features, use_bias=False, kernel_init=init, name=f'map{index}')
            shape = (*one.shape[:3], self.features)
            x = jax.image.resize(x, shape, 'linear') + dense(one)
        return Dense(self.outputs, name='last')(nn.relu(x))
