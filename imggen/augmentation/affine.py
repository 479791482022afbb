"""Affine maps of images, one map per image, with bilinear sampling."""

import jax
import jax.numpy as jnp

BLACK = -1.0  # The value outside an image with fill='black'.


def affine_matrices(angles: jax.Array, scales: jax.Array, slants: jax.Array) -> jax.Array:
    """Returns R(angle) S(slant) scale, from output to input (row, column): [n, 2, 2].

    R = [cos  -sin]    S = [1      0]
        [sin   cos]        [slant  1]
    """
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    rows = [cos - sin * slants, -sin, sin + cos * slants, cos]
    return (scales[None] * jnp.stack(rows)).T.reshape(-1, 2, 2)


def warp(
    images: jax.Array, matrices: jax.Array, offsets: jax.Array, *, fill: str = 'edge'
) -> jax.Array:
    """Resamples images as `resample` does, and clips them to [-1, 1]."""
    return jnp.clip(resample(images, matrices, offsets, fill=fill), -1.0, 1.0)


def resample(
    images: jax.Array, matrices: jax.Array, offsets: jax.Array, *, fill: str = 'edge'
) -> jax.Array:
    """Resamples images: output[n, p] = input[n, matrices[n] p + offsets[n]], bilinear.

    The result is linear in the images, so gradients pass through everywhere.

    Args:
      images: float [n, height, width, channels].
      matrices: float [n, 2, 2], on pixel positions p = (row, column).
      offsets: float [n, 2] in pixels.
      fill: what surrounds an image: 'edge', 'reflect' or 'black', as in `dataset.augment`.
    """
    _, height, width, _ = images.shape
    rows = jnp.arange(height, dtype=images.dtype)[None, :, None, None]
    columns = jnp.arange(width, dtype=images.dtype)[None, None, :, None]
    # Written out, because a matrix product may use a lower precision on an accelerator.
    matrices, offsets = matrices[:, None, None], offsets[:, None, None]
    positions = matrices[..., 0] * rows + matrices[..., 1] * columns + offsets
    low = jnp.floor(positions)
    weight = positions - low
    low = low.astype(jnp.int32)

    def tap(row_step, column_step):
        row, row_inside = _border(low[..., 0] + row_step, height, fill)
        column, column_inside = _border(low[..., 1] + column_step, width, fill)
        values = jax.vmap(lambda image, y, x: image[y, x])(images, row, column)
        if fill == 'black':
            values = jnp.where((row_inside & column_inside)[..., None], values, BLACK)
        return values

    down, across = weight[..., :1], weight[..., 1:]
    top = tap(0, 0) * (1 - across) + tap(0, 1) * across
    bottom = tap(1, 0) * (1 - across) + tap(1, 1) * across
    return top * (1 - down) + bottom * down


def about_center(matrices, shifts, height, width):
    """Returns the offsets that map the center c to itself, up to a shift: c - M (c + shift)."""
    center = jnp.asarray([(height - 1) / 2, (width - 1) / 2], matrices.dtype)[None]
    source = center + shifts
    return center - (matrices[..., 0] * source[:, :1] + matrices[..., 1] * source[:, 1:])


def _border(index, size, fill):
    """Returns the indices mapped into [0, size), and whether they were inside before."""
    inside = (index >= 0) & (index < size)
    if fill == 'reflect':
        period = max(2 * (size - 1), 1)
        index = jnp.abs((index + size - 1) % period - (size - 1))
    return jnp.clip(index, 0, size - 1), inside
