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
from imggen.networks import dcgan, perceptron, residual

NETWORKS = {
    'perceptron': (perceptron.Generator, perceptron.Discriminator),
    'dcgan': (dcgan.Generator, dcgan.Discriminator),
    'residual': (residual.Generator, residual.Discriminator),
}


@dataclasses.dataclass(frozen=True)
class Config(adversarial_step.Config):
    """Options of `config.method`, in addition to those of `adversarial.step.Config`.

    Attributes:
      network: one of NETWORKS.
      generator, discriminator: options of the two modules.
      frozen: options of `adversarial.frozen.Config`, a second discriminator, which looks at frozen
        features; {} for none.
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
    heads, aid = _on_frozen_features(setup) if config.frozen else (None, None)

    def init(key, frozen, batch):
        generator, discriminator = networks(batch['image'].shape[1:])
        generator_key, discriminator_key = jax.random.split(key)
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        latent = jnp.zeros((1, config.latent_size))
        image = batch['image'][:1]
        generator_variables = generator.init(generator_key, latent, label, train=False)
        variables = discriminator.init(discriminator_key, image, label, train=False)
        aid_state = None
        if aid:
            aid_key = jax.random.fold_in(discriminator_key, 1)
            aid_state = train_state.create(heads.init(aid_key, frozen, image), aid.optimizer)
        return adversarial_step.create_state(setup, generator_variables, variables, heads=aid_state)

    def step(key, state, frozen, batch):
        generator, discriminator = networks(batch['image'].shape[1:])
        joined = aid and aid._replace(apply=functools.partial(aid.apply, frozen))
        return adversarial_step.advance(
            key, setup, state, batch, generator.apply, discriminator.apply, aid=joined
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
    """Builds the second discriminator (its `apply` takes the frozen weights first), and its aid."""
    config, where = setup.config, 'config.method.frozen'
    if setup.augmentation.target:
        raise UserError(
            'config.method.augment.target follows one discriminator, and config.method.frozen adds '
            'a second one: set config.method.augment.target=0.0.'
        )
    looks = options.build(frozen_discriminator.Config, config.frozen, where=where)
    heads = frozen_discriminator.make(looks, axis_name=setup.axis_name)
    schedule = dataclasses.replace(config, learning_rate=looks.learning_rate)
    optimizer = adversarial_step.make_optimizer(schedule, max(1, config.num_steps))
    first_step = round(looks.warmup * config.num_steps)
    return heads, adversarial_step.Aid(heads.apply, optimizer, looks.weight, first_step)


def _networks(config: Config, modules, axis_name: str | None, shape: tuple[int, int, int]):
    """Builds the generator and the discriminator for images of one shape."""
    shared = {'num_classes': config.num_classes, 'axis_name': axis_name}
    generator = options.build(
        modules[0], config.generator, where='config.method.generator', **shared, shape=shape
    )
    discriminator = options.build(
        modules[1], config.discriminator, where='config.method.discriminator', **shared
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
