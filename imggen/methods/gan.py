"""Generative adversarial networks: any loss of losses/adversarial.py with any network.

One step updates the discriminator and then the generator on one batch of real
and one of generated images. The images are generated once: the generator's
gradient goes back through the same forward pass that the discriminator learnt
from, judged by the discriminator as it is after its update.

`sample` draws from an exponential moving average of the generator.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from imggen import keys, optimizers, options, schedules
from imggen.losses import adversarial
from imggen.method import Method, Phase
from imggen.networks import dcgan, residual
from imggen.optimizers import Player

NETWORKS = {
    'dcgan': (dcgan.Generator, dcgan.Discriminator),
    'residual': (residual.Generator, residual.Discriminator),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: updates of each player.
      network: one of NETWORKS.
      generator, discriminator: options of the two modules.
      loss: one of adversarial.LOSSES.
      r1_gamma, r2_gamma: weights of the penalties on the gradients at real and at
        generated images; 0 for none.
      gamma_end: fraction of both gammas that is left at the end, along a cosine.
      latent_size: numbers in a latent vector, standard normal.
      learning_rate: of Adam, for both players.
      learning_rate_end: fraction that is left at the end, along a cosine.
      b1, b2: decays of Adam's moments; `b2_end` is b2 at the end, along a cosine.
      ema_half_life_images: of the average generator, in images seen.
    """

    num_steps: int
    network: str = 'dcgan'
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss: str = 'nonsaturating'
    r1_gamma: float = 0.0
    r2_gamma: float = 0.0
    gamma_end: float = 1.0
    latent_size: int = 64
    learning_rate: float = 2e-4
    learning_rate_end: float = 1.0
    b1: float = 0.5
    b2: float = 0.999
    b2_end: float | None = None
    ema_half_life_images: float = 10_000.0


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      step: updates made, int32.
      generator, discriminator: the players.
      average: variables of the average generator.
    """

    step: jax.Array
    generator: Player
    discriminator: Player
    average: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    loss = options.choose(adversarial.LOSSES, config.loss, where='config.method.loss')
    modules = options.choose(NETWORKS, config.network, where='config.method.network')
    optimizer = _optimizer(config)

    def networks(batch):
        generator = {**config.generator, 'shape': batch['image'].shape[1:]}
        generator['axis_name'] = axis_name
        discriminator = {**config.discriminator, 'axis_name': axis_name}
        return (
            options.build(modules[0], generator, where='config.method.generator'),
            options.build(modules[1], discriminator, where='config.method.discriminator'),
        )

    def init(key, frozen, batch):
        del frozen
        generator, discriminator = networks(batch)
        generator_key, discriminator_key = jax.random.split(key)
        latent = jnp.zeros((1, config.latent_size))
        variables = generator.init(generator_key, latent, train=False)
        return State(
            step=jnp.int32(0),
            generator=optimizers.new_player(variables, optimizer),
            discriminator=optimizers.new_player(
                discriminator.init(discriminator_key, batch['image'][:1], train=False), optimizer
            ),
            average=variables,
        )

    def step(key, state, frozen, batch):
        del frozen
        generator, discriminator = networks(batch)
        real = batch['image']
        latent = draw_latent(keys.per_image(key, len(real), axis_name=axis_name), config)
        progress = state.step / config.num_steps
        gamma_scale = schedules.cosine(1.0, config.gamma_end, progress)

        def generate(params):
            variables = {'params': params, **state.generator.statistics}
            return generator.apply(variables, latent, train=True, mutable=['batch_stats'])

        def criticise(params, statistics, images):
            variables = {'params': params, **statistics}
            return discriminator.apply(variables, images, train=True, mutable=['batch_stats'])

        def penalised(params, statistics, images, gamma):
            """Logits, gamma / 2 ||gradient||^2 of each image, new statistics."""
            if gamma == 0:
                logits, statistics = criticise(params, statistics, images)
                return logits, jnp.zeros_like(logits), statistics
            logits, norms, statistics = adversarial.squared_gradient_norm(
                lambda images: criticise(params, statistics, images), images
            )
            return logits, gamma / 2.0 * gamma_scale * norms, statistics

        fake, pull_back, generator_statistics = jax.vjp(
            generate, state.generator.params, has_aux=True
        )

        def discriminator_loss(params):
            statistics = state.discriminator.statistics
            real_logits, r1, statistics = penalised(params, statistics, real, config.r1_gamma)
            fake_logits, r2, statistics = penalised(params, statistics, fake, config.r2_gamma)
            game = jnp.mean(loss.discriminator(real_logits, fake_logits))
            report = {'discriminator_loss': game}
            report |= {'real_logit': real_logits.mean(), 'fake_logit': fake_logits.mean()}
            report |= {'r1': r1.mean()} if config.r1_gamma else {}
            report |= {'r2': r2.mean()} if config.r2_gamma else {}
            return game + jnp.mean(r1 + r2), (report, statistics)

        gradient = jax.grad(discriminator_loss, has_aux=True)
        gradients, (report, statistics) = gradient(state.discriminator.params)
        gradients = optimizers.mean_over(axis_name, gradients)
        report['discriminator_gradient'] = optimizers.global_norm(gradients)
        critic = optimizers.update(state.discriminator, gradients, optimizer, statistics=statistics)

        def generator_loss(fake):
            real_logits, _ = criticise(critic.params, critic.statistics, real)
            fake_logits, _ = criticise(critic.params, critic.statistics, fake)
            return jnp.mean(loss.generator(real_logits, fake_logits))

        report['generator_loss'], gradient_at_fake = jax.value_and_grad(generator_loss)(fake)
        (gradients,) = pull_back(gradient_at_fake)
        gradients = optimizers.mean_over(axis_name, gradients)
        report['generator_gradient'] = optimizers.global_norm(gradients)
        player = optimizers.update(
            state.generator, gradients, optimizer, statistics=generator_statistics
        )

        images_per_step = len(real) * jax.lax.axis_size(axis_name) if axis_name else len(real)
        decay = schedules.half_life_decay(
            images_per_step, config.ema_half_life_images, (state.step + 1.0) * images_per_step
        )
        state = State(
            step=state.step + 1,
            generator=player,
            discriminator=critic,
            average=optimizers.ema(state.average, player.variables, decay),
        )
        return state, optimizers.mean_over(axis_name, report)

    def sample(key, state, frozen, batch):
        del frozen
        generator, _ = networks(batch)
        latent = batch['latent'] if 'latent' in batch else draw_latent(key, config)
        return {'generated': jnp.clip(generator.apply(state.average, latent, train=False), -1, 1)}

    phases = (Phase('train', config.num_steps, step),)
    return Method(init, phases, sample, latent_size=config.latent_size)


def draw_latent(image_keys: jax.Array, config: Config) -> jax.Array:
    """Draws standard normal latents [n, latent size], one from each key [n]."""
    return jax.vmap(lambda key: jax.random.normal(key, (config.latent_size,)))(image_keys)


def _optimizer(config: Config):
    def learning_rate(step):
        progress = step / config.num_steps
        return schedules.cosine(
            config.learning_rate, config.learning_rate * config.learning_rate_end, progress
        )

    b2 = config.b2
    if config.b2_end is not None and not math.isclose(config.b2_end, config.b2):
        b2 = lambda step: schedules.cosine(config.b2, config.b2_end, step / config.num_steps)  # noqa: E731
    return optimizers.adam(learning_rate, b1=config.b1, b2=b2)
