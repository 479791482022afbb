"""Adversarial losses on logits, and penalties on the gradient of the discriminator.

Notation: x is a real image, g = G(z) a generated one, D the discriminator without a final sigmoid.
The losses map logits float32 [n, ...] to losses of the same shape; the caller takes the mean.
softplus(t) = log(1 + exp(t)), so -log sigmoid(t) = softplus(-t).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

softplus = jax.nn.softplus


class Loss(NamedTuple):
    """The losses of both networks: each maps (real logits [n], fake logits [n]) to losses [n].

    Attributes:
      discriminator, generator: the two losses.
      relative: whether the discriminator's loss depends on differences of logits only, so that
        the sign of a single logit has no meaning.
      has_scale: whether the gap between real and fake logits can be compared with a constant.
        False for Wasserstein losses, which are linear in the logits.
    """

    discriminator: Callable[[jax.Array, jax.Array], jax.Array]
    generator: Callable[[jax.Array, jax.Array], jax.Array]
    relative: bool = False
    has_scale: bool = True


def binary_cross_entropy(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(x)) - log(1 - sigmoid(D(g))), Goodfellow et al. 2014, eq. 1."""
    return softplus(-real) + softplus(fake)


def minimax(real: jax.Array, fake: jax.Array) -> jax.Array:
    """log(1 - sigmoid(D(g))), Goodfellow et al. 2014, eq. 1.

    Its gradient vanishes where the discriminator is confident.
    """
    del real
    return -softplus(fake)


def nonsaturating(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(g)), Goodfellow et al. 2014, section 3."""
    del real
    return softplus(-fake)


def least_squares_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """((D(x) - 1)^2 + D(g)^2) / 2, Mao et al. 2017, eq. 9."""
    return (jnp.square(real - 1.0) + jnp.square(fake)) / 2.0


def least_squares(real: jax.Array, fake: jax.Array) -> jax.Array:
    """(D(g) - 1)^2 / 2, Mao et al. 2017, eq. 9."""
    del real
    return jnp.square(fake - 1.0) / 2.0


def wasserstein_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """D(g) - D(x), Arjovsky et al. 2017, eq. 2; D must be Lipschitz continuous."""
    return fake - real


def wasserstein(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-D(g), Arjovsky et al. 2017."""
    del real
    return -fake


def hinge_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """max(0, 1 - D(x)) + max(0, 1 + D(g)), Lim and Ye 2017; Miyato et al. 2018, eq. 16."""
    return jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)


def relativistic_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(x) - D(g)), which pairs the i-th real image with the i-th generated one.

    Jolicoeur-Martineau 2018; Huang et al. 2024, eq. 2.
    """
    return softplus(fake - real)


def relativistic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(D(g) - D(x)), Huang et al. 2024."""
    return softplus(real - fake)


LOSSES = {
    'minimax': Loss(binary_cross_entropy, minimax),
    'nonsaturating': Loss(binary_cross_entropy, nonsaturating),
    'least_squares': Loss(least_squares_discriminator, least_squares),
    'wasserstein': Loss(wasserstein_discriminator, wasserstein, relative=True, has_scale=False),
    'hinge': Loss(hinge_discriminator, wasserstein),
    'relativistic': Loss(relativistic_discriminator, relativistic, relative=True),
}


def smooth_labels(loss: Loss, smoothing: float) -> Loss:
    """Trains the discriminator towards the label 1 - smoothing for real images.

    One-sided label smoothing, Salimans et al. 2016, section 3.4: the discriminator's loss becomes
    (1 - smoothing) L(D(x), D(g)) + smoothing L(-D(x), D(g)). It needs a loss in which -D(x) stands
    for the other label: cross entropy or hinge.
    """
    if not smoothing:
        return loss

    def discriminator(real, fake):
        kept, turned = loss.discriminator(real, fake), loss.discriminator(-real, fake)
        return (1.0 - smoothing) * kept + smoothing * turned

    return loss._replace(discriminator=discriminator)


# The loss of vision-aided discriminators: Kumari et al. 2022.
SMOOTHED = smooth_labels(LOSSES['nonsaturating'], 0.2)


def squared_gradient_norm(discriminator, images: jax.Array):
    """Returns the logits of a discriminator and ||grad_x D(x)||^2 of each image.

    gamma / 2 times its mean is the penalty R1 on real images (Mescheder et al. 2018, eq. 9) and
    R2 on generated ones.

    Args:
      discriminator: images -> (logits [n], auxiliary output).
      images: [n, height, width, channels].

    Returns:
      logits [n], squared norms summed over height, width and channels [n], and the auxiliary
      output.
    """
    logits, pullback, auxiliary = jax.vjp(discriminator, images, has_aux=True)
    (gradients,) = pullback(jnp.ones_like(logits))
    return logits, jnp.sum(jnp.square(gradients), axis=(1, 2, 3)), auxiliary


def zero_centered_gradient_penalty(discriminator, images: jax.Array, gamma: float, scale):
    """Returns the logits of a discriminator and the penalty R1 or R2 of each image.

    scale gamma / 2 ||grad_x D(x)||^2

    Args:
      discriminator, images: as in `squared_gradient_norm`.
      gamma: the weight. With 0 no gradient is computed, and logits may have any shape.
      scale: a scalar that multiplies the weight; it may be traced.

    Returns:
      logits [n], penalties [n], and the auxiliary output.
    """
    if gamma == 0:
        logits, auxiliary = discriminator(images)
        return logits, jnp.zeros_like(logits), auxiliary
    logits, norms, auxiliary = squared_gradient_norm(discriminator, images)
    return logits, gamma / 2.0 * scale * norms, auxiliary


def gradient_penalty(
    discriminator, image_keys: jax.Array, real: jax.Array, fake: jax.Array
) -> jax.Array:
    """(||grad_y D(y)|| - 1)^2 at y = u x + (1 - u) g, u uniform: Gulrajani et al. 2017, eq. 3.

    Args:
      discriminator: images -> (logits [n], auxiliary output).
      image_keys: keys [n], from which u is drawn.
      real, fake: [n, height, width, channels].

    Returns:
      penalties [n].
    """
    u = jax.vmap(jax.random.uniform)(image_keys)[:, None, None, None]
    _, norms, _ = squared_gradient_norm(discriminator, u * real + (1.0 - u) * fake)
    # The root has no derivative at 0, where a constant discriminator starts.
    return jnp.square(jnp.sqrt(norms + 1e-12) - 1.0)
