"""Super-resolution: enlarges images two or four times. One method with two phases.

The phase 'l1' minimizes E |y - G(x)|, which is closest to the target on average but smooth. The
phase 'adversarial' continues from there and adds plausible texture (Ledig et al. 2017):

  l1_weight * E |y - G(x)| + perceptual_weight * P(y, G(x)) + gan_weight * V(D, G)

P compares activations of VGG16 (losses/perceptual.py), and V is a loss of losses/adversarial.py
over patches. A batch holds 'input', float32 [n, height, width, channels] in [-1, 1], and 'target',
`scale` times as large. In a batch of single images ('image') these are the targets, and the inputs
are made from them.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import images, options, train_state
from imggen.errors import UserError
from imggen.features import vgg16
from imggen.losses import adversarial, perceptual
from imggen.method import Method, Phase, Translation
from imggen.methods.adversarial import update
from imggen.networks import super_resolution
from imggen.networks.patchgan import PatchGAN
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of updates of the generator, over both phases.
      num_adversarial_steps: how many of them, at the end, are adversarial.
      scale: 2 or 4.
      network: options of networks.super_resolution.SuperResolution.
      discriminator: options of networks.patchgan.PatchGAN.
      loss: one of losses.adversarial.LOSSES.
      l1_weight, perceptual_weight, gan_weight: weights of the adversarial phase. If
        perceptual_weight is 0, the weights of VGG16 are not needed.
      perceptual_layers: weights by layer of VGG16.
      learning_rate: learning rate of Adam in the first phase; it decays along a cosine.
      learning_rate_end: the fraction of it that is left at the end of a phase.
      adversarial_learning_rate: learning rate of both networks in the second phase, which decays
        in the same way.
      b2: decay rate of Adam's second moment.
      ema_half_life_images: half-life of the moving average of the generator, in images.
    """

    num_steps: int
    num_adversarial_steps: int = 0
    scale: int = 4
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss: str = 'nonsaturating'
    l1_weight: float = 1.0
    perceptual_weight: float = 0.1
    perceptual_layers: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {'block2_conv2': 1.0, 'block3_conv3': 1.0, 'block4_conv3': 1.0}
    )
    gan_weight: float = 5e-3
    learning_rate: float = 2e-4
    learning_rate_end: float = 0.01
    adversarial_learning_rate: float = 1e-4
    b2: float = 0.99
    ema_half_life_images: float = 10_000.0


@struct.dataclass
class State:
    """What a checkpoint holds. The discriminator is None without an adversarial phase.

    `sample` uses the generator's averaged variables, `ema`.
    """

    step: jax.Array
    generator: TrainState
    discriminator: TrainState | None
    ema: Any


class Setup(NamedTuple):
    """What stays the same over the steps of a run.

    `axis_name` is the pmap axis that the step runs under; None under jit.
    """

    config: Config
    loss: adversarial.Loss
    network: super_resolution.SuperResolution
    discriminator: PatchGAN
    generator_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation
    axis_name: str | None


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    setup = _setup(config, axis_name)
    num_adversarial_steps = config.num_adversarial_steps

    def init(key, frozen, batch):
        del frozen
        generator_key, discriminator_key = jax.random.split(key)
        x, y = _pair(config, batch)
        _check_sizes(config, x, y)
        variables = setup.network.init(generator_key, x[:1])
        generator = train_state.create(variables, setup.generator_optimizer)
        discriminator = None
        if num_adversarial_steps:
            variables = setup.discriminator.init(discriminator_key, y[:1], statistics='average')
            discriminator = train_state.create(variables, setup.discriminator_optimizer)
        return State(jnp.int32(0), generator, discriminator, generator.variables)

    def l1_step(key, state, frozen, batch):
        del frozen
        return _advance_l1(setup, key, state, batch)

    def adversarial_step(key, state, frozen, batch):
        return _advance_adversarial(setup, key, state, frozen, batch)

    def sample(image_keys, state, frozen, batch):
        """Enlarges the first images of a batch, one per key; returns other enlargements too."""
        del frozen
        x, y = _pair(config, {name: leaf[: len(image_keys)] for name, leaf in batch.items()})
        return {
            'input': super_resolution.enlarge(x, config.scale, method='nearest'),
            'bicubic': jnp.clip(super_resolution.enlarge(x, config.scale), -1.0, 1.0),
            'output': jnp.clip(setup.network.apply(state.ema, x), -1.0, 1.0),
            **({} if y is None else {'target': y}),
        }

    phases = (
        Phase('l1', config.num_steps - num_adversarial_steps, l1_step),
        Phase('adversarial', num_adversarial_steps, adversarial_step),
    )
    return Method(
        init,
        tuple(phase for phase in phases if phase.num_steps),
        sample,
        frozen=vgg16.pretrained() if num_adversarial_steps and config.perceptual_weight else (),
        output='output',
        translation=Translation(scale=config.scale),
        logits_have_scale=setup.loss.has_scale,
    )


