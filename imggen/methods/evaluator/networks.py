"""Evaluator networks: they assign each image an energy that is small for good images.

Energies are at least 0, and small for images like those of the training set. An evaluator sees
one image at a time: it uses no batch statistics.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from imggen import options
from imggen.losses import adversarial, reconstruction
from imggen.methods.evaluator import impostors
from imggen.networks.autoencoder import Autoencoder
from imggen.networks.dcgan import Discriminator


class Evaluator(NamedTuple):
    """The pure functions of an evaluator. Images are float32 [n, height, width, channels].

    Attributes:
      init: (key, images) -> params.
      loss: (image_keys [n], params, images) -> training losses [n].
      energy: (params, images) -> energies [n].
      output: (params, images) -> reconstructions of the same shape; None if the network does
        not output images.
      features: (params, images) -> tuple of [n, size], one per level; None without features.
    """

    init: Callable[[jax.Array, jax.Array], Any]
    loss: Callable[[jax.Array, Any, jax.Array], jax.Array]
    energy: Callable[[Any, jax.Array], jax.Array]
    output: Callable[[Any, jax.Array], jax.Array] | None
    features: Callable[[Any, jax.Array], tuple[jax.Array, ...]] | None


def autoencoder(config: Mapping[str, Any], shape: tuple[int, int, int]) -> Evaluator:
    """Returns an evaluator whose energy is the squared error of its reconstruction.

    Args:
      config: options of `Autoencoder`.
      shape: (height, width, channels) of the images.
    """
    network = options.build(Autoencoder, config, where='config.method.evaluator', shape=shape)

    def output(params, images):
        return network.apply({'params': params}, images)[0]

    def energy(params, images):
        return reconstruction.squared(images, output(params, images))

    def features(params, images):
        codes, maps = network.apply({'params': params}, images, method='encode')
        return tuple(level.reshape(len(images), -1) for level in (images, *maps, codes))

    return Evaluator(
        init=lambda key, images: network.init(key, images)['params'],
        loss=lambda image_keys, params, images: energy(params, images),
        energy=energy,
        output=output,
        features=features,
    )


def cnn(config: Mapping[str, Any], shape: tuple[int, int, int]) -> Evaluator:
    """Returns an evaluator whose energy is -log of the probability that an image is real.

    It learns to tell real images from noise, random shapes and shuffled patches.

    Args:
      config: options of `Discriminator`.
      shape: unused, because the network takes images of any size.
    """
    del shape
    network = options.build(Discriminator, config, where='config.method.evaluator', normalize=False)

    def logits(params, images):
        return network.apply({'params': params}, images, train=False)

    def loss(image_keys, params, images):
        fakes = logits(params, impostors.mixture(image_keys, images))
        return adversarial.binary_cross_entropy(logits(params, images), fakes)

    return Evaluator(
        init=lambda key, images: network.init(key, images, train=False)['params'],
        loss=loss,
        energy=lambda params, images: adversarial.softplus(-logits(params, images)),
        output=None,
        features=None,
    )


EVALUATORS = {'autoencoder': autoencoder, 'cnn': cnn}
