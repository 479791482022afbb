"""Augmentation of the input of a discriminator, with a strength that follows its overfitting.

Real and generated images are augmented alike, in the losses of both networks, so that the
generator does not learn to make augmented images. If the discriminator is certain of nearly all
its real images, it has begun to memorize them, and the probability of augmentation rises.
Otherwise it falls (Karras et al. 2020, section 3.2):

  r = mean sign(D(T(x)))     p <- p + sign(r - target) images seen / adaptation_images

For losses that use only differences of logits (relativistic, Wasserstein), r is the mean of
sign(D(T(x)) - D(T(g))) over pairs.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

from imggen.augmentation import discriminator
from imggen.errors import UserError

_EVERY_STEPS = 4

augment = discriminator.augment


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Options of `config.method.augment`.

    Attributes:
      kinds: names from discriminator.KINDS; () for no augmentation.
      probability: probability that a kind is applied to an image; its initial value if it
        adapts.
      target: the value of r that the probability is steered to, 0.6 in the paper; 0 keeps the
        probability fixed.
      adaptation_images: number of images in which the probability can rise from 0 to 1.
    """

    kinds: tuple[str, ...] = ()
    probability: float = 1.0
    target: float = 0.0
    adaptation_images: float = 500_000.0

    def __post_init__(self):
        discriminator.check(self.kinds)
        if not 0.0 <= self.probability <= 1.0:
            raise UserError(
                f'config.method.augment.probability is {self.probability}; set it from 0 to 1.'
            )
        if self.target and not self.kinds:
            raise UserError('config.method.augment.target needs config.method.augment.kinds.')


@struct.dataclass
class Control:
    """The controller's state, float32 scalars.

    Attributes:
      probability: probability that a kind is applied to an image.
      sign_sum: sum of r over the steps since the last change.
    """

    probability: jax.Array
    sign_sum: jax.Array


def start(augmentation: Augmentation) -> Control:
    """Returns the initial state of the controller."""
    return Control(jnp.float32(augmentation.probability), jnp.float32(0.0))


def adapt(
    control: Control,
    augmentation: Augmentation,
    sign: jax.Array,
    step: jax.Array,
    *,
    images_per_step: int,
) -> Control:
    """Updates the controller; every fourth step changes the probability.

    Args:
      control, augmentation: the state before, and the options.
      sign: r of this step, over the whole batch.
      step: number of steps before this one.
      images_per_step: number of real images in a step.
    """
    total = control.sign_sum + sign
    images = images_per_step * _EVERY_STEPS
    change = jnp.sign(total / _EVERY_STEPS - augmentation.target)
    changed = control.probability + change * images / augmentation.adaptation_images
    is_due = step % _EVERY_STEPS == _EVERY_STEPS - 1
    return Control(
        probability=jnp.where(is_due, jnp.clip(changed, 0.0, 1.0), control.probability),
        sign_sum=jnp.where(is_due, 0.0, total),
    )
