"""Differentiable random changes of images, for discriminators that are trained on few images.

The kinds come from two papers. `color`, `translation` and `cutout` are those of DiffAugment (Zhao
et al. 2020). The others are those of adaptive augmentation (Karras et al. 2020), with the
distributions of its table 1; their geometry is one affine map per image, here with bilinear
sampling and mirrored borders.

Image i draws from its own key alone, and each kind from its own numbers, so adding a kind does
not change the others. Leave out kinds that make wrong images: `flip`, `quarter_turn` and
`rotation` for digits and letters.
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen.augmentation.affine import about_center, resample
from imggen.errors import UserError

# In the order in which they are applied.
KINDS = (
    'flip',
    'translation',
    'quarter_turn',
    'scale',
    'rotation',
    'aspect',
    'shift',
    'brightness',
    'contrast',
    'luma_flip',
    'hue',
    'saturation',
    'color',
    'cutout',
)
_AFFINE = ('quarter_turn', 'scale', 'rotation', 'aspect', 'shift')
_MAX_TRANSLATION = 0.125  # As a fraction of the image's height and width.
_NEUTRAL = 0.0  # Mid-gray, which surrounds images and fills holes.


def augment(
    image_keys: jax.Array, images: jax.Array, probability: jax.Array, kinds: tuple[str, ...]
) -> jax.Array:
    """Changes each image at random.

    Args:
      image_keys: [n].
      images: float [n, height, width, channels], about [-1, 1]. A fourth channel, opacity, moves
        with the others and keeps its values otherwise.
      probability: scalar in [0, 1], the probability that a kind is applied to an image; at 0
        the images do not change.
      kinds: names from KINDS.

    Returns:
      Images of the same shape, not clipped.
    """
    check(kinds)
    draws = _Draws(image_keys, probability)
    images = _copy_pixels(images, draws, kinds)
    if any(kind in kinds for kind in _AFFINE):
        images = _warp(images, draws, kinds)
    color, opacity = images[..., :3], images[..., 3:]
    images = _recolor(color, draws, kinds)
    if opacity.shape[-1]:
        images = jnp.concatenate([images, opacity], axis=-1)
    return _cut_out(images, draws) if 'cutout' in kinds else images


def check(kinds) -> None:
    """Raises UserError if a kind is not in KINDS."""
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(
                f'config.method.augment.kinds names {kind!r}; there are {", ".join(KINDS)}.'
            )


class _Draws:
    """The random numbers for every image and kind."""

    def __init__(self, image_keys, probability):
        def draw(key):
            gate, uniform, normal = jax.random.split(key, 3)
            shape = (len(KINDS), 3)
            return (
                jax.random.uniform(gate, shape),
                jax.random.uniform(uniform, shape),
                jax.random.normal(normal, shape),
            )

        self._gates, self._uniforms, self._normals = jax.vmap(draw)(image_keys)
        self.probability = probability

    def happens(self, kind, *, probability=None, gate=0):
        """Returns whether a kind is applied to each image, bool [n]."""
        probability = self.probability if probability is None else probability
        return self._gates[:, KINDS.index(kind), gate] < probability

    def uniform(self, kind, low, high, number=0):
        """Returns numbers uniform in [low, high), [n]."""
        return low + (high - low) * self._uniforms[:, KINDS.index(kind), number]

    def normal(self, kind, deviation, number=0):
        """Returns normal numbers with mean 0, [n]."""
        return deviation * self._normals[:, KINDS.index(kind), number]

    def value(self, kind, value, neutral):
        """Returns `value` [n] where the kind is applied, otherwise `neutral`: [n, 1, 1, 1]."""
        return jnp.where(self.happens(kind), value, neutral)[:, None, None, None]


def _copy_pixels(images, draws, kinds):
    _, height, width, channels = images.shape
    if 'flip' in kinds:
        mirrored = draws.happens('flip') & (draws.uniform('flip', 0, 1) < 0.5)
        images = jnp.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    if 'translation' in kinds:
        border = np.maximum(1, np.round(np.array([height, width]) * _MAX_TRANSLATION)).astype(int)
        happens = draws.happens('translation')
        down, across = (
            jnp.where(
                happens, jnp.floor(draws.uniform('translation', 0, 2 * side + 1, axis)), side
            ).astype(jnp.int32)
            for axis, side in enumerate(border)
        )
        widths = ((0, 0), (border[0], border[0]), (border[1], border[1]), (0, 0))
        padded = jnp.pad(images, widths, constant_values=_NEUTRAL)
        images = jax.vmap(
            lambda image, row, column: jax.lax.dynamic_slice(
                image, (row, column, 0), (height, width, channels)
            )
        )(padded, down, across)
    return images


def _warp(images, draws, kinds):
    count, height, width, _ = images.shape
    matrices = jnp.broadcast_to(jnp.eye(2)[None], (count, 2, 2))
    shifts = jnp.zeros((count, 2))

    def turn(matrices, happens, angle):
        angle = jnp.where(happens, angle, 0.0)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        return _product(matrices, cos, -sin, sin, cos)

    # One rotation comes before the stretch and one after it. At least one of them happens with
    # the probability of a kind.
    once = 1.0 - jnp.sqrt(1.0 - draws.probability)
    zero = jnp.zeros(count)
    if 'quarter_turn' in kinds:
        angle = jnp.floor(draws.uniform('quarter_turn', 0, 4)) * (jnp.pi / 2)
        matrices = turn(matrices, draws.happens('quarter_turn'), angle)
    if 'scale' in kinds:
        factor = jnp.where(draws.happens('scale'), 2.0 ** draws.normal('scale', 0.2), 1.0)
        matrices = _product(matrices, 1.0 / factor, zero, zero, 1.0 / factor)
    if 'rotation' in kinds:
        happens = draws.happens('rotation', probability=once, gate=0)
        matrices = turn(matrices, happens, draws.uniform('rotation', -jnp.pi, jnp.pi, 0))
    if 'aspect' in kinds:
        factor = jnp.where(draws.happens('aspect'), 2.0 ** draws.normal('aspect', 0.2), 1.0)
        matrices = _product(matrices, 1.0 / factor, zero, zero, factor)
    if 'rotation' in kinds:
        happens = draws.happens('rotation', probability=once, gate=1)
        matrices = turn(matrices, happens, draws.uniform('rotation', -jnp.pi, jnp.pi, 1))
    if 'shift' in kinds:
        happens = draws.happens('shift')
        down, across = (
            jnp.where(happens, draws.normal('shift', 0.125, axis) * side, 0.0)
            for axis, side in enumerate((height, width))
        )
        shifts = jnp.stack([down, across], axis=-1)
    offsets = about_center(matrices, shifts, height, width)
    return resample(images, matrices, offsets, fill='reflect')


def _product(matrices, a, b, c, d):
    """Returns matrices [n, 2, 2] times [[a, b], [c, d]], each [n], in full float32 precision."""
    right = jnp.stack([jnp.stack([a, b], -1), jnp.stack([c, d], -1)], -2)
    return jnp.sum(matrices[:, :, :, None] * right[:, None], axis=2)


def _recolor(images, draws, kinds):
    """Applies the changes of color. Hue and saturation leave gray images as they are."""
    if 'brightness' in kinds:
        images = images + draws.value('brightness', draws.normal('brightness', 0.2), 0.0)
    if 'contrast' in kinds:
        images = images * draws.value('contrast', 2.0 ** draws.normal('contrast', 0.5), 1.0)
    if 'luma_flip' in kinds:
        mirrored = draws.uniform('luma_flip', 0, 1) < 0.5
        gray = images.mean(-1, keepdims=True)
        images = images - draws.value('luma_flip', jnp.where(mirrored, 2.0, 0.0), 0.0) * gray
    if 'hue' in kinds and images.shape[-1] == 3:
        images = _turn_hue(images, draws.value('hue', draws.uniform('hue', -jnp.pi, jnp.pi), 0.0))
    if 'saturation' in kinds and images.shape[-1] == 3:
        factor = draws.value('saturation', 2.0 ** draws.normal('saturation', 1.0), 1.0)
        images = _about(images.mean(-1, keepdims=True), images, factor)
    if 'color' in kinds:
        images = images + draws.value('color', draws.uniform('color', -0.5, 0.5, 0), 0.0)
        factor = draws.value('color', draws.uniform('color', 0.0, 2.0, 1), 1.0)
        images = _about(images.mean(-1, keepdims=True), images, factor)
        factor = draws.value('color', draws.uniform('color', 0.5, 1.5, 2), 1.0)
        images = _about(images.mean((1, 2, 3), keepdims=True), images, factor)
    return images


def _about(center, images, factor):
    """Scales images about `center`; a factor of 1 returns exactly the same images."""
    return images + (factor - 1.0) * (images - center)


def _turn_hue(images, angle):
    """Rotates RGB about the gray axis v (Rodrigues).

    x cos a + (v x x) sin a + v (v . x) (1 - cos a)
    """
    red, green, blue = (images[..., channel : channel + 1] for channel in range(3))
    across = jnp.concatenate([blue - green, red - blue, green - red], -1) / np.sqrt(3.0)
    gray = images.mean(-1, keepdims=True)
    return images * jnp.cos(angle) + across * jnp.sin(angle) + gray * (1.0 - jnp.cos(angle))


def _cut_out(images, draws):
    """Fills a box of half the height and width, with a uniform center, with mid-gray."""
    inside = draws.happens('cutout')[:, None, None]
    for axis, size in enumerate(images.shape[1:3]):
        center = draws.uniform('cutout', 0, size, axis)
        near = jnp.abs(jnp.arange(size)[None] + 0.5 - center[:, None]) < size / 4
        inside = inside & jnp.expand_dims(near, 2 - axis)
    return jnp.where(inside[..., None], _NEUTRAL, images)
