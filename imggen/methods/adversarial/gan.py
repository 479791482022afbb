"""Generative adversarial networks: any loss of losses/adversarial.py with any network below.

Samples are drawn from an exponential moving average of the generator.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from imggen import latents, options, train_state
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.adversarial import frozen as frozen_discriminator
from imggen.methods.adversarial import step as adversarial_step
from imggen.methods.adversarial.update import apply_per_image
from imggen.networks import dcgan, gated, perceptron, residual

NETWORKS = {
    'perceptron': (perceptron.Generator, perceptron.Discriminator),
    'dcgan': (dcgan.Generator, dcgan.Discriminator),
    'gated': (gated.Generator, dcgan.Discriminator),
    'residual': (residual.Generator, residual.Discriminator),
}


@dataclasses.dataclass(frozen=True)
class Config(adversarial_step.Config):
    """Options of `config.method`, in addition to those of `adversarial.step.Config`.

    Attributes:
      network: one of NETWORKS.
      generator, discriminator: options of the two modules.
      frozen: options of `adversarial.frozen.Config`; {} for none.
    """

    network: str = 'dcgan'
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    frozen: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    setup = adversarial_step.make_setup(
        config, axis_name=axis_name, schedule_steps=max(1, config.num_steps)
    )
    modules = options.choose(NETWORKS, config.network, where='config.method.network')
    networks = functools.partial(_networks, config, modules, axis_name)
    looks = options.build(frozen_discriminator.Config, config.frozen, where='config.method.frozen')
    eye = frozen_discriminator.make(looks, axis_name=axis_name) if looks.network else None
    if eye and looks.joins:
        slower = dataclasses.replace(config, learning_rate=looks.learning_rate)
        aid_optimizer = adversarial_step.make_optimizer(slower, max(1, config.num_steps))
        aid_of = lambda frozen: adversarial_step.Aid(  # noqa: E731
            functools.partial(eye.apply, frozen),
            aid_optimizer,
            looks.weight,
            round(looks.warmup * config.num_steps),
        )

    def init(key, frozen, batch):
        generator, discriminator = networks(batch['image'].shape[1:])
        generator_key, discriminator_key = jax.random.split(key)
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        latent = jnp.zeros((1, config.latent_size))
        image = batch['image'][:1]
        generator_variables = generator.init(generator_key, latent, label, train=False)
        heads = None
        if eye and looks.joins:
            variables = eye.init(jax.random.fold_in(discriminator_key, 1), frozen, image)
            heads = train_state.create(variables, aid_optimizer)
        if eye and not looks.joins:
            variables = eye.init(discriminator_key, frozen, image)
        else:
            variables = discriminator.init(discriminator_key, image, label, train=False)
        return adversarial_step.create_state(setup, generator_variables, variables, heads)

    def step(key, state, frozen, batch):
        generator, discriminator = networks(batch['image'].shape[1:])
        apply, aid = discriminator.apply, None
        if eye and looks.joins:
            aid = aid_of(frozen)
        elif eye:
            apply = lambda variables, images, label, **how: eye.apply(  # noqa: E731
                frozen, variables, images, **how
            )
        return adversarial_step.advance(key, setup, state, batch, generator.apply, apply, aid)

    def sample(image_keys, state, frozen, batch):
        del frozen
        generator, _ = networks(batch['image'].shape[1:])
        latent = latents.given_or_drawn(image_keys, batch, config.latent_size)
        label = latents.given_or_drawn_labels(image_keys, batch, config.num_classes)
        apply = functools.partial(generator.apply, state.ema, train=False)
        images = apply_per_image(apply, image_keys, latent, label)
        return {'generated': jnp.clip(images, -1, 1)}

    return Method(
        init,
        (Phase('train', config.num_steps, step),),
        sample,
        latent_size=config.latent_size,
        num_classes=config.num_classes or None,
        frozen=eye.frozen if eye else (),
        logits_have_scale=setup.loss.has_scale,
    )


def _networks(config: Config, modules, axis_name: str | None, shape: tuple[int, int, int]):
    """Builds the generator and the discriminator for images of one shape."""
    shared = {'num_classes': config.num_classes, 'axis_name': axis_name}
    generator = options.build(
        modules[0],
        {**config.generator, **shared, 'shape': shape},
        where='config.method.generator',
    )
    discriminator = options.build(
        modules[1], {**config.discriminator, **shared}, where='config.method.discriminator'
    )
    _check(config, discriminator)
    return generator, discriminator


def _check(config: Config, discriminator) -> None:
    """Refuses gradient penalties, which are per image, with batch normalization."""
    names = ('r1_gamma', 'r2_gamma', 'gradient_penalty')
    used = [name for name in names if getattr(config, name)]
    if used and getattr(discriminator, 'normalize', False):
        raise UserError(
            f'config.method.{used[0]} penalizes the gradient of single images, which batch '
            'normalization mixes: set config.method.discriminator.normalize=False.'
        )
