"""One update of an autoencoder and of the generator that it teaches, shared by EBGAN and BEGAN.

The energy of an image is the error of the autoencoder, the evaluator, on it. The methods differ
only in their `Rules`: which error is the energy, and what the losses of both networks are. Samples
are drawn from an exponential moving average of the generator.
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
from imggen.networks import dcgan
from imggen.networks.autoencoder import Autoencoder
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """The options that both methods have.

    Attributes:
      num_steps: number of updates of each network.
      evaluator, generator: options of the autoencoder and of the DCGAN generator.
      latent_size: length of a latent vector, which is standard normal.
      evaluator_learning_rate, learning_rate: learning rates of Adam, for the evaluator and for the
        generator.
      b1: decay rate of Adam's first moment.
      ema_half_life_images: half-life of the moving average of the generator, in images.
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

    Samples are drawn with the generator's averaged variables, `ema`. `control` is what a method
    adapts during training; () if it adapts nothing.
    """

    step: jax.Array
    evaluator: TrainState
    generator: TrainState
    ema: Any
    control: Any


class Rules(NamedTuple):
    """What distinguishes one method from another.

    Attributes:
      energy: (images, output of the autoencoder) -> energies [n].
      evaluator_loss: (control, energies of real images [n], of generated images [n]) -> scalar.
      variety: codes of generated images -> (a scalar that is added to the loss of the generator,
        metrics).
      adapt: (control, metrics averaged over all devices) -> (new control, more metrics).
      control: the initial control.
    """

    energy: Callable[[jax.Array, jax.Array], jax.Array]
    evaluator_loss: Callable[[Any, jax.Array, jax.Array], jax.Array]
    variety: Callable[[jax.Array], tuple[Any, dict[str, jax.Array]]] = lambda codes: (0.0, {})
    adapt: Callable[[Any, Mapping[str, jax.Array]], tuple[Any, dict[str, jax.Array]]] = (
        lambda control, metrics: (control, {})
    )
    control: Any = ()


class Optimizers(NamedTuple):
    """The optimizers of both networks."""

    evaluator: optax.GradientTransformation
    generator: optax.GradientTransformation


def make(config: Config, rules: Rules, *, axis_name: str | None = None) -> Method:
    """Builds the method that follows `rules`."""
    optimizers = Optimizers(
        train_state.adam(config.evaluator_learning_rate, b1=config.b1),
        train_state.adam(config.learning_rate, b1=config.b1),
    )

    def init(key, frozen, batch):
        del frozen
        evaluator_key, generator_key = jax.random.split(key)
        evaluator = _evaluator(config, batch['image'].shape)
        generator = dcgan.generator(config.generator, batch['image'].shape, axis_name=axis_name)
        latent = jnp.zeros((1, config.latent_size))
        variables = generator.init(generator_key, latent, train=False)
        evaluator_variables = evaluator.init(evaluator_key, batch['image'][:1])
        return State(
            step=jnp.int32(0),
            evaluator=train_state.create(evaluator_variables, optimizers.evaluator),
            generator=train_state.create(variables, optimizers.generator),
            ema=variables,
            control=jax.tree.map(jnp.float32, rules.control),
        )

    def step(key, state, frozen, batch):
        del frozen
        return _advance(config, rules, optimizers, key, state, batch['image'], axis_name=axis_name)

    def sample(image_keys, state, frozen, batch):
        del frozen
        latent = latents.given_or_drawn(image_keys, batch, config.latent_size)
        generator = dcgan.generator(config.generator, batch['image'].shape, axis_name=axis_name)
        return {'generated': generator.apply(state.ema, latent, train=False)}

    def energy(state, images):
        return _energies(config, rules, state.evaluator.params, images)[0]

    phases = (Phase('train', config.num_steps, step),)
    return Method(init, phases, sample, latent_size=config.latent_size, energy=energy)


def _advance(
    config: Config,
    rules: Rules,
    optimizers: Optimizers,
    key: jax.Array,
    state: State,
    real: jax.Array,
    *,
    axis_name: str | None,
) -> tuple[State, Mapping[str, jax.Array]]:
    """Makes one step on real images; returns the new state and metrics."""
    generator = dcgan.generator(config.generator, real.shape, axis_name=axis_name)
    image_keys = keys.per_image(key, len(real), axis_name=axis_name)
    latent = latents.draw(image_keys, config.latent_size)

    def generate(params):
        variables = {'params': params, **state.generator.batch_stats}
        return generator.apply(variables, latent, train=True, mutable=['batch_stats'])

    fake, pull_back, batch_stats = jax.vjp(generate, state.generator.params, has_aux=True)
    evaluator, metrics = _update_evaluator(config, rules, optimizers, state, real, fake, axis_name)

    def generator_loss(fake):
        fake_energy, codes = _energies(config, rules, evaluator.params, fake)
        penalty, metrics = rules.variety(codes)
        loss = jnp.mean(fake_energy) + penalty
        return loss, {**metrics, 'generator_loss': loss}

    gradient_at_fake, generator_metrics = jax.grad(generator_loss, has_aux=True)(fake)
    (gradients,) = pull_back(gradient_at_fake)
    gradients = train_state.mean_over(axis_name, gradients)
    metrics |= {**generator_metrics, 'generator_gradient': optax.tree.norm(gradients)}
    new_generator = train_state.update(
        state.generator, gradients, optimizers.generator, batch_stats=batch_stats
    )
    metrics = train_state.mean_over(axis_name, metrics)
    control, control_metrics = rules.adapt(state.control, metrics)
    ema = train_state.ema_update(
        state.ema,
        new_generator.variables,
        images=len(real),
        half_life_images=config.ema_half_life_images,
        step=state.step,
        axis_name=axis_name,
    )
    state = State(state.step + 1, evaluator, new_generator, ema, control)
    return state, {**metrics, **control_metrics}


def _update_evaluator(config, rules, optimizers, state, real, fake, axis_name):
    """Returns the new train state of the evaluator and metrics of this device."""

    def loss_fn(params):
        real_energy, _ = _energies(config, rules, params, real)
        fake_energy, _ = _energies(config, rules, params, fake)
        loss = rules.evaluator_loss(state.control, real_energy, fake_energy)
        metrics = {'real_energy': real_energy.mean(), 'fake_energy': fake_energy.mean()}
        return loss, {**metrics, 'evaluator_loss': loss}

    gradients, metrics = jax.grad(loss_fn, has_aux=True)(state.evaluator.params)
    gradients = train_state.mean_over(axis_name, gradients)
    metrics['evaluator_gradient'] = optax.tree.norm(gradients)
    return train_state.update(state.evaluator, gradients, optimizers.evaluator), metrics


def _energies(config: Config, rules: Rules, params, images) -> tuple[jax.Array, jax.Array]:
    """Returns the energies [n] and the codes [n, code_size] of images."""
    output, codes, _ = _evaluator(config, images.shape).apply({'params': params}, images)
    return rules.energy(images, output), codes


def _evaluator(config: Config, shape: tuple[int, ...]) -> Autoencoder:
    return options.build(
        Autoencoder, config.evaluator, where='config.method.evaluator', shape=shape[1:]
    )
