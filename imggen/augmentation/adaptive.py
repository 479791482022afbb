"""Augmentation of what a discriminator sees, at a strength that follows its overfitting.

Reals and fakes are augmented alike, in both players' losses, so that the generator
is never asked for augmented images. Where the discriminator is sure of nearly all of
its real images it has begun to learn them by heart; the probability then rises, and
falls otherwise (Karras et al. 2020, section 3.2):

  r = mean sign(D(T(x)))     p <- p + sign(r - target) images seen / adaptation_images

Of a loss that knows differences of logits alone (relativistic, Wasserstein), r is the mean
sign(D(T(x)) - D(T(g))) over its pairs.
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
      kinds: names from differentiable.KINDS; () for no augmentation.
      probability: with which each kind happens to an image; at the start, where it adapts.
      target: the r at which the probability stays as it is, 0.6 in the paper; 0 for a
        fixed probability.
      adaptation_images: images in which the probability can go from 0 to 1.
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
    """The controller's state, scalars float32.

    Attributes:
      probability: with which each kind happens.
      sign_sum: of mean sign(D(x)) over the steps since the last change.
    """

    probability: jax.Array
    sign_sum: jax.Array


def start(augmentation: Augmentation) -> Control:
    """Returns the controller's first state."""
    return Control(jnp.float32(augmentation.probability), jnp.float32(0.0))


def adapt(
    control: Control,
    augmentation: Augmentation,
    sign: jax.Array,
    step: jax.Array,
    *,
    images_per_step: int,
) -> Control:
    """Takes in one step; every fourth changes the probability.

    Args:
      control: the state before.
      augmentation: the options.
      sign: r of this step, over the whole batch.
      step: its number.
      images_per_step: real images of a step.
    """
    total = control.sign_sum + sign
    images = images_per_step * _EVERY_STEPS
    change = jnp.sign(total / _EVERY_STEPS - augmentation.target)
    changed = control.probability + change * images / augmentation.adaptation_images
    turn = step % _EVERY_STEPS == _EVERY_STEPS - 1
    return Control(
        probability=jnp.where(turn, jnp.clip(changed, 0.0, 1.0), control.probability),
        sign_sum=jnp.where(turn, 0.0, total),
    )
