"""Impostors: images that an evaluator should reject (noise, random shapes, shuffled patches).

Each function takes image keys [n] and images float32 [n, height, width, channels] in [-1, 1],
and returns images of the same shape and range. Image i depends on key i alone; with `patches`
it also depends on image i.
"""

import jax
import jax.numpy as jnp

_NUM_SHAPES = 4
_PATCHES = 4  # Along each side.


def noise(image_keys: jax.Array, images: jax.Array) -> jax.Array:
    """Returns uniform noise."""
    draw = lambda key: jax.random.uniform(key, images.shape[1:], minval=-1.0, maxval=1.0)
    return jax.vmap(draw)(image_keys)


def shapes(image_keys: jax.Array, images: jax.Array) -> jax.Array:
    """Returns filled rectangles and ellipses of random place, size and color on a plain ground."""
    height, width, channels = images.shape[1:]
    rows = jnp.linspace(0.0, 1.0, height)[:, None]
    columns = jnp.linspace(0.0, 1.0, width)[None]

    def paint(image, key):
        place, color, kind = jax.random.split(key, 3)
        x, y, half_width, half_height = jax.random.uniform(place, (4,))
        half_width, half_height = 0.05 + 0.3 * half_width, 0.05 + 0.3 * half_height
        across, down = jnp.abs(columns - x) / half_width, jnp.abs(rows - y) / half_height
        box = jnp.maximum(across, down) < 1.0
        ellipse = across**2 + down**2 < 1.0
        inside = jnp.where(jax.random.bernoulli(kind), box, ellipse)
        tone = jax.random.uniform(color, (1, 1, channels), minval=-1.0, maxval=1.0)
        return jnp.where(inside[..., None], tone, image), None

    def draw(key):
        ground, key = jax.random.split(key)
        tone = jax.random.uniform(ground, (1, 1, channels), minval=-1.0, maxval=1.0)
        image = jnp.broadcast_to(tone, (height, width, channels))
        return jax.lax.scan(paint, image, jax.random.split(key, _NUM_SHAPES))[0]

    return jax.vmap(draw)(image_keys)


def patches(image_keys: jax.Array, images: jax.Array) -> jax.Array:
    """Returns the images with their 4 x 4 patches in random order.

    If a side is not a multiple of 4, the remaining rows or columns at its end stay in place.
    """
    _, height, width, channels = images.shape
    down, across = min(_PATCHES, height), min(_PATCHES, width)
    tall, wide = height // down, width // across
    inner = (slice(0, down * tall), slice(0, across * wide))

    def shuffle(key, image):
        tiles = image[inner].reshape(down, tall, across, wide, channels).swapaxes(1, 2)
        tiles = tiles.reshape(down * across, tall, wide, channels)
        tiles = jax.random.permutation(key, tiles).reshape(down, across, tall, wide, channels)
        return image.at[inner].set(tiles.swapaxes(1, 2).reshape(down * tall, across * wide, -1))

    return jax.vmap(shuffle)(image_keys, images)


IMPOSTORS = {'noise': noise, 'shapes': shapes, 'patches': patches}


def mixture(image_keys: jax.Array, images: jax.Array) -> jax.Array:
    """Returns one impostor per image, each of a random kind."""
    draws = jax.vmap(lambda key: jax.random.split(key))(image_keys)
    kinds = jax.vmap(lambda key: jax.random.randint(key, (), 0, len(IMPOSTORS)))(draws[:, 0])
    made = jnp.stack([impostor(draws[:, 1], images) for impostor in IMPOSTORS.values()])
    return made[kinds, jnp.arange(len(images))]
