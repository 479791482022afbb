"""Reconstruction errors of images, and the divergence of codes from their prior.

Images are float32 [n, height, width, channels]. Every function returns one number per image,
float32 [n].
"""

import math

import jax
import jax.numpy as jnp


def squared(images: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean over pixels and channels of (x - y)^2."""
    return jnp.mean(jnp.square(images - targets), axis=(1, 2, 3))


def absolute(images: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean over pixels and channels of |x - y|."""
    return jnp.mean(jnp.abs(images - targets), axis=(1, 2, 3))


def negative_log_likelihood(images: jax.Array, means: jax.Array, deviation: float) -> jax.Array:
    """-log N(x; mean, deviation^2) in nats, summed over pixels and channels.

    (x - mean)^2 / (2 deviation^2) + log(deviation) + log(2 pi) / 2
    """
    constant = math.log(deviation) + math.log(2.0 * math.pi) / 2.0
    values = jnp.square(images - means) / (2.0 * deviation**2) + constant
    return jnp.sum(values, axis=(1, 2, 3))


def divergence(means: jax.Array, log_variances: jax.Array) -> jax.Array:
    """KL(N(mean, variance) || N(0, 1)) in nats, summed over codes [n, d]: [n].

    (mean^2 + variance - log variance - 1) / 2, Kingma and Welling 2014, appendix B.
    """
    terms = jnp.square(means) + jnp.exp(log_variances) - log_variances - 1.0
    return jnp.sum(terms, axis=1) / 2.0
