"""Spectral normalisation (Miyato et al. 2018): kernels divided by their largest singular value.

`flax.linen.SpectralNorm` does the work, with one power iteration a training step. Its
vectors lie in the collection 'batch_stats', as running means do.
"""

import jax
from flax import linen as nn


def apply(layer: nn.Module, x: jax.Array, *, normalise: bool, train: bool) -> jax.Array:
    """Returns layer(x); with `normalise`, of a layer whose kernel has spectral norm 1.

    A convolution's kernel counts as the matrix [height * width * channels, features].
    Called inside a compact module; the layer's parameters are named as without it.
    """
    return nn.SpectralNorm(layer)(x, update_stats=train) if normalise else layer(x)