def _setup(config: Config, axis_name: str | None) -> Setup:
    """Builds the modules and the optimizers; raises UserError for a wrong option."""
    _check(config)
    num_l1_steps = config.num_steps - config.num_adversarial_steps

    def decay(learning_rate, num_steps):
        end = config.learning_rate_end
        return optax.cosine_decay_schedule(learning_rate, max(1, num_steps), alpha=end)

    second_phase = decay(config.adversarial_learning_rate, config.num_adversarial_steps)
    both_phases = optax.join_schedules(
        [decay(config.learning_rate, num_l1_steps), second_phase], [num_l1_steps]
    )
    return Setup(
        config,
        loss=options.choose(adversarial.LOSSES, config.loss, where='config.method.loss'),
        network=options.build(
            super_resolution.SuperResolution,
            config.network,
            where='config.method.network',
            scale=config.scale,
        ),
        discriminator=options.build(
            PatchGAN,
            config.discriminator,
            where='config.method.discriminator',
            axis_name=axis_name,
        ),
        generator_optimizer=train_state.adam(both_phases, b2=config.b2),
        discriminator_optimizer=train_state.adam(second_phase, b2=config.b2),
        axis_name=axis_name,
    )


def _advance_l1(setup: Setup, key: jax.Array, state: State, batch: Mapping[str, jax.Array]):
    """Makes one step of the phase 'l1'; returns the new state and metrics."""
    x, y = _pair(setup.config, batch)

    def loss_fn(fake):
        l1 = jnp.mean(jnp.abs(fake - y))
        return l1, {'l1': l1}

    generated = _generate(setup, key, state, x)
    generator, metrics = _update_generator(setup, state, generated, loss_fn)
    state = _advanced(setup, state, generator, state.discriminator, len(y))
    return state, train_state.mean_over(setup.axis_name, metrics)


def _advance_adversarial(
    setup: Setup, key: jax.Array, state: State, frozen, batch: Mapping[str, jax.Array]
):
    """Makes one step of the phase 'adversarial'; returns the new state and metrics."""
    config, (x, y) = setup.config, _pair(setup.config, batch)
    generated = _generate(setup, key, state, x)
    discriminate = update.Discriminate(
        functools.partial(setup.discriminator.apply, statistics='batch'),
        key,
        axis_name=setup.axis_name,
    )
    discriminator, metrics, _ = update.update_discriminator(
        state.discriminator,
        discriminate,
        y,
        generated.images,
        loss=setup.loss,
        optimizer=setup.discriminator_optimizer,
    )

    def loss_fn(fake):
        l1 = jnp.mean(jnp.abs(fake - y))
        value, metrics = update.generator_loss(
            fake, discriminator, discriminate, y, loss=setup.loss
        )
        metrics |= {'l1': l1}
        total = config.l1_weight * l1 + config.gan_weight * value
        if config.perceptual_weight:
            metrics['perceptual'] = _perceptual(config, frozen, fake, y)
            total += config.perceptual_weight * metrics['perceptual']
        return total, metrics

    generator, generator_metrics = _update_generator(setup, state, generated, loss_fn)
    state = _advanced(setup, state, generator, discriminator, len(y))
    return state, train_state.mean_over(setup.axis_name, metrics | generator_metrics)


def _generate(setup: Setup, key, state: State, x) -> update.Generated:
    apply = lambda variables, **how: setup.network.apply(variables, x, **how)
    return update.generate(key, apply, state.generator, axis_name=setup.axis_name)


def _update_generator(setup: Setup, state: State, generated: update.Generated, loss_fn):
    return update.update_generator(
        state.generator,
        generated,
        loss_fn,
        optimizer=setup.generator_optimizer,
        axis_name=setup.axis_name,
    )


def _advanced(setup: Setup, state: State, generator, discriminator, num_images: int) -> State:
    """Returns the state after a step, with the moving average of the generator."""
    ema = train_state.ema_update(
        state.ema,
        generator.variables,
        images=num_images,
        half_life_images=setup.config.ema_half_life_images,
        step=state.step,
        axis_name=setup.axis_name,
    )
    return State(state.step + 1, generator, discriminator, ema)


def _check(config: Config) -> None:
    if config.scale not in (2, 4):
        raise UserError(f'config.method.scale={config.scale} is not possible: set it to 2 or 4.')
    if not 0 <= config.num_adversarial_steps <= config.num_steps:
        raise UserError(
            f'config.method.num_adversarial_steps={config.num_adversarial_steps} is not between 0 '
            f'and num_steps={config.num_steps}: change it.'
        )
    for layer in config.perceptual_layers:
        options.choose(dict.fromkeys(vgg16.LAYERS), layer, where='config.method.perceptual_layers')


def _check_sizes(config: Config, x, y) -> None:
    expected = tuple(config.scale * side for side in x.shape[1:3])
    if y.shape[1:3] != expected:
        raise UserError(
            f'targets are {y.shape[1]}x{y.shape[2]}, but {config.scale} times the inputs are '
            f'{expected[0]}x{expected[1]}: set config.data.scale to config.method.scale.'
        )


def _pair(config: Config, batch) -> tuple[jax.Array, jax.Array | None]:
    """Returns the inputs of a batch, and its targets or None if it has none."""
    if 'image' in batch:
        return images.downscale(batch['image'], config.scale), batch['image']
    return batch['input'], batch.get('target')


def _perceptual(config: Config, params, fake, target) -> jax.Array:
    """The mean over images of sum_l w_l mean |F_l(G(x)) - F_l(y)|^2, a scalar."""
    layers = tuple(config.perceptual_layers)
    of_target = jax.lax.stop_gradient(vgg16.activations(params, target, layers))
    of_fake = vgg16.activations(params, fake, layers)
    return perceptual.perceptual(of_fake, of_target, weights=config.perceptual_layers).mean()
