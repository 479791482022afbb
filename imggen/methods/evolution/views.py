"""Random views of images, so that only what survives them raises the objective.

Olah, Mordvintsev and Schubert, 'Feature Visualization', 2017, pad, shift, scale and rotate an image
in turn. Here one affine map per image does all of it and resamples once.
"""

import dataclasses

import jax
import jax.numpy as jnp

from imggen.augmentation import affine
from imggen.errors import UserError


@dataclasses.dataclass(frozen=True)
class Views:
    """Maps (keys [n], images [n, height, width, channels]) to views of the same shape.

    Attributes:
      margin: width of the gray border in an upright view, in pixels.
      shift: largest shift of the center along each axis, in pixels.
      scale: the image is enlarged by a factor in [1 - scale, 1 + scale].
      degrees: largest angle of rotation.
    """

    margin: float = 6.0
    shift: float = 6.0
    scale: float = 0.1
    degrees: float = 10.0

    def __post_init__(self):
        for name in ('margin', 'shift', 'degrees'):
            if getattr(self, name) < 0:
                raise UserError(
                    f'config.method.views.{name}={getattr(self, name)}: set it to 0 or more.'
                )
        if not 0 <= self.scale < 1:
            raise UserError(
                f'config.method.views.scale={self.scale}: set it to 0 or more, below 1.'
            )

    def __call__(self, image_keys: jax.Array, images: jax.Array) -> jax.Array:
        height, width = images.shape[1:3]
        drawn = jax.vmap(lambda key: jax.random.uniform(key, (4,), minval=-1.0, maxval=1.0))
        angle, scale, *shift = drawn(image_keys).T
        # From the view to the image: larger steps show the image smaller.
        shrink = (1.0 + 2.0 * self.margin / min(height, width)) / (1.0 + self.scale * scale)
        matrices = affine.affine_matrices(
            jnp.deg2rad(self.degrees) * angle, shrink, jnp.zeros_like(angle)
        )
        offsets = affine.about_center(matrices, self.shift * jnp.stack(shift, -1), height, width)
        # A border of gray; beyond it 'edge' repeats the gray.
        framed = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
        positions = offsets + 1.0
        return affine.resample(framed, matrices, positions)[:, :height, :width]
