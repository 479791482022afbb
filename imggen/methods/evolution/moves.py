"""Moves: random changes of an image, most of which make it worse.

A move is a dataclass of options that is called as (key, image) -> image, with images float32
[height, width, channels] in [-1, 1]. Moves of pixels draw random numbers only for what they
change: random numbers for a whole image would cost more than a small classifier's answer.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

# A random word of 32 bits has two parts: 20 bits for a place and 12 bits for a value.
_VALUE_BITS = 12
_PLACES = 2**20


@dataclasses.dataclass(frozen=True)
class Pixels:
    """Gives random pixels new random values.

    Attributes:
      least, most: bounds of the number of pixels, which is uniform; a pixel may be drawn twice.
    """

    least: int
    most: int

    def __call__(self, key, image):
        size = image.size
        bits = jax.random.bits(key, (self.most + 1,))
        number = self.least + _scaled(bits[0], self.most + 1 - self.least)
        places = jnp.where(jnp.arange(self.most) < number, _scaled(bits[1:], size), size)
        values = _value(bits[1:])
        # A place outside the image is dropped.
        return image.reshape(-1).at[places].set(values, mode='drop').reshape(image.shape)


@dataclasses.dataclass(frozen=True)
class Inverse:
    """Inverts a random rectangle of one pixel or more, to find an outline sooner.

    Attributes:
      max_side: the largest side in pixels.
    """

    max_side: int

    def __call__(self, key, image):
        bits = jax.random.bits(key, (4,))
        inside = True
        for axis, length in enumerate(image.shape[:2]):
            side = 1 + _scaled(bits[2 * axis], min(self.max_side, length))
            first = _scaled(bits[2 * axis + 1], length) - side // 2
            place = jnp.arange(length).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
            inside = inside & (place >= first) & (place < first + side)
        return jnp.where(inside, -image, image)


@dataclasses.dataclass(frozen=True)
class Sketch:
    """Draws a line of random width and color between two random points.

    Attributes:
      max_width: the largest width in pixels.
    """

    max_width: float

    def __call__(self, key, image):
        height, width, channels = image.shape
        bits = jax.random.bits(key, (5 + channels,))
        scale = jnp.asarray([height, width, height, width], jnp.float32)
        y0, x0, y1, x1 = _fraction(bits[:4]) * scale
        y = jnp.arange(height)[:, None] + 0.5
        x = jnp.arange(width)[None] + 0.5
        # The nearest point of the line is start + t (end - start) with 0 <= t <= 1.
        dy, dx = y1 - y0, x1 - x0
        t = ((y - y0) * dy + (x - x0) * dx) / jnp.maximum(dy**2 + dx**2, 1e-6)
        t = jnp.clip(t, 0.0, 1.0)
        squared = (y - y0 - t * dy) ** 2 + (x - x0 - t * dx) ** 2
        # At least half a pixel's diagonal, so that a point covers a pixel and a line has no gaps.
        radius = jnp.maximum(math.sqrt(0.5), self.max_width / 2.0 * _fraction(bits[4]))
        color = _value(bits[5:])[None, None]
        return jnp.where((squared <= radius**2)[..., None], color, image)


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """Adds noise to every number; the move for genomes that are not images.

    Attributes:
      scale: standard deviation of the noise.
    """

    scale: float

    def __call__(self, key, image):
        return image + self.scale * jax.random.normal(key, image.shape)


MOVES = {
    'few_pixels': Pixels,
    'many_pixels': Pixels,
    'inverse': Inverse,
    'sketch': Sketch,
    'gaussian': Gaussian,
}


def _fraction(bits):
    """Returns the upper 20 bits as a number in [0, 1)."""
    return (bits >> _VALUE_BITS).astype(jnp.float32) / _PLACES


def _scaled(bits, count):
    """Returns the upper 20 bits as an int32 in [0, count)."""
    return (_fraction(bits) * count).astype(jnp.int32)


def _value(bits):
    """Returns the lower 12 bits as a number in [-1, 1)."""
    return (bits & (2**_VALUE_BITS - 1)).astype(jnp.float32) / 2 ** (_VALUE_BITS - 1) - 1.0
