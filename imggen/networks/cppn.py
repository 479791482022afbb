"""Compositional pattern-producing network (Stanley 2007): an image as a function of coordinates.

A small network maps the coordinates of a pixel to its value. Its units have different activation
functions, so that few weights can represent symmetry (gaussian), repetition (sine), edges (sigmoid)
and gradients (linear), at any size.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.color import hsv_to_rgb

ACTIVATIONS = {
    'sine': jnp.sin,
    'gaussian': lambda x: jnp.exp(-jnp.square(x)),
    'sigmoid': jax.nn.sigmoid,
    'linear': lambda x: x,
    'tanh': jnp.tanh,
}


class CPPN(nn.Module):
    """No input -> one image [height, width, channels] in [-1, 1].

    Attributes:
      shape: (height, width, channels).
      hidden: number of units of each hidden layer, a multiple of the number of activations.
      activations: some of ACTIVATIONS; the units of a hidden layer are split evenly among them.
      hsv: whether the three channels are hue, saturation and value before they become RGB.
      weight_scale: initial standard deviation of the input of a unit, for inputs of variance 1.
    """

    shape: tuple[int, int, int]
    hidden: tuple[int, ...] = (16, 16)
    activations: tuple[str, ...] = ('sine', 'gaussian', 'sigmoid', 'linear')
    hsv: bool = False
    weight_scale: float = 2.0

    @nn.compact
    def __call__(self) -> jax.Array:
        init = nn.initializers.variance_scaling(self.weight_scale**2, 'fan_in', 'normal')
        x = coordinates(self.shape[:2])
        for width in self.hidden:
            x = nn.Dense(width, use_bias=False, kernel_init=init)(x)
            parts = jnp.split(x, len(self.activations), axis=-1)
            x = jnp.concatenate(
                [
                    ACTIVATIONS[name](part)
                    for name, part in zip(self.activations, parts, strict=True)
                ],
                axis=-1,
            )
        x = nn.Dense(self.shape[2], use_bias=False, kernel_init=init)(x)
        x = x.reshape(self.shape)
        return hsv_to_rgb(jax.nn.sigmoid(x)) if self.hsv else jnp.tanh(x)


def coordinates(size: tuple[int, int]) -> jax.Array:
    """Returns (x, y, radius, 1) of every pixel, [height * width, 4]; x and y are in [-1, 1]."""
    y, x = jnp.meshgrid(*(jnp.linspace(-1.0, 1.0, length) for length in size), indexing='ij')
    return jnp.stack([x, y, jnp.hypot(x, y), jnp.ones_like(x)], axis=-1).reshape(-1, 4)
