"""One update of an autoencoder and the generator that it teaches, by energies.

A picture's energy is the error of the autoencoder on it. What energy is, and what
either player makes of it, are the `Rules` of a method: EBGAN's and BEGAN's differ in
nothing else. `sample` draws from an exponential moving average of the generator.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, latents, options, train_state
from imggen.method import Method, Phase
from imggen.networks.autoencoder import Autoencoder
from imggen.networks.dcgan import Generator
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """The options that both methods have.

    Attributes:
      num_steps: updates of each player.
      evaluator, generator: options of the autoencoder and of the DCGAN generator.
      latent_size: numbers in a latent vector, standard normal.
      evaluator_learning_rate, learning_rate: of Adam, of the evaluator and the generator.
      b1: decay of Adam's first moment.
      ema_half_life_images: of the average generator, in images seen.
    """

    num_steps: int
    evaluator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
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
      ema: variables of the average generator.
      control: what a method adapts while it trains; () for nothing.
    """

    step: jax.Array
    evaluator: TrainState
    generator: TrainState
    ema: Any
    control: Any


class Rules(NamedTuple):
    """What sets one method apart.

    Attributes:
      energy: (images, the autoencoder's output) -> [n].
      evaluator_loss: (control, energies of real [n], of generated pictures [n]) -> scalar.
      variety: (codes of generated pictures) -> (what the generator pays besides its mean
        energy, metrics).
      adapt: (control, metrics) -> (control, more metrics); sees means over all devices.
      control: the first one.
    """

    energy: Callable[[jax.Array, jax.Array], jax.Array]
    evaluator_loss: Callable[[Any, jax.Array, jax.Array], jax.Array]
    variety: Callable[[jax.Array], tuple[Any, dict[str, jax.Array]]] = lambda codes: (0.0, {})
    adapt: Callable[[Any, Mapping[str, jax.Array]], tuple[Any, dict[str, jax.Array]]] = (
        lambda control, report: (control, {})
    )
    control: Any = ()


def make(config: Config, rules: Rules, *, axis_name: str | None = None) -> Method:
    """Builds the method of `rules`."""
    evaluator_optimizer = train_state.adam(config.evaluator_learning_rate, b1=config.b1)
    generator_optimizer = train_state.adam(config.learning_rate, b1=config.b1)

    def generator_of(batch):
        section = {**config.generator, 'shape': batch['image'].shape[1:], 'axis_name': axis_name}
        return options.build(Generator, section, where='config.method.generator')

    def init(key, frozen, batch):
        del frozen
        evaluator_key, generator_key = jax.random.split(key)
        evaluator = _evaluator(config, batch['image'].shape)
        latent = jnp.zeros((1, config.latent_size))
        variables = generator_of(batch).init(generator_key, latent, train=False)
        evaluator_variables = evaluator.init(evaluator_key, batch['image'][:1])
        return State(
            step=jnp.int32(0),
            evaluator=train_state.create(evaluator_variables, evaluator_optimizer),
            generator=train_state.create(variables, generator_optimizer),
            ema=variables,
            control=jax.tree.map(jnp.float32, rules.control),
        )

    def step(key, state, frozen, batch):
        del frozen
        generator, real = generator_of(batch), batch['image']
        evaluator = _evaluator(config, real.shape)
        latent = latents.draw(
            keys.per_image(key, len(real), axis_name=axis_name), config.latent_size
        )

        def generate(params):
            variables = {'params': params, **state.generator.batch_stats}
            return generator.apply(variables, latent, train=True, mutable=['batch_stats'])

        def energies(params, images):
            output, codes, _ = evaluator.apply({'params': params}, images)
            return rules.energy(images, output), codes

        fake, pull_back, statistics = jax.vjp(generate, state.generator.params, has_aux=True)

        def evaluator_loss(params):
            real_energy, _ = energies(params, real)
            fake_energy, _ = energies(params, fake)
            report = {'real_energy': real_energy.mean(), 'fake_energy': fake_energy.mean()}
            loss = rules.evaluator_loss(state.control, real_energy, fake_energy)
            return loss, {**report, 'evaluator_loss': loss}

        gradients, report = jax.grad(evaluator_loss, has_aux=True)(state.evaluator.params)
        gradients = train_state.mean_over(axis_name, gradients)
        report['evaluator_gradient'] = optax.tree.norm(gradients)
        evaluator = train_state.update(state.evaluator, gradients, evaluator_optimizer)

        def generator_loss(fake):
            fake_energy, codes = energies(evaluator.params, fake)
            penalty, metrics = rules.variety(codes)
            return jnp.mean(fake_energy) + penalty, metrics

        gradient = jax.value_and_grad(generator_loss, has_aux=True)
        (report['generator_loss'], metrics), gradient_at_fake = gradient(fake)
        (gradients,) = pull_back(gradient_at_fake)
        gradients = train_state.mean_over(axis_name, gradients)
        report['generator_gradient'] = optax.tree.norm(gradients)
        player = train_state.update(
            state.generator, gradients, generator_optimizer, batch_stats=statistics
        )
        report = train_state.mean_over(axis_name, {**report, **metrics})
        control, metrics = rules.adapt(state.control, report)
        ema = train_state.ema_update(
            state.ema,
            player.variables,
            images=len(real),
            half_life_images=config.ema_half_life_images,
            step=state.step,
            axis_name=axis_name,
        )
        state = State(state.step + 1, evaluator, player, ema, control)
        return state, {**report, **metrics}

    def sample(key, state, frozen, batch):
        del frozen
        latent = latents.given_or_drawn(key, batch, config.latent_size)
        return {'generated': generator_of(batch).apply(state.ema, latent, train=False)}

    phases = (Phase('train', config.num_steps, step),)
    return Method(init, phases, sample, latent_size=config.latent_size)


def score(config: Config, rules: Rules, state: State, images: jax.Array) -> jax.Array:
    """Returns the evaluator's energy of each picture [n, height, width, channels]: [n]."""
    evaluator = _evaluator(config, images.shape)
    output, _, _ = evaluator.apply(state.evaluator.variables, images)
    return rules.energy(images, output)


def _evaluator(config: Config, shape: tuple[int, ...]) -> Autoencoder:
    section = {**config.evaluator, 'shape': shape[1:]}
    return options.build(Autoencoder, section, where='config.method.evaluator')
