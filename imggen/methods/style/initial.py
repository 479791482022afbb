"""Initial images, at which the optimization starts."""

import jax
import jax.numpy as jnp


def noise(key: jax.Array, shape, batch) -> jax.Array:
    """Returns independent uniform values in [-1, 1], as published."""
    del batch
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def content(key: jax.Array, shape, batch) -> jax.Array:
    """Returns the content image."""
    del key
    return resize(batch['image'], shape)


def gray(key: jax.Array, shape, batch) -> jax.Array:
    """Returns gray with noise of one level in 255, so that no two pixels must stay equal."""
    del batch
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0) / 255.0


def style(key: jax.Array, shape, batch) -> jax.Array:
    """Returns normal noise with the mean and deviation of each channel of the first style."""
    image = batch['style0']
    mean, deviation = image.mean((0, 1)), image.std((0, 1))
    values = mean[None, None] + deviation[None, None] * jax.random.normal(key, shape)
    return jnp.clip(values, -1.0, 1.0)


def file(key: jax.Array, shape, batch) -> jax.Array:
    """Returns the image that config.data.initial names."""
    del key
    return resize(batch['initial'], shape)


# (key, shape of an image, its part of the batch) -> float32 of this shape in [-1, 1].
INITIAL = {'noise': noise, 'content': content, 'gray': gray, 'style': style, 'file': file}


def resize(image: jax.Array, shape) -> jax.Array:
    """Resizes [..., height, width, channels] with antialiasing, clipped to [-1, 1]."""
    if image.shape == tuple(shape):
        return image
    return jnp.clip(jax.image.resize(image, shape, 'cubic', antialias=True), -1.0, 1.0)


def fit(image: jax.Array, shape) -> jax.Array:
    """Crops the center of [height, width, channels] and resizes it, to show it beside others."""
    height, width, channels = image.shape
    scale = min(height / shape[0], width / shape[1])
    rows, columns = min(height, round(shape[0] * scale)), min(width, round(shape[1] * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    return resize(image[top : top + rows, left : left + columns], (*shape[:2], channels))
