"""Evaluators: networks that say of one picture how good it is.

Energies are at least 0 and small for pictures of the kind that the evaluator was
trained on. An evaluator sees one picture at a time: no statistics of a batch.
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
    """The pure functions of an evaluator.

    Attributes:
      init: (key, images) -> params.
      loss: (image keys [n], params, images) -> what training lowers, [n].
      energy: (params, images) -> [n].
      output: (params, images) -> what it makes of the pictures, in their shape; None
        where it makes none.
      features: (params, images) -> tuple of [n, size], one a level; None where it has none.
    """

    init: Callable[[jax.Array, jax.Array], Any]
    loss: Callable[[jax.Array, Any, jax.Array], jax.Array]
    energy: Callable[[Any, jax.Array], jax.Array]
    output: Callable[[Any, jax.Array], jax.Array] | None
    features: Callable[[Any, jax.Array], tuple[jax.Array, ...]] | None


def autoencoder(config: Mapping[str, Any], shape: tuple[int, int, int]) -> Evaluator:
    """Judges by the error of a reconstruction; `config` are options of `Autoencoder`."""
    network = options.build(
        Autoencoder, {**config, 'shape': shape}, where='config.method.evaluator'
    )

    def output(params, images):
        return network.apply({'params': params}, images)[0]

    def energy(params, images):
        return reconstruction.squared(images, output(params, images))

    def features(params, images):
        codes, maps = network.apply({'params': params}, images, method='encode')
        return tuple(level.reshape(len(images), -1) for level in (images, *maps, codes))

    return Evaluator(
        init=lambda key, images: network.init(key, images)['params'],
        loss=lambda key, params, images: energy(params, images),
        energy=energy,
        output=output,
        features=features,
    )


def cnn(config: Mapping[str, Any], shape: tuple[int, int, int]) -> Evaluator:
    """Judges by -log of the probability of a real picture, beside noise, shapes and patches."""
    del shape
    options_ = {**config, 'normalize': False}
    network = options.build(Discriminator, options_, where='config.method.evaluator')

    def logits(params, images):
        return network.apply({'params': params}, images, train=False)

    def loss(key, params, images):
        fakes = logits(params, impostors.mixture(key, images))
        return adversarial.binary_cross_entropy(logits(params, images), fakes)

    return Evaluator(
        init=lambda key, images: network.init(key, images, train=False)['params'],
        loss=loss,
        energy=lambda params, images: adversarial.softplus(-logits(params, images)),
        output=None,
        features=None,
    )


EVALUATORS = {'autoencoder': autoencoder, 'cnn': cnn}
