"""LPIPS: a learned perceptual distance between two images.

Zhang et al., 'The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric', 2018, version 0.1: ImageNet VGG16 or AlexNet with the published linear heads.
Images are float32 [n, height, width, 1 or 3] in [-1, 1]. They are compared at their own size.
"""

from collections.abc import Mapping
from typing import Any, Literal

import jax

from imggen.errors import UserError
from imggen.features import alexnet, layers, vgg16
from imggen.losses import perceptual

Network = Literal['vgg16', 'alexnet']
_NETWORKS = {'vgg16': vgg16, 'alexnet': alexnet}
MIN_SIDES = {'alexnet': alexnet.MIN_SIDE, 'vgg16': 16}  # Of images, in pixels.


def load(network: Network) -> Mapping[str, Any]:
    """Returns the parameters of LPIPS over one network: {network: ..., 'heads': ...}.

    'vgg16' is meant as a loss; 'alexnet' is the metric that papers report.

    Raises:
      UserError: the network is unknown, or its weights are not installed.
    """
    if network not in _NETWORKS:
        raise UserError(f'LPIPS has no network {network!r}; choose {" or ".join(_NETWORKS)}.')
    module = _NETWORKS[network]
    return {network: module.pretrained(), 'heads': module.lpips_heads()}


def lpips(
    params: Mapping[str, Any], a: jax.Array, b: jax.Array, *, sizes: jax.Array | None = None
) -> jax.Array:
    """Returns the distance of each image in `a` to its partner in `b`: float32 [n], 0 if equal.

    The equation is that of `losses.perceptual.lpips_maps`.

    Args:
      params: from `load`.
      a, b: float32 [n, height, width, 1 or 3] in [-1, 1].
      sizes: int [n, 2], height and width of each pair, if they are padded at the bottom and on
        the right. The distance is that of the images without their padding.

    Raises:
      ValueError: the shapes differ.
      UserError: the images are too small for the network.
    """
    if a.shape != b.shape:
        raise ValueError(f'LPIPS compares images of one shape, not {a.shape} and {b.shape}.')
    [network] = set(params) - {'heads'}
    heads = params['heads']
    with jax.default_matmul_precision('highest'):
        module, extents = _NETWORKS[network], {}
        if sizes is not None:
            extents = module.extents(sizes)
        of_a, of_b = (
            module.activations(params[network], images, tuple(heads), sizes=sizes)
            for images in (a, b)
        )
        maps = perceptual.lpips_maps(of_a, of_b, heads=heads)
        return sum(layers.mean_inside(maps[name], extents.get(name)) for name in maps)
