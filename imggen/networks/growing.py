"""Networks that grow (Karras et al. 2018): layers are added one by one, each of twice the size.

Level 0 works on images of the smallest size, and level l on twice the height and width of level
l - 1. The parameters of all levels exist from the start. Each level has its own layers from
features to an image and back. A new level is faded in with the same weight `fade` in both networks
and in the real images:

  G   image    = (1 - fade) up(image of the level below) + fade image of this level
  D   features = (1 - fade) those of down(image)         + fade those of this level
  x            = (1 - fade) up(down(x))                  + fade x

`up` repeats pixels and `down` averages 2 x 2 pixels, so that at fade 0 the grown networks equal
exactly those of the level below, enlarged.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import conditional, spectral
from imggen.networks.blocks import pad_to
from imggen.networks.conv.layers import Conv
from imggen.networks.layers import Dense

_SLOPE = 0.2  # Of the leaky ReLU.
_init = nn.initializers.he_normal()
_linear = nn.initializers.lecun_normal()


def base_size(size: tuple[int, int], levels: int) -> tuple[int, int]:
    """Returns (height, width) of level 0, which doubles `levels` - 1 times to at least `size`."""
    scale = 2 ** (levels - 1)
    return -(-size[0] // scale), -(-size[1] // scale)


def up(images: jax.Array) -> jax.Array:
    """Doubles the size of [n, height, width, channels] by repeating each pixel 2 x 2 times."""
    n, height, width, channels = images.shape
    doubled = jnp.broadcast_to(images[:, :, None, :, None], (n, height, 2, width, 2, channels))
    return doubled.reshape(n, 2 * height, 2 * width, channels)


def down(images: jax.Array) -> jax.Array:
    """Halves the even size of [n, height, width, channels] by averaging each 2 x 2 pixels."""
    n, height, width, channels = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def at_level(images: jax.Array, level: int, fade: jax.Array | float, *, levels: int) -> jax.Array:
    """Resizes real images [n, height, width, channels] to a level, and fades as the generator."""
    base = base_size(images.shape[1:3], levels)
    images = pad_to(images, (base[0] * 2 ** (levels - 1), base[1] * 2 ** (levels - 1)))
    for _ in range(levels - 1 - level):
        images = down(images)
    return mix(up(down(images)), images, fade) if level else images


def mix(old: jax.Array, new: jax.Array, fade: jax.Array | float) -> jax.Array:
    """Returns (1 - fade) old + fade new, which is exactly `old` at fade 0 and `new` at fade 1."""
    return (1.0 - fade) * old + fade * new


class Generator(nn.Module):
    """Latent [n, latent size] -> images of a level [n, height, width, channels], not bounded.

    Attributes:
      shape: (height, width, channels) of the images at full size.
      features: number of features of each level, the smallest size first.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: unused; the network does not depend on batch statistics.
    """

    shape: tuple[int, int, int]
    features: tuple[int, ...] = (128, 64, 32)
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, latent, label=None, *, level: int, fade, train: bool) -> jax.Array:
        del train
        base = base_size(self.shape[:2], len(self.features))
        x = conditional.with_class(latent, label, self.num_classes)
        x = Dense(base[0] * base[1] * self.features[0], kernel_init=_linear, name='start')(x)
        x = _activate(x.reshape(-1, *base, self.features[0]))
        images = []
        for number in range(level + 1):
            if number:
                x = up(x)
            conv = Conv(self.features[number], 3, kernel_init=_init, name=f'conv_{number}')
            x = _activate(conv(x))
            if number >= level - 1 or self.is_initializing():
                to_image = Conv(self.shape[2], 1, kernel_init=_linear, name=f'to_image_{number}')
                images.append(to_image(x))
        return mix(up(images[-2]), images[-1], fade) if level else images[-1]


class Discriminator(nn.Module):
    """Images of a level [n, height, width, channels] -> logits [n], large if they look real.

    Attributes:
      features: number of features of each level, the smallest size first.
      spectral: whether every kernel is divided by its largest singular value.
      num_classes: number of classes that it is conditioned on; 0 for none.
      axis_name: unused; the network does not depend on batch statistics.
    """

    features: tuple[int, ...] = (128, 64, 32)
    spectral: bool = False
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images, label=None, *, level: int, fade, train: bool) -> jax.Array:
        def layer(module, x):
            return spectral.apply(module, x, normalize=self.spectral, train=train)

        def from_image(number, images):
            conv = Conv(self.features[number], 1, kernel_init=_init, name=f'from_image_{number}')
            return nn.leaky_relu(layer(conv, images), _SLOPE)

        x = from_image(level, images)
        for number in range(level, 0, -1):
            features = self.features[number - 1]
            conv = Conv(features, 3, kernel_init=_init, name=f'conv_{number}')
            x = down(nn.leaky_relu(layer(conv, x), _SLOPE))
            images = down(images)
            if number == level or self.is_initializing():
                old = from_image(number - 1, images)
                x = mix(old, x, fade) if number == level else x
        conv = Conv(self.features[0], 3, kernel_init=_init, name='conv_0')
        x = nn.leaky_relu(layer(conv, x), _SLOPE).reshape(x.shape[0], -1)
        logits = layer(Dense(1, kernel_init=_linear, name='logit'), x)[:, 0]
        return conditional.projected(
            logits, x, label, self.num_classes, normalize=self.spectral, train=train
        )


def _activate(x):
    """Applies a leaky ReLU and scales the features of every pixel to a mean square of 1."""
    x = nn.leaky_relu(x, _SLOPE)
    square = jnp.mean(jnp.square(x.astype(jnp.float32)), axis=-1, keepdims=True)
    return (x * jax.lax.rsqrt(square + 1e-8)).astype(x.dtype)
