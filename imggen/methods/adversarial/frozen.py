"""Discriminators that look at images through a frozen network.

`Config.joins` says how they are used. A projected discriminator (Sauer et al. 2021) stands alone.
A vision-aided one (Kumari et al. 2022) joins the usual discriminator, whose loss stays.

The frozen weights and the random mixing are part of `Method.frozen`, not of the state.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from imggen import options
from imggen.features import alexnet, layers, lite0, vgg16
from imggen.networks import projected

# Module and layers, the shallowest first: their maps are looked at.
NETWORKS = {
    'alexnet': (alexnet, ('conv1', 'conv2', 'conv3', 'conv5')),
    'lite0': (lite0, ('block2', 'block4', 'block10', 'block15')),
    'vgg16': (vgg16, ('block2_conv2', 'block3_conv3', 'block4_conv3', 'block5_conv3')),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method.frozen`.

    Attributes:
      network: one of NETWORKS; '' for none.
      size: images are resized to this height and width for the network.
      features: F of networks/projected.py, for the mixing and the heads.
      joins: whether the usual discriminator stays, and these heads join it.
      weight: of the heads in the loss of the generator, if they join.
      learning_rate: of the heads, if they join.
      warmup: the fraction of the run after which they join.
    """

    network: str = ''
    size: int = 128
    features: int = 64
    joins: bool = False
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
      UserError: the network is unknown, or its weights are not installed.
    """
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
    # `network.activations` needs the weights of the looked-at layers and those before them.
    channels = _channels(network, weights, names)
    mixing = projected.draw_mixing(jax.random.key(0), channels, features=config.features)
    return Discriminator(init, apply, {'network': weights, 'mixing': mixing})


def _channels(network, weights, names) -> list[int]:
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), 'float32')
    shapes = jax.eval_shape(lambda image: network.activations(weights, image, names), image)
    return [shapes[name].shape[-1] for name in names]
