"""References: real images that a generator imitates, one after another, each for some epochs."""

import jax
import jax.numpy as jnp

from imggen.errors import UserError


def count(num_epochs: int, reference_epochs: int) -> int:
    """Returns the number of references of a run; 0 if `reference_epochs` is 0.

    Raises:
      UserError: a reference would last longer than the run.
    """
    if not 0 <= reference_epochs <= num_epochs:
        raise UserError(
            f'config.method.reference_epochs={reference_epochs} must be between 0 and the '
            f"run's {num_epochs} epochs: set it to at most that, or to 0 to change the "
            'reference at every step.'
        )
    return -(-num_epochs // reference_epochs) if reference_epochs else 0


def pick(key: jax.Array, images: jax.Array, number: int, *, places: tuple[int, ...] = ()):
    """Picks the references from the first batch.

    Args:
      key: draws them without replacement if no places are given.
      images: [n, height, width, channels].
      number: how many to pick.
      places: indices of the images to pick, in this order.

    Raises:
      UserError: the batch is too small, or an index lies outside it.
    """
    if not places:
        if number > len(images):
            raise UserError(
                f'config.method.reference_epochs needs {number} references, but the first batch '
                f'has only {len(images)} images: raise it, or raise config.data.batch_size.'
            )
        return images[jax.random.permutation(key, len(images))[:number]]
    if len(places) != number or not all(0 <= place < len(images) for place in places):
        raise UserError(
            f'config.method.references={places} must name {number} images of the first batch, '
            f'from 0 to {len(images) - 1}; samples/real.png shows it.'
        )
    return images[jnp.asarray(places)]


def turn(step: jax.Array, num_steps: int, num_epochs: int, reference_epochs: int) -> jax.Array:
    """Returns the index of the reference at `step` of `num_steps`, in equal epochs: int32."""
    return step * num_epochs // num_steps // reference_epochs
