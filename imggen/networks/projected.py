"""The trained part of a projected discriminator (Sauer et al. 2021), and the fixed random part.

A frozen network makes feature maps of an image. They are mixed by 1x1 convolutions that are drawn
once and never trained: `mix` mixes the channels of each map, and then the maps, from the deepest
to the shallowest. A small head judges every mixed map.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from imggen.networks import spectral
from imggen.networks.conv.layers import Conv

_LARGEST_LAST = 8  # Heads halve a map until its shorter side is below this.


def draw_mixing(key: jax.Array, channels: Sequence[int], *, features: int) -> dict[str, Any]:
    """Draws the fixed kernels for maps of so many channels, the shallowest first.

    Returns:
      {'channels': kernels [channels, width], 'scales': kernels [width, next width]}, one a map,
      where map i has the width features * 2^i, and the next width is that of the map before it.
      Entries are uniform, with variance 1 / (3 fan in), as PyTorch's layers start.
    """
    init = jax.nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')
    widths = [features * 2**index for index in range(len(channels))]
    shapes = [*zip(channels, widths, strict=True)]
    shapes += [*zip(widths, (features, *widths[:-1]), strict=True)]
    keys = jax.random.split(key, len(shapes))
    kernels = [np.asarray(init(k, shape)) for k, shape in zip(keys, shapes, strict=True)]
    return {'channels': kernels[: len(channels)], 'scales': kernels[len(channels) :]}


def mix(mixing: dict[str, Any], maps: Sequence[jax.Array]) -> list[jax.Array]:
    """Mixes feature maps [n, h, w, channels], the shallowest first.

    With C and S the two kernels of a map, y_i = S_i up(C_i x_i + y_(i+1)), where `up` enlarges
    to the size of the next shallower map and, at the shallowest, to twice its size.

    Returns:
      Maps [n, h', w', width] of the same number, each as large as the next shallower input.
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
    normalization until the map is below 8 pixels, and a convolution to one channel.

    Attributes:
      features: the F of the mixing. The last convolution before the logits has 8 F features, and
        each one before it has half as many as the next.
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
                x = nn.BatchNorm(
                    use_running_average=not train, momentum=0.9, axis_name=self.axis_name
                )(x)
                x = nn.leaky_relu(x, 0.2)
            kernel = tuple(min(4, side) for side in x.shape[1:3])
            logits.append(layer(Conv(1, kernel, padding=0), x).reshape(len(x), -1))
        return jnp.concatenate(logits, axis=1)
