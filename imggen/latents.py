"""The inputs of a generator: latents and labels, drawn from one key per image.

A caller of `sample` may give both in the batch: batch['latent'] float32 [n, latent_size] and
batch['label'] int32 [n]. What the batch lacks is drawn.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from imggen.errors import UserError

_LABEL = 2**30  # Folded into an image's key; larger than any image index.


def draw(image_keys: jax.Array, size: int) -> jax.Array:
    """Draws standard normal latents [n, size], one from each key [n]."""
    return jax.vmap(lambda key: jax.random.normal(key, (size,)))(image_keys)


def draw_labels(
    image_keys: jax.Array, num_classes: int, *, counts: tuple[int, ...] = ()
) -> jax.Array:
    """Draws labels int32 [n] in [0, num_classes), one from each key [n].

    They are uniform, or as frequent as `counts` says, if the counts of the classes are known and
    differ. Classes behind the last count have none.
    """
    label_keys = jax.vmap(lambda key: jax.random.fold_in(key, _LABEL))(image_keys)
    if not differ(counts, num_classes):
        return jax.vmap(lambda key: jax.random.randint(key, (), 0, num_classes))(label_keys)
    ends = np.cumsum(counts, dtype=float) / max(1, sum(counts))  # The last is 1.
    uniform = jax.vmap(jax.random.uniform)(label_keys)  # Less than 1.
    return jnp.searchsorted(jnp.asarray(ends, jnp.float32), uniform, side='right').astype(jnp.int32)


def differ(counts: tuple[int, ...], num_classes: int) -> bool:
    """Whether counts, of the first of `num_classes` classes, are known and not equal for all."""
    return len(set(counts)) > 1 or 0 < len(counts) < num_classes


def given_or_drawn(image_keys: jax.Array, batch: Mapping[str, jax.Array], size: int) -> jax.Array:
    """Returns batch['latent'] if it is given, otherwise draws latents [n, size]."""
    return batch['latent'] if 'latent' in batch else draw(image_keys, size)


def given_or_drawn_labels(
    image_keys: jax.Array, batch: Mapping[str, jax.Array], num_classes: int
) -> jax.Array | None:
    """Returns batch['label'] if it is given, otherwise draws labels [n]; None without classes."""
    if not num_classes:
        return None
    return batch['label'] if 'label' in batch else draw_labels(image_keys, num_classes)


def real_labels(batch: Mapping[str, jax.Array], num_classes: int) -> jax.Array | None:
    """Returns the labels [n] of real images for a conditional method; None without classes.

    Raises:
      UserError: the data set has no labels.
    """
    if not num_classes:
        return None
    if 'label' not in batch:
        raise UserError(
            f'config.method.num_classes={num_classes} needs labels, but the data set has none: '
            "for a folder set config.data.labels to 'folders' or a file of labels, or set "
            'num_classes to 0.'
        )
    return batch['label']
