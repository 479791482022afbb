"""How decoded pictures become an input and a target, within the compiled step.

Pictures are float32 [n, height, width, channels] in [-1, 1], whole levels of 8 bits,
augmented already. Each function below returns a `Dataset.pair`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from imggen import images, keys

Pair = Callable[[jax.Array, jax.Array], dict[str, jax.Array]]


def sides(input_channels: int, *, swap: bool = False) -> Pair:
    """Parts pictures into sides that stand one behind the other along the channels.

    Args:
      input_channels: channels before the target's; all of them make a picture both sides.
      swap: the input is the target, the target the input.
    """

    def pair(key, pictures):
        del key
        parts = pictures[..., :input_channels], pictures[..., input_channels:]
        if not parts[1].shape[-1]:
            parts = pictures, pictures
        names = ('target', 'input') if swap else ('input', 'target')
        return dict(zip(names, parts, strict=True))

    return pair


def noise() -> Pair:
    """Sets uniform noise of 8 bits before the pictures: a draw a pixel and channel, keyed each."""

    def pair(key, pictures):
        draw = lambda key: jax.random.randint(key, pictures.shape[1:], 0, 256)  # noqa: E731
        values = jax.vmap(draw)(keys.per_image(key, len(pictures)))
        return {'input': images.from_uint8(values), 'target': pictures}

    return pair


def downscale(scale: int) -> Pair:
    """Sets small copies before the pictures: bicubic (a = -1/2), anti-aliased, 8 bits as in a file.

    Args:
      scale: what height and width are divided by; it must divide them.
    """

    def pair(key, pictures):
        del key
        return {'input': images.downscale(pictures, scale), 'target': pictures}

    return pair


def another(numbers: np.ndarray) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Returns `Dataset.partner`: uniform over the other pictures of the same subset.

    Args:
      numbers: int32 [n], the subset of each picture; every subset has two or more.
    """
    members = np.argsort(numbers, kind='stable').astype(np.int32)
    counts = np.bincount(numbers).astype(np.int32)
    starts = (np.cumsum(counts) - counts).astype(np.int32)
    places = np.empty_like(members)
    places[members] = np.arange(len(members), dtype=np.int32) - starts[numbers[members]]

    def partner(key, rows):
        subset = jnp.asarray(numbers)[rows]
        count = jnp.asarray(counts)[subset]
        step = jax.vmap(lambda key, count: jax.random.randint(key, (), 1, count))(
            keys.per_image(key, len(rows)), count
        )
        place = (jnp.asarray(places)[rows] + step) % count
        return jnp.asarray(members)[jnp.asarray(starts)[subset] + place]

    return partner
