"""Adam on the pixels, with an average of the images that it passes through.

The images of Adam are noisy; their average (crowsonkb 2021) is not. The image is clipped to
[-1, 1] after every update.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen.methods.style.optimizer import UNBOUNDED, Optimizer


@struct.dataclass
class Descent:
    """The state of a descent, with the average of its images.

    Attributes:
      image: the current image.
      value: the loss of the previous image.
      ema: the sum over i of decay^(t - i) (1 - decay) image_i.
      count: t, the number of updates.
      moments: the state of optax.adam.
    """

    image: jax.Array
    value: jax.Array
    ema: jax.Array
    count: jax.Array
    moments: Any


def make(*, learning_rate: float = 0.04, decay: float = 0.99) -> Optimizer:
    """Returns the optimizer.

    Args:
      learning_rate: learning rate of Adam, for pixels in [-1, 1].
      decay: decay of the average per update.
    """
    adam = optax.adam(learning_rate, b1=0.9, b2=0.99)

    def init(image):
        zeros = jnp.zeros_like(image)
        return Descent(image, jnp.float32(UNBOUNDED), zeros, jnp.int32(0), adam.init(image))

    def advance(descent, value, gradient):
        updates, moments = adam.update(gradient, descent.moments)
        image = jnp.clip(descent.image + updates, -1.0, 1.0)
        ema = decay * descent.ema + (1.0 - decay) * image
        return Descent(image, value, ema, descent.count + 1, moments)

    def result(descent):
        # The average starts at zero, so its weights sum to 1 - decay^t.
        weight = 1.0 - decay ** descent.count.astype(jnp.float32)
        return jnp.where(descent.count > 0, descent.ema / jnp.maximum(weight, 1e-8), descent.image)

    return Optimizer(
        init, lambda descent: descent.image, advance, result, lambda descent: descent.value
    )
