"""Laplacian pyramids: an image as a sum of bands from fine to coarse (Burt and Adelson 1983).

A step of Adam on the bands moves coarse and fine detail at the same rate. On pixels, colors of
large areas lag behind.
"""

import jax
import jax.numpy as jnp
import numpy as np


def split(images: jax.Array, num_bands: int) -> tuple[jax.Array, ...]:
    """Splits images [n, height, width, channels] into bands, each half as large as the one before.

    The last band holds what is left. There are fewer bands if a side cannot be halved.
    """
    bands = []
    while len(bands) < num_bands - 1 and not any(side % 2 for side in images.shape[1:3]):
        coarse = halve(images)
        bands.append(images - double(coarse))
        images = coarse
    return (*bands, images)


def join(bands: tuple[jax.Array, ...]) -> jax.Array:
    """Returns the images whose bands `split` returned."""
    images = bands[-1]
    for band in bands[-2::-1]:
        images = band + double(images)
    return images


def without_finest(bands: tuple[jax.Array, ...], count: int) -> tuple[jax.Array, ...]:
    """Sets the finest `count` bands to zero; the last band stays."""
    count = min(count, len(bands) - 1)
    return (*(jnp.zeros_like(band) for band in bands[:count]), *bands[count:])


# These two are `jax.image.resize` at factors 1/2 and 2, in an operation or two, which compile fast.


def halve(x: jax.Array) -> jax.Array:
    """Averages blocks of 2 x 2: [n, height, width, channels] to half of each side."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def double(x: jax.Array) -> jax.Array:
    """Interpolates bilinearly: [n, height, width, channels] to twice each side."""
    rows, columns = (_doubling(side) for side in x.shape[1:3])
    return jnp.einsum('Hh,Ww,nhwc->nHWc', rows, columns, x, precision='highest')


def _doubling(side: int) -> np.ndarray:
    """Returns the matrix that interpolates `side` values to twice as many: [2 side, side]."""
    near = np.repeat(np.eye(side, dtype=np.float32), 2, axis=0)
    # The first half of an old point leans to the one before it, the second to the one after.
    far = near[np.clip(np.arange(2 * side) + np.tile([-1, 1], side), 0, 2 * side - 1)]
    return 0.75 * near + 0.25 * far
