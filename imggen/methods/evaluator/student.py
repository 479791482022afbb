"""The generator that a pretrained evaluator teaches: its options, its state and its update."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import latents, train_state
from imggen.errors import UserError
from imggen.methods.adversarial import update
from imggen.networks import dcgan
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of steps, over all phases.
      network: one of pretrained.NETWORKS; 'pixels' leaves only the squared error.
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
    pixel_weight: float = 1.0
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    latent_size: int = 64
    learning_rate: float = 1e-3
    b1: float = 0.5
    ema_half_life_images: float = 5_000.0

    def __post_init__(self):
        if self.latent_size < 1:
            raise UserError(f'config.method.latent_size={self.latent_size}: set it to 1 or more.')
        if self.pixel_weight < 0:
            raise UserError(f'config.method.pixel_weight={self.pixel_weight}: set it to 0 or more.')

    @property
    def distance(self) -> Mapping[str, Any]:
        """The options of `pretrained.embed`."""
        return {'size': self.size, 'pixel_weight': self.pixel_weight}


@struct.dataclass
class State:
    """What a checkpoint holds of the student.

    Attributes:
      ema: averaged variables of the generator, with which samples are drawn.
    """

    step: jax.Array
    generator: TrainState
    ema: Any


def create(key: jax.Array, config: Config, shape: tuple[int, ...]) -> State:
    """Returns the initial state for images of `shape` [n, height, width, channels]."""
    latent = jnp.zeros((1, config.latent_size))
    variables = dcgan.generator(config.generator, shape).init(key, latent, train=False)
    return State(jnp.int32(0), train_state.create(variables, _optimizer(config)), variables)


def generate(
    key: jax.Array,
    config: Config,
    state: State,
    latent: jax.Array,
    shape: tuple[int, ...],
    *,
    axis_name: str | None,
) -> update.Generated:
    """Returns one image per latent [n, latent_size], with the statistics of their batch."""
    generator = dcgan.generator(config.generator, shape, axis_name=axis_name)
    return update.generate(
        key,
        lambda variables, **how: generator.apply(variables, latent, train=True, **how),
        state.generator,
        axis_name=axis_name,
    )


def learn(
    config: Config,
    state: State,
    generated: update.Generated,
    loss_fn: Callable[[jax.Array], jax.Array],
    *,
    axis_name: str | None,
) -> tuple[State, dict[str, jax.Array]]:
    """Updates the generator once; returns the new state and metrics of this device.

    Args:
      generated: the result of `generate` for this state.
      loss_fn: images [n, height, width, channels] -> a scalar.
    """

    def with_metrics(fake):
        loss = loss_fn(fake)
        return loss, {'generator_loss': loss}

    generator, metrics = update.update_generator(
        state.generator, generated, with_metrics, optimizer=_optimizer(config), axis_name=axis_name
    )
    ema = train_state.ema_update(
        state.ema,
        generator.variables,
        images=len(generated.images),
        half_life_images=config.ema_half_life_images,
        step=state.step,
        axis_name=axis_name,
    )
    return state.replace(step=state.step + 1, generator=generator, ema=ema), metrics


def sample(config: Config, image_keys: jax.Array, state: State, batch) -> Mapping[str, jax.Array]:
    """Returns images of the averaged generator, one per key."""
    latent = latents.given_or_drawn(image_keys, batch, config.latent_size)
    generator = dcgan.generator(config.generator, batch['image'].shape)
    return {'generated': generator.apply(state.ema, latent, train=False)}


def _optimizer(config: Config) -> optax.GradientTransformation:
    return train_state.adam(config.learning_rate, b1=config.b1)
