"""The random mixing and the trained heads of a projected discriminator (Sauer et al. 2021).

A frozen network makes feature maps of an image. `mix` mixes the channels of each map, and then the
maps, from the deepest to the shallowest, by 1x1 convolutions that are drawn once and never trained.
A small head judges every mixed map.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from imggen.networks import spectral
from imggen.networks.conv.layers import Conv
from imggen.networks.layers import BatchNorm

_LARGEST_LAST = 8  # Heads halve a map until its shorter side is below this.


def draw_mixing(key: jax.Array, channels: Sequence[int], *, features: int) -> dict[str, Any]:
    """Draws the fixed kernels for maps of so many channels, the shallowest first.

    Returns:
      {'channels': kernels [channels, width], 'scales': kernels [width, next width]}, one of each
      for a map. Map i has width features * 2^i, and its next width is the width of map i - 1 (of
      map 0, its own). Entries are uniform with variance 1 / (3 fan in), PyTorch's default.
    """
    init = jax.nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')
    widths = [features * 2**index for index in range(len(channels))]
    shapes = [*zip(channels, widths, strict=True)]
    shapes += [*zip(widths, (features, *widths[:-1]), strict=True)]

    @jax.jit  # One small program in place of one for each shape.
    def draw(keys):
        return [init(key, shape) for key, shape in zip(keys, shapes, strict=True)]

    kernels = jax.device_get(draw(jax.random.split(key, len(shapes))))
    return {'channels': kernels[: len(channels)], 'scales': kernels[len(channels) :]}


def mix(mixing: dict[str, Any], maps: Sequence[jax.Array]) -> list[jax.Array]:
    """Mixes feature maps [n, h, w, channels], the shallowest first.

    y_i = S_i up(C_i x_i + y_(i+1)), where C_i and S_i are the two kernels of map i. `up` enlarges
    to the size of map i - 1; it doubles map 0.

    Returns:
      As many maps [n, h', w', next width], in the same order.
    """
    sizes = [maps[0].shape[1] * 2, *(each.shape[1] for each in maps)]
    mixed = []
    for index in reversed(range(len(maps))):
        y = maps[index] @ mixing['channels'][index]
        y = y + mixed[-1] if mixed else y
        # The 1x1 convolution commutes with the enlargement, and is cheaper before it.
        y = y @ mixing['scales'][index]
        size = (sizes[index], sizes[index] * maps[index].shape[2] // maps[index].shape[1])
        mixed.append(jax.image.resize(y, (y.shape[0], *size, y.shape[3]), 'linear'))
    return mixed[::-1]


class Heads(nn.Module):
    """Mixed maps -> logits [n, k], large if they look real.

    Each map has a head: spectrally normalized 4x4 convolutions with stride 2 and batch
    normalization until the map is below 8 pixels, and a convolution to one channel. Maps need 2
    pixels a side.

    Attributes:
      features: F, the number of features of the mixing. The last convolution before the logits has
        8 F features, and each one before it has half as many as the next.
      axis_name: the pmap axis over which batch statistics are computed.
    """

    features: int = 64
    axis_name: str | None = None

    @nn.compact
    def __call__(self, maps: Sequence[jax.Array], *, train: bool) -> jax.Array:
        def layer(module, x):
            return spectral.apply(module, x, normalize=True, train=train)

        logits = []
        for x in maps:
            side = min(x.shape[1:3])
            halvings = max(1, int(np.log2(side / _LARGEST_LAST)) + 1)
            for left in reversed(range(halvings)):
                width = max(1, 8 * self.features // 2**left)
                x = layer(Conv(width, 4, stride=2, padding=1, use_bias=False), x)
                x = BatchNorm(
                    use_running_average=not train, momentum=0.9, axis_name=self.axis_name
                )(x)
                x = nn.leaky_relu(x, 0.2)
            kernel = tuple(min(4, side) for side in x.shape[1:3])
            logits.append(layer(Conv(1, kernel, padding=0), x).reshape(len(x), -1))
        return jnp.concatenate(logits, axis=1)
