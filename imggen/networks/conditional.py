"""Conditions on a class: what a generator and a discriminator know of the label.

Both are called inside a compact module, with labels int32 [n] in [0, num_classes).
Without classes there are no parameters and nothing changes.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import spectral


def with_class(latent: jax.Array, label: jax.Array | None, num_classes: int) -> jax.Array:
    """Appends the class's learned vector to a latent [n, d]: [n, 2 d]."""
    if not num_classes:
        return latent
    vectors = nn.Embed(num_classes, latent.shape[-1], embedding_init=nn.initializers.normal(1.0))
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
    """Adds <v(label), features> to logits [n]: Miyato and Koyama 2018, eq. 3.

    `features` are [n, d], those that the unconditional logit is linear in; `normalize`
    and `train` are spectral.apply's, for the table of the v.
    """
    if not num_classes:
        return logits
    init = nn.initializers.normal(features.shape[-1] ** -0.5)
    vectors = nn.Embed(num_classes, features.shape[-1], embedding_init=init)
    vectors = spectral.apply(vectors, label, normalize=normalize, train=train)
    return logits + jnp.sum(vectors * features, axis=-1)
