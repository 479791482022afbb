"""What a generator starts from: latents and classes, drawn from one key an image.

A method's `sample` takes both from its batch where they are given there, as
batch['latent'] [n, latent size] and batch['class'] int32 [n]. (batch['label'] is
what a data set says of the real images of a batch.)
"""

from collections.abc import Mapping

import jax

from imggen.errors import UserError

_CLASS = 2**30  # Folded into an image's key, beyond the numbers of images.


def draw(image_keys: jax.Array, size: int) -> jax.Array:
    """Draws standard normal latents [n, size], one from each key [n]."""
    return jax.vmap(lambda key: jax.random.normal(key, (size,)))(image_keys)


def draw_classes(image_keys: jax.Array, classes: int) -> jax.Array:
    """Draws classes int32 [n], uniform in [0, classes), one from each key [n]."""

    def one(key):
        return jax.random.randint(jax.random.fold_in(key, _CLASS), (), 0, classes)

    return jax.vmap(one)(image_keys)


def asked_classes(
    image_keys: jax.Array, batch: Mapping[str, jax.Array], classes: int
) -> jax.Array | None:
    """Returns batch['class'] where it is given, else drawn classes [n]; None without classes."""
    if not classes:
        return None
    return batch['class'] if 'class' in batch else draw_classes(image_keys, classes)


def labels(batch: Mapping[str, jax.Array], classes: int) -> jax.Array | None:
    """Returns the labels [n] of real images for a conditional method; None without classes.

    Raises:
      UserError: the data have no labels.
    """
    if not classes:
        return None
    if 'label' not in batch:
        raise UserError(
            f'config.method.classes={classes} needs labels, and the data have none: for a folder '
            "set config.data.labels='folders', or set classes to 0."
        )
    return batch['label']
