"""Conditions a generator or a discriminator on a class.

Both functions are called inside a compact module, with labels int32 [n] in [0, num_classes). With
`num_classes` 0 they add no parameters and return their input.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import spectral
from imggen.networks.layers import Embed


def with_class(latent: jax.Array, label: jax.Array | None, num_classes: int) -> jax.Array:
    """Appends the learned vector of the class to a latent [n, d]: [n, 2 d]."""
    if not num_classes:
        return latent
    vectors = Embed(num_classes, latent.shape[-1], embedding_init=nn.initializers.normal(1.0))
    return jnp.concatenate([latent, vectors(label)], axis=-1)


def projected(
    logits: jax.Array,
    features: jax.Array,
    label: jax.Array | None,
    num_classes: int,
    *,
    normalize: bool,
    train: bool,
) -> jax.Array:
    """Adds <v(label), features> to logits [n], Miyato and Koyama 2018, eq. 3.

    Args:
      logits: [n], a linear function of the features.
      features: [n, d].
      label: int32 [n].
      num_classes: number of classes; 0 returns the logits unchanged.
      normalize, train: arguments of `spectral.apply` for the table of the vectors v.
    """
    if not num_classes:
        return logits
    init = nn.initializers.normal(features.shape[-1] ** -0.5)
    vectors = Embed(num_classes, features.shape[-1], embedding_init=init)
    vectors = spectral.apply(vectors, label, normalize=normalize, train=train)
    return logits + jnp.sum(vectors * features, axis=-1)
