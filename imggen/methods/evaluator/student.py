"""The generator that a pretrained evaluator teaches: its options, its state and its update."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import latents, options, train_state
from imggen.networks.dcgan import Generator
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of steps, over all phases.
      network: one of pretrained.NETWORKS.
      size: images are resized to this height and width for the network.
      pixel_weight: weight of the mean squared error of pixels beside LPIPS.
      generator: options of networks.dcgan.Generator.
      latent_size: length of a latent vector, which is standard normal.
      learning_rate, b1: learning rate and decay of the first moment of Adam.
      ema_half_life_images: half-life of the averaged generator, in images; samples come from
        this average.
    """

    num_steps: int
    network: str = 'alexnet'
    size: int = 64
    pixel_weight: float = 0.1
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    latent_size: int = 64
    learning_rate: float = 1e-3
    b1: float = 0.5
    ema_half_life_images: float = 5_000.0


@struct.dataclass
class State:
    """What a checkpoint holds of the student.

    Attributes:
      ema: averaged variables of the generator, with which samples are drawn.
    """

    step: jax.Array
    generator: TrainState
    ema: Any


def create(config: Config, key: jax.Array, shape: tuple[int, ...]) -> State:
    """Returns the initial state for images of `shape` [n, height, width, channels]."""
    latent = jnp.zeros((1, config.latent_size))
    variables = network(config, shape).init(key, latent, train=False)
    return State(jnp.int32(0), train_state.create(variables, _optimizer(config)), variables)


def network(config: Config, shape: tuple[int, ...], *, axis_name: str | None = None) -> Generator:
    """Returns the generator of images of `shape` [n, height, width, channels]."""
    section = {**config.generator, 'shape': shape[1:], 'axis_name': axis_name}
    return options.build(Generator, section, where='config.method.generator')


def draw(generator: Generator, variables, latent: jax.Array) -> tuple[jax.Array, Any]:
    """Returns images with the statistics of their batch, and the new running statistics."""
    return generator.apply(variables, latent, train=True, mutable=['batch_stats'])


def advance(
    config: Config,
    state: State,
    shape: tuple[int, ...],
    latent: jax.Array,
    loss_fn: Callable[[jax.Array], tuple[jax.Array, Mapping[str, jax.Array]]],
    *,
    axis_name: str | None,
) -> tuple[State, Mapping[str, jax.Array]]:
    """Updates the generator once; returns the new state and metrics, averaged over devices.

    Args:
      shape: [n, height, width, channels] of the images on this device.
      latent: [n, latent_size].
      loss_fn: generated images -> (loss, metrics).
    """
    generator = network(config, shape, axis_name=axis_name)

    def loss_of(params):
        variables = {'params': params, **state.generator.batch_stats}
        fake, batch_stats = draw(generator, variables, latent)
        loss, metrics = loss_fn(fake)
        return loss, ({**metrics, 'generator_loss': loss}, batch_stats)

    gradients, (metrics, batch_stats) = jax.grad(loss_of, has_aux=True)(state.generator.params)
    gradients = train_state.mean_over(axis_name, gradients)
    metrics['generator_gradient'] = optax.tree.norm(gradients)
    updated = train_state.update(
        state.generator, gradients, _optimizer(config), batch_stats=batch_stats
    )
    ema = train_state.ema_update(
        state.ema,
        updated.variables,
        images=len(latent),
        half_life_images=config.ema_half_life_images,
        step=state.step,
        axis_name=axis_name,
    )
    state = state.replace(step=state.step + 1, generator=updated, ema=ema)
    return state, train_state.mean_over(axis_name, metrics)


def sample(config: Config, image_keys: jax.Array, state: State, batch) -> Mapping[str, jax.Array]:
    """Returns images of the averaged generator, one per key."""
    latent = latents.given_or_drawn(image_keys, batch, config.latent_size)
    generator = network(config, batch['image'].shape)
    return {'generated': generator.apply(state.ema, latent, train=False)}


def _optimizer(config: Config) -> optax.GradientTransformation:
    return train_state.adam(config.learning_rate, b1=config.b1)
