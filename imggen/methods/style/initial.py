"""Where the optimization of an image starts."""

import jax
import jax.numpy as jnp


def noise(key: jax.Array, shape, batch) -> jax.Array:
    """Uniform over [-1, 1], each value by itself: the published start."""
    del batch
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def content(key: jax.Array, shape, batch) -> jax.Array:
    """The content picture."""
    del key
    return resize(batch['image'], shape)


def gray(key: jax.Array, shape, batch) -> jax.Array:
    """Gray, with noise of one level of 255 so that no two pixels are bound to stay equal."""
    del batch
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0) / 255.0


def style(key: jax.Array, shape, batch) -> jax.Array:
    """Normal noise with the mean and the deviation of the first style, channel by channel."""
    picture = batch['style0']
    mean, deviation = picture.mean((0, 1)), picture.std((0, 1))
    values = mean[None, None] + deviation[None, None] * jax.random.normal(key, shape)
    return jnp.clip(values, -1.0, 1.0)


def file(key: jax.Array, shape, batch) -> jax.Array:
    """The picture that config.data.initial names."""
    del key
    return resize(batch['initial'], shape)


# Each: (key, shape of an image, its part of the batch) -> float32 `shape` in [-1, 1].
INITIAL = {'noise': noise, 'content': content, 'gray': gray, 'style': style, 'file': file}


def resize(image: jax.Array, shape) -> jax.Array:
    """Brings [..., height, width, channels] to a shape, anti-aliased, clipped to [-1, 1]."""
    if image.shape == tuple(shape):
        return image
    return jnp.clip(jax.image.resize(image, shape, 'cubic', antialias=True), -1.0, 1.0)


def fit(picture: jax.Array, shape) -> jax.Array:
    """Cuts and resizes [height, width, channels] to a shape, for a look beside others."""
    height, width, channels = picture.shape
    scale = min(height / shape[0], width / shape[1])
    rows, columns = min(height, round(shape[0] * scale)), min(width, round(shape[1] * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    return resize(picture[top : top + rows, left : left + columns], (*shape[:2], channels))
