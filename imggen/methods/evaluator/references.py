"""References: real pictures that a generator imitates in turn, each for some epochs."""

import jax
import jax.numpy as jnp

from imggen.errors import UserError


def count(num_epochs: int, reference_epochs: int) -> int:
    """Returns how many references a run has; 0 where `reference_epochs` is 0.

    Raises:
      UserError: a reference would last longer than the run.
    """
    if not 0 <= reference_epochs <= num_epochs:
        raise UserError(
            f'config.method.reference_epochs={reference_epochs} is no period within the '
            f"run's {num_epochs} epochs: set it to at most that, or to 0 for every step."
        )
    return -(-num_epochs // reference_epochs) if reference_epochs else 0


def pick(key: jax.Array, images: jax.Array, number: int, *, places: tuple[int, ...] = ()):
    """Picks the references in turn out of the first batch.

    Args:
      key: draws them, without repetition, where no places are given.
      images: [n, height, width, channels].
      number: how many.
      places: which pictures, in this order.

    Returns:
      [number, height, width, channels].

    Raises:
      UserError: the batch is too small, or a place is not in it.
    """
    if not places:
        if number > len(images):
            raise UserError(
                f'config.method.reference_epochs takes {number} references, but the first batch '
                f'has {len(images)} pictures: raise it, or config.data.batch_size.'
            )
        return images[jax.random.permutation(key, len(images))[:number]]
    if len(places) != number or not all(0 <= place < len(images) for place in places):
        raise UserError(
            f'config.method.references={places} must name {number} places in the first batch, '
            f'0 to {len(images) - 1}; samples/real.png shows it.'
        )
    return images[jnp.asarray(places)]


def turn(step: jax.Array, num_steps: int, num_epochs: int, reference_epochs: int) -> jax.Array:
    """Returns which reference is current at a step of `num_steps` in equal epochs: int32."""
    return step * num_epochs // num_steps // reference_epochs
