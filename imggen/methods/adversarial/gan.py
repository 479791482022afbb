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
      frozen: options of `adversarial.frozen.Config`, a discriminator on frozen features; {} for
        none. Unless it joins, it takes the place of the discriminator of `network`.
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
    heads, aid = _on_frozen_features(setup)

    def init(key, frozen, batch):
        generator, discriminator = networks(batch['image'].shape[1:])
        generator_key, discriminator_key = jax.random.split(key)
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        latent = jnp.zeros((1, config.latent_size))
        image = batch['image'][:1]
        generator_variables = generator.init(generator_key, latent, label, train=False)
        aid_state = None
        if heads and not aid:
            variables = heads.init(discriminator_key, frozen, image)
        else:
            variables = discriminator.init(discriminator_key, image, label, train=False)
        if aid:
            aid_key = jax.random.fold_in(discriminator_key, 1)
            aid_state = train_state.create(heads.init(aid_key, frozen, image), aid.optimizer)
        return adversarial_step.create_state(setup, generator_variables, variables, heads=aid_state)

    def step(key, state, frozen, batch):
        generator, discriminator = networks(batch['image'].shape[1:])
        apply, joined = discriminator.apply, None
        if aid:
            joined = aid._replace(apply=functools.partial(aid.apply, frozen))
        elif heads:
            apply = functools.partial(_apply_without_label, heads, frozen)
        return adversarial_step.advance(
            key, setup, state, batch, generator.apply, apply, aid=joined
        )

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
        frozen=heads.frozen if heads else (),
        logits_have_scale=setup.loss.has_scale,
    )


def _on_frozen_features(setup: adversarial_step.Setup):
    """Builds what `config.frozen` asks for.

    Returns:
      The discriminator, and the aid if it joins the usual one; None for what is not asked for. The
      aid's `apply` takes the frozen weights first.
    """
    config, where = setup.config, 'config.method.frozen'
    looks = options.build(frozen_discriminator.Config, config.frozen, where=where)
    if not looks.network:
        return None, None
    _check_frozen(setup, looks.joins)
    heads = frozen_discriminator.make(looks, axis_name=setup.axis_name)
    if not looks.joins:
        return heads, None
    schedule = dataclasses.replace(config, learning_rate=looks.learning_rate)
    optimizer = adversarial_step.make_optimizer(schedule, max(1, config.num_steps))
    first_step = round(looks.warmup * config.num_steps)
    return heads, adversarial_step.Aid(heads.apply, optimizer, looks.weight, first_step)


def _apply_without_label(heads, frozen, variables, images, label, **how):
    """Applies the heads in place of a discriminator that takes a label."""
    del label
    return heads.apply(frozen, variables, images, **how)


def _check_frozen(setup: adversarial_step.Setup, joins: bool) -> None:
    """Refuses options that a discriminator on frozen features does not have."""
    config = setup.config
    if config.num_classes and not joins:
        raise UserError(
            'config.method.frozen looks at images without their labels: set '
            'config.method.frozen.joins=True, so that the usual discriminator looks at them, or '
            'config.method.num_classes=0.'
        )
    if joins and setup.augmentation.target:
        raise UserError(
            'config.method.augment.target follows one discriminator, and '
            'config.method.frozen.joins adds a second one: set config.method.augment.target=0.0.'
        )
    if not joins and (used := _penalties(config)):
        raise UserError(
            f'config.method.{used[0]} penalizes the gradient of single images, which the batch '
            f'normalization of config.method.frozen mixes: set config.method.{used[0]}=0.0.'
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
    used = _penalties(config)
    if used and getattr(discriminator, 'normalize', False):
        raise UserError(
            f'config.method.{used[0]} penalizes the gradient of single images, which batch '
            'normalization mixes: set config.method.discriminator.normalize=False.'
        )


def _penalties(config: Config) -> list[str]:
    """Returns the names of the gradient penalties that a config uses."""
    names = ('r1_gamma', 'r2_gamma', 'gradient_penalty')
    return [name for name in names if getattr(config, name)]
