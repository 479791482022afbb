"""BEGAN (Berthelot et al. 2017): an autoencoder and a generator held in balance.

A picture's energy L is the absolute error of the autoencoder. A control keeps the
energy of generated pictures at gamma times that of real ones, by how much the
autoencoder attends to them, k:

  evaluator   L(x) - k L(G(z))
  generator   L(G(z))
  control     k <- clip(k + lambda (gamma L(x) - L(G(z))), 0, 1)

Smaller gamma gives cleaner and more alike pictures. The metric `convergence`,
L(x) + |gamma L(x) - L(G(z))|, falls while training goes well, which few adversarial
losses tell. `sample` draws from an exponential moving average of the generator.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from imggen import keys, latents, optimizers, options, schedules
from imggen.losses import energy, reconstruction
from imggen.method import Method, Phase
from imggen.networks.autoencoder import Autoencoder
from imggen.networks.dcgan import Generator
from imggen.optimizers import Player


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: updates of each player.
      evaluator, generator: options of the autoencoder and of the DCGAN generator.
      gamma: energy of generated pictures that is aimed at, in that of real ones.
      gain: lambda, of the control.
      latent_size: numbers in a latent vector, standard normal.
      evaluator_learning_rate, learning_rate: of Adam, of the evaluator and the generator.
      b1: decay of Adam's first moment.
      ema_half_life_images: of the average generator, in images seen.
    """

    num_steps: int
    evaluator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    gamma: float = 0.7
    gain: float = 0.01
    latent_size: int = 64
    evaluator_learning_rate: float = 1e-3
    learning_rate: float = 1e-3
    b1: float = 0.5
    ema_half_life_images: float = 5_000.0


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      step: updates made, int32.
      evaluator, generator: the players.
      average: variables of the average generator.
      ratio: k, scalar in [0, 1].
    """

    step: jax.Array
    evaluator: Player
    generator: Player
    average: Any
    ratio: jax.Array


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    evaluator_optimizer = optimizers.adam(config.evaluator_learning_rate, b1=config.b1)
    generator_optimizer = optimizers.adam(config.learning_rate, b1=config.b1)

    def generator_of(batch):
        section = {**config.generator, 'shape': batch['image'].shape[1:], 'axis_name': axis_name}
        return options.build(Generator, section, where='config.method.generator')

    def init(key, frozen, batch):
        del frozen
        evaluator_key, generator_key = jax.random.split(key)
        judge = _evaluator(config, batch['image'].shape)
        latent = jnp.zeros((1, config.latent_size))
        variables = generator_of(batch).init(generator_key, latent, train=False)
        judge_variables = judge.init(evaluator_key, batch['image'][:1])
        return State(
            step=jnp.int32(0),
            evaluator=optimizers.new_player(judge_variables, evaluator_optimizer),
            generator=optimizers.new_player(variables, generator_optimizer),
            average=variables,
            ratio=jnp.float32(0.0),
        )

    def step(key, state, frozen, batch):
        del frozen
        generator, real = generator_of(batch), batch['image']
        judge = _evaluator(config, real.shape)
        latent = latents.draw(
            keys.per_image(key, len(real), axis_name=axis_name), config.latent_size
        )

        def generate(params):
            variables = {'params': params, **state.generator.statistics}
            return generator.apply(variables, latent, train=True, mutable=['batch_stats'])

        def energies(params, images):
            output, _, _ = judge.apply({'params': params}, images)
            return reconstruction.absolute(images, output)

        fake, pull_back, statistics = jax.vjp(generate, state.generator.params, has_aux=True)

        def evaluator_loss(params):
            real_energy, fake_energy = energies(params, real).mean(), energies(params, fake).mean()
            report = {'real_energy': real_energy, 'fake_energy': fake_energy}
            loss = real_energy - state.ratio * fake_energy
            return loss, {**report, 'evaluator_loss': loss}

        gradients, report = jax.grad(evaluator_loss, has_aux=True)(state.evaluator.params)
        gradients = optimizers.mean_over(axis_name, gradients)
        report['evaluator_gradient'] = optimizers.global_norm(gradients)
        evaluator = optimizers.update(state.evaluator, gradients, evaluator_optimizer)

        def generator_loss(fake):
            return jnp.mean(energies(evaluator.params, fake))

        report['generator_loss'], gradient_at_fake = jax.value_and_grad(generator_loss)(fake)
        (gradients,) = pull_back(gradient_at_fake)
        gradients = optimizers.mean_over(axis_name, gradients)
        report['generator_gradient'] = optimizers.global_norm(gradients)
        player = optimizers.update(
            state.generator, gradients, generator_optimizer, statistics=statistics
        )

        report = optimizers.mean_over(axis_name, report)
        means = (report['real_energy'], report['fake_energy'])
        report['convergence'] = energy.convergence(*means, gamma=config.gamma)
        report['ratio'] = state.ratio
        ratio = energy.balance(state.ratio, *means, gamma=config.gamma, gain=config.gain)
        per_step = len(real) * (jax.lax.axis_size(axis_name) if axis_name else 1)
        decay = schedules.half_life_decay(
            per_step, config.ema_half_life_images, (state.step + 1.0) * per_step
        )
        average = optimizers.ema(state.average, player.variables, decay)
        state = State(state.step + 1, evaluator, player, average, ratio)
        return state, report

    def sample(key, state, frozen, batch):
        del frozen
        latent = batch['latent'] if 'latent' in batch else latents.draw(key, config.latent_size)
        return {'generated': generator_of(batch).apply(state.average, latent, train=False)}

    phases = (Phase('train', config.num_steps, step),)
    return Method(init, phases, sample, latent_size=config.latent_size)


def score(config: Mapping[str, Any], state: State, images: jax.Array) -> jax.Array:
    """Returns the evaluator's energy of each picture [n, height, width, channels]: [n].

    `config` is the `method` section of the run that `state` comes from, without its name.
    """
    config = options.build(Config, config, where='config.method')
    judge = _evaluator(config, images.shape)
    output, _, _ = judge.apply(state.evaluator.variables, images)
    return reconstruction.absolute(images, output)


def _evaluator(config: Config, shape: tuple[int, ...]) -> Autoencoder:
    section = {**config.evaluator, 'shape': shape[1:]}
    return options.build(Autoencoder, section, where='config.method.evaluator')
