"""Adam on the pixels, with an average of the images it passes through.

Adam's noise is in the image that it makes; the average (crowsonkb 2021) is free of
it. The image is clipped to [-1, 1] after every update.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen.methods.style.optimizer import UNBOUNDED, Optimizer


@struct.dataclass
class Descent:
    """A descent, and the average of its images.

    Attributes:
      image: where it stands.
      value: the loss at the image before.
      average: the sum over i of decay^(t - i) (1 - decay) image_i.
      count: t, updates made.
      moments: of optax.adam.
    """

    image: jax.Array
    value: jax.Array
    average: jax.Array
    count: jax.Array
    moments: Any


def make(*, learning_rate: float = 0.04, decay: float = 0.99) -> Optimizer:
    """Returns the optimizer.

    Args:
      learning_rate: of Adam, pixels in [-1, 1].
      decay: of the average.
    """
    adam = optax.adam(learning_rate, b1=0.9, b2=0.99)

    def init(image):
        zeros = jnp.zeros_like(image)
        return Descent(image, jnp.float32(UNBOUNDED), zeros, jnp.int32(0), adam.init(image))

    def advance(descent, value, gradient):
        updates, moments = adam.update(gradient, descent.moments)
        image = jnp.clip(descent.image + updates, -1.0, 1.0)
        average = decay * descent.average + (1.0 - decay) * image
        return Descent(image, value, average, descent.count + 1, moments)

    def result(descent):
        # The average starts at zero: its weights sum to 1 - decay^t, not to 1.
        weight = 1.0 - decay ** descent.count.astype(jnp.float32)
        average = descent.average / jnp.maximum(weight, 1e-8)
        return jnp.where(descent.count > 0, average, descent.image)

    return Optimizer(
        init, lambda descent: descent.image, advance, result, lambda descent: descent.value
    )
