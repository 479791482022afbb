"""Adversarial losses on logits, and the penalties on a critic's gradients.

Notation: x real, g = G(z) generated, D the critic without a final sigmoid.
Every function maps logits float32 [n] to losses float32 [n]; the caller takes
the mean. softplus(t) = log(1 + exp(t)), so -log sigmoid(t) = softplus(-t).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

softplus = jax.nn.softplus


class Loss(NamedTuple):
    """The two sides of a game: each (real logits [n], fake logits [n]) -> losses [n].

    Attributes:
      discriminator, generator: the sides.
      relative: whether only differences of logits count, so that 0 says nothing.
    """

    discriminator: Callable[[jax.Array, jax.Array], jax.Array]
    generator: Callable[[jax.Array, jax.Array], jax.Array]
    relative: bool = False


def binary_cross_entropy(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(x)) - log(1 - sigmoid(D(g))), Goodfellow et al. 2014, eq. 1."""
    return softplus(-real) + softplus(fake)


def minimax(real: jax.Array, fake: jax.Array) -> jax.Array:
    """log(1 - sigmoid(D(g))): the game as stated; vanishes where the critic is sure."""
    del real
    return -softplus(fake)


def nonsaturating(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(g)), Goodfellow et al. 2014, section 3."""
    del real
    return softplus(-fake)


def least_squares_critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """((D(x) - 1)^2 + D(g)^2) / 2, Mao et al. 2017, eq. 9."""
    return (jnp.square(real - 1.0) + jnp.square(fake)) / 2.0


def least_squares(real: jax.Array, fake: jax.Array) -> jax.Array:
    """(D(g) - 1)^2 / 2, Mao et al. 2017, eq. 9."""
    del real
    return jnp.square(fake - 1.0) / 2.0


def wasserstein_critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """D(g) - D(x), Arjovsky et al. 2017, eq. 2; needs a Lipschitz critic."""
    return fake - real


def wasserstein(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-D(g), Arjovsky et al. 2017."""
    del real
    return -fake


def hinge_critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """max(0, 1 - D(x)) + max(0, 1 + D(g)), Lim and Ye 2017; Miyato et al. 2018, eq. 16."""
    return jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)


def relativistic_critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(x) - D(g)): the i-th real against the i-th generated image.

    Jolicoeur-Martineau 2018; Huang et al. 2024, eq. 2.
    """
    return softplus(fake - real)


def relativistic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(g) - D(x)), Huang et al. 2024."""
    return softplus(real - fake)


LOSSES = {
    'minimax': Loss(binary_cross_entropy, minimax),
    'nonsaturating': Loss(binary_cross_entropy, nonsaturating),
    'least_squares': Loss(least_squares_critic, least_squares),
    'wasserstein': Loss(wasserstein_critic, wasserstein, relative=True),
    'hinge': Loss(hinge_critic, wasserstein),
    'relativistic': Loss(relativistic_critic, relativistic, relative=True),
}


def squared_gradient_norm(critic, images: jax.Array):
    """Returns a critic's answer with ||grad_x D(x)||^2 of each image.

    gamma / 2 times its mean is the penalty R1 on real images (Mescheder et al.
    2018, eq. 9) and R2 on generated ones.

    Args:
      critic: images -> (logits [n], anything else it returns).
      images: [n, height, width, channels].

    Returns:
      logits [n], squared norms summed over height, width and channels [n], and
      what else the critic returned.
    """
    logits, pullback, rest = jax.vjp(critic, images, has_aux=True)
    (gradients,) = pullback(jnp.ones_like(logits))
    return logits, jnp.sum(jnp.square(gradients), axis=(1, 2, 3)), rest


def penalized(critic, images: jax.Array, gamma: float, scale: jax.Array):
    """Returns a critic's answer with the penalty R1 or R2 of each image.

    scale gamma / 2 ||grad_x D(x)||^2

    Args:
      critic: images -> (logits [n], anything else it returns).
      images: [n, height, width, channels].
      gamma: the weight; at 0 no gradient is taken.
      scale: a scalar that the weight is multiplied with.

    Returns:
      logits [n], penalties [n], and what else the critic returned.
    """
    if gamma == 0:
        logits, rest = critic(images)
        return logits, jnp.zeros_like(logits), rest
    logits, norms, rest = squared_gradient_norm(critic, images)
    return logits, gamma / 2.0 * scale * norms, rest


def slope_penalty(critic, keys: jax.Array, real: jax.Array, fake: jax.Array) -> jax.Array:
    """(||grad_y D(y)|| - 1)^2 at y = u x + (1 - u) g, u uniform: Gulrajani et al. 2017, eq. 3.

    Args:
      critic: images -> (logits [n], anything else it returns).
      keys: one an image [n], for u.
      real, fake: [n, height, width, channels].

    Returns:
      penalties [n].
    """
    u = jax.vmap(jax.random.uniform)(keys)[:, None, None, None]
    _, norms, _ = squared_gradient_norm(critic, u * real + (1.0 - u) * fake)
    # The root has no derivative at 0, where a critic that is constant starts.
    return jnp.square(jnp.sqrt(norms + 1e-12) - 1.0)
