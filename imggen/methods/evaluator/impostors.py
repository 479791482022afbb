"""Pictures of nothing: noise, random shapes, shuffled patches. What an evaluator should reject.

Each takes image keys [n] and pictures float32 [n, height, width, channels] in [-1, 1],
for their shape or their contents, and returns as many. Image i depends on key i alone,
and on picture i where patches are shuffled.
"""

import jax
import jax.numpy as jnp

_NUM_SHAPES = 4
_PATCHES = 4  # A side.


def noise(key: jax.Array, images: jax.Array) -> jax.Array:
    """Returns uniform noise."""
    draw = lambda key: jax.random.uniform(key, images.shape[1:], minval=-1.0, maxval=1.0)  # noqa: E731
    return jax.vmap(draw)(key)


def shapes(key: jax.Array, images: jax.Array) -> jax.Array:
    """Returns filled rectangles and ellipses of random place, size and color on one color."""
    height, width, channels = images.shape[1:]
    rows = jnp.linspace(0.0, 1.0, height)[:, None]
    columns = jnp.linspace(0.0, 1.0, width)[None]

    def paint(picture, key):
        place, color, kind = jax.random.split(key, 3)
        x, y, half_width, half_height = jax.random.uniform(place, (4,))
        half_width, half_height = 0.05 + 0.3 * half_width, 0.05 + 0.3 * half_height
        across, down = jnp.abs(columns - x) / half_width, jnp.abs(rows - y) / half_height
        box = jnp.maximum(across, down) < 1.0
        ellipse = across**2 + down**2 < 1.0
        inside = jnp.where(jax.random.bernoulli(kind), box, ellipse)
        tone = jax.random.uniform(color, (1, 1, channels), minval=-1.0, maxval=1.0)
        return jnp.where(inside[..., None], tone, picture), None

    def draw(key):
        ground, key = jax.random.split(key)
        tone = jax.random.uniform(ground, (1, 1, channels), minval=-1.0, maxval=1.0)
        picture = jnp.broadcast_to(tone, (height, width, channels))
        return jax.lax.scan(paint, picture, jax.random.split(key, _NUM_SHAPES))[0]

    return jax.vmap(draw)(key)


def patches(key: jax.Array, images: jax.Array) -> jax.Array:
    """Returns the pictures with their patches, 4 x 4 of them, in random order.

    What a side leaves over after division by 4 stays in place, at its end.
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

    return jax.vmap(shuffle)(key, images)


IMPOSTORS = {'noise': noise, 'shapes': shapes, 'patches': patches}


def mixture(key: jax.Array, images: jax.Array) -> jax.Array:
    """Returns one impostor an image, of a random kind."""
    draws = jax.vmap(lambda key: jax.random.split(key))(key)
    kinds = jax.vmap(lambda key: jax.random.randint(key, (), 0, len(IMPOSTORS)))(draws[:, 0])
    made = jnp.stack([impostor(draws[:, 1], images) for impostor in IMPOSTORS.values()])
    return made[kinds, jnp.arange(len(images))]
