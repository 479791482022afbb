"""Spectral normalization (Miyato et al. 2018) divides kernels by their largest singular value.

It uses `flax.linen.SpectralNorm`, with one power iteration per training step. Its vectors lie in
the collection 'batch_stats' under the name of the layer, so that a network that calls only some of
its layers (networks/growing.py) finds the right ones.
"""

import jax
from flax import linen as nn


def apply(layer: nn.Module, x: jax.Array, *, normalize: bool, train: bool) -> jax.Array:
    """Returns layer(x), where the kernel of the layer has spectral norm 1 if `normalize` is set.

    The kernel of a convolution is treated as the matrix [height * width * channels, features], and
    the table of an embedding as it is. Call it inside a compact module. The parameters of the layer
    have the same names with and without normalization.
    """
    if not normalize:
        return layer(x)
    return nn.SpectralNorm(layer, name=f'{layer.name}_spectral')(x, update_stats=train)
