"""Generative adversarial networks: any loss of losses/adversarial.py with any network.

A step is one update of the game (methods/game.py). `sample` draws from an exponential
moving average of the generator.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from imggen import latents, options
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.adversarial import step as game
from imggen.networks import dcgan, perceptron, residual

NETWORKS = {
    'perceptron': (perceptron.Generator, perceptron.Discriminator),
    'dcgan': (dcgan.Generator, dcgan.Discriminator),
    'residual': (residual.Generator, residual.Discriminator),
}


@dataclasses.dataclass(frozen=True)
class Config(game.Config):
    """Options of `config.method`, besides those of every game.

    Attributes:
      network: one of NETWORKS.
      generator, discriminator: options of the two modules.
    """

    network: str = 'dcgan'
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    modules = options.choose(NETWORKS, config.network, where='config.method.network')
    start, _, update = game.make(config, axis_name=axis_name)

    def networks(batch):
        shared = {'num_classes': config.num_classes, 'axis_name': axis_name}
        generator = {**config.generator, **shared, 'shape': batch['image'].shape[1:]}
        discriminator = {**config.discriminator, **shared}
        discriminator = options.build(
            modules[1], discriminator, where='config.method.discriminator'
        )
        _check(config, discriminator)
        return (
            options.build(modules[0], generator, where='config.method.generator'),
            discriminator,
        )

    def init(key, frozen, batch):
        del frozen
        generator, discriminator = networks(batch)
        generator_key, discriminator_key = jax.random.split(key)
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        latent = jnp.zeros((1, config.latent_size))
        return start(
            generator.init(generator_key, latent, label, train=False),
            discriminator.init(discriminator_key, batch['image'][:1], label, train=False),
        )

    def step(key, state, frozen, batch):
        del frozen
        generator, discriminator = networks(batch)
        return update(key, state, batch, generator.apply, discriminator.apply)

    def sample(key, state, frozen, batch):
        del frozen
        generator, _ = networks(batch)
        latent = latents.given_or_drawn(key, batch, config.latent_size)
        label = latents.given_or_drawn_labels(key, batch, config.num_classes)
        images = generator.apply(state.ema, latent, label, train=False)
        return {'generated': jnp.clip(images, -1, 1)}

    return Method(
        init,
        (Phase('train', config.num_steps, step),),
        sample,
        latent_size=config.latent_size,
        num_classes=config.num_classes or None,
    )


def _check(config: Config, discriminator) -> None:
    """Penalties are of one image's gradient, which batch normalization mixes with others'."""
    names = ('r1_gamma', 'r2_gamma', 'gradient_penalty')
    asked = [name for name in names if getattr(config, name)]
    if asked and getattr(discriminator, 'normalize', False):
        raise UserError(
            f'config.method.{asked[0]} penalizes the gradient of single images, which batch '
            'normalization mixes: set config.method.discriminator.normalize=False.'
        )
