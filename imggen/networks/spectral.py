"""Spectral normalization (Miyato et al. 2018): kernels divided by their largest singular value.

`flax.linen.SpectralNorm` does the work, with one power iteration a training step. Its
vectors lie in the collection 'batch_stats', as running means do, under the layer's name: a
network that calls some of its layers only (networks/growing.py) finds each one's own.
"""

import jax
from flax import linen as nn


def apply(layer: nn.Module, x: jax.Array, *, normalize: bool, train: bool) -> jax.Array:
    """Returns layer(x); with `normalize`, of a layer whose kernel has spectral norm 1.

    A convolution's kernel counts as the matrix [height * width * channels, features], an
    embedding's table as it is. Called inside a compact module; the layer's parameters are
    named as without it.
    """
    if not normalize:
        return layer(x)
    return nn.SpectralNorm(layer, name=f'{layer.name}_spectral')(x, update_stats=train)
