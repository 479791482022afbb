"""A second discriminator, on the features of a frozen network.

It joins the usual one, and the generator learns from both (vision-aided training, Kumari et al.
2022). Its heads look at random mixtures of the maps, as projected GANs do (Sauer et al. 2021).

The frozen weights and the random mixing are part of `Method.frozen`, not of the state.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from imggen import options
from imggen.errors import UserError
from imggen.features import alexnet, layers, lite0, vgg16
from imggen.networks import projected

# Of each network, the layers whose maps the heads judge, the shallowest first.
NETWORKS = {
    'alexnet': (alexnet, ('conv1', 'conv2', 'conv3', 'conv5')),
    'lite0': (lite0, ('block2', 'block4', 'block10', 'block15')),
    'vgg16': (vgg16, ('block2_conv2', 'block3_conv3', 'block4_conv3', 'block5_conv3')),
}
# The smallest size at which every map of every network has the 2 pixels that a head halves.
MIN_SIZE = 48


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method.frozen`.

    Attributes:
      network: one of NETWORKS.
      size: images are resized to this height and width for the network; MIN_SIZE or more.
      features: F of networks/projected.py, for the mixing and the heads.
      weight: weight of the heads in the loss of the generator.
      learning_rate: learning rate of the heads.
      warmup: the fraction of the run after which the generator learns from the heads.
    """

    network: str = 'alexnet'
    size: int = 128
    features: int = 64
    weight: float = 1.0
    learning_rate: float = 2e-4
    warmup: float = 0.1


class Discriminator(NamedTuple):
    """A discriminator on frozen features.

    Attributes:
      init: (key, frozen, images) -> variables of the heads.
      apply: (frozen, variables, images [n, height, width, channels], train=, rngs=, mutable=) ->
        logits [n, k], or (logits, changed collections) if `mutable` is given.
      frozen: the weights of the network, and the mixing.
    """

    init: Any
    apply: Any
    frozen: Mapping[str, Any]


def make(config: Config, *, axis_name: str | None) -> Discriminator:
    """Builds the discriminator and reads the weights of its network.

    Raises:
      UserError: the network is unknown, its weights are not installed, or `size` is too small.
    """
    if config.size < MIN_SIZE:
        raise UserError(
            f'config.method.frozen.size={config.size} is too small: set it to {MIN_SIZE} or more.'
        )
    network, names = options.choose(NETWORKS, config.network, where='config.method.frozen.network')
    heads = projected.Heads(config.features, axis_name=axis_name)

    def mixed(frozen, images):
        images = layers.resize(images, config.size, config.size)
        maps = network.activations(frozen['network'], images, names)
        return projected.mix(frozen['mixing'], [maps[name] for name in names])

    def init(key, frozen, images):
        return heads.init(key, mixed(frozen, images), train=False)

    def apply(frozen, variables, images, **how):
        return heads.apply(variables, mixed(frozen, images), **how)

    weights = network.pretrained()
    channels = _channels(network, weights, names)
    mixing = projected.draw_mixing(jax.random.key(0), channels, features=config.features)
    return Discriminator(init, apply, {'network': weights, 'mixing': mixing})


def _channels(network, weights, names) -> list[int]:
    """Returns the number of channels of each map."""
    image = jax.ShapeDtypeStruct((1, MIN_SIZE, MIN_SIZE, 3), 'float32')
    shapes = jax.eval_shape(lambda image: network.activations(weights, image, names), image)
    return [shapes[name].shape[-1] for name in names]
