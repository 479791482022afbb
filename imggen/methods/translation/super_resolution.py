"""Super-resolution: pictures enlarged twice or four times, in two phases of one method.

The phase 'l1' minimizes E |y - G(x)|, which makes the best likeness and leaves it smooth.
The phase 'adversarial' goes on from there and draws the texture that a picture could have
(Ledig et al. 2017):

  l1_weight * E |y - G(x)| + perceptual_weight * P(y, G(x)) + gan_weight * V(D, G)

P compares activations of VGG16 (losses/perceptual.py), V is a game of losses/adversarial.py
over patches. A batch holds 'input', float32 [n, height, width, channels] in [-1, 1], and
'target', `scale` times as large. Of single pictures ('image') the inputs are made here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import images, options, schedules, train_state
from imggen.errors import UserError
from imggen.features import vgg16
from imggen.losses import adversarial, perceptual
from imggen.method import Method, Phase, Translation
from imggen.networks import super_resolution
from imggen.networks.patchgan import PatchGAN
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: updates of both phases together.
      num_adversarial_steps: how many of them, at the end, are adversarial.
      scale: 2 or 4.
      network: options of networks.super_resolution.SuperResolution.
      discriminator: options of networks.patchgan.PatchGAN.
      loss: one of adversarial.LOSSES.
      l1_weight, perceptual_weight, gan_weight: of the adversarial phase. Without
        perceptual_weight VGG16's weights are not needed.
      perceptual_layers: weights by layer of VGG16.
      learning_rate: of Adam in the first phase; falls along a cosine.
      learning_rate_end: fraction that is left at the end of a phase.
      adversarial_learning_rate: of both players in the second phase; falls likewise.
      b2: decay of Adam's second moment.
      ema_half_life_images: of the average network, in images seen.
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
    """What a checkpoint holds.

    Attributes:
      step: updates made, int32.
      generator: the network that enlarges.
      discriminator: its opponent; None without an adversarial phase.
      ema: variables of the average generator, which `sample` uses.
    """

    step: jax.Array
    generator: TrainState
    discriminator: TrainState | None
    ema: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    loss = options.choose(adversarial.LOSSES, config.loss, where='config.method.loss')
    num_adversarial = config.num_adversarial_steps
    num_l1 = config.num_steps - num_adversarial
    _check(config)
    network = options.build(
        super_resolution.SuperResolution,
        {**config.network, 'scale': config.scale},
        where='config.method.network',
    )
    discriminator = options.build(
        PatchGAN,
        {**config.discriminator, 'axis_name': axis_name},
        where='config.method.discriminator',
    )

    def falling(learning_rate, step, num_steps):
        end = learning_rate * config.learning_rate_end
        return schedules.cosine(learning_rate, end, step / max(num_steps, 1))

    def learning_rate(step):
        return jnp.where(
            step < num_l1,
            falling(config.learning_rate, step, num_l1),
            falling(config.adversarial_learning_rate, step - num_l1, num_adversarial),
        )

    optimizer = train_state.adam(learning_rate, b2=config.b2)
    opponent = train_state.adam(
        lambda step: falling(config.adversarial_learning_rate, step, num_adversarial),
        b2=config.b2,
    )

    def init(key, frozen, batch):
        del frozen
        generator_key, critic_key = jax.random.split(key)
        small, target = _pair(config, batch)
        _check_sizes(config, small, target)
        player = train_state.create(network.init(generator_key, small[:1]), optimizer)
        critic = None
        if num_adversarial:
            variables = discriminator.init(critic_key, target[:1], statistics='average')
            critic = train_state.create(variables, opponent)
        return State(jnp.int32(0), player, critic, player.variables)

    def advanced(state, gradients, count, critic=None):
        player = train_state.update(state.generator, gradients, optimizer)
        ema = train_state.ema_update(
            state.ema,
            player.variables,
            images=count,
            half_life_images=config.ema_half_life_images,
            step=state.step,
            axis_name=axis_name,
        )
        return State(state.step + 1, player, critic, ema)

    def l1_step(key, state, frozen, batch):
        del key, frozen
        small, target = _pair(config, batch)

        def l1(params):
            return jnp.mean(jnp.abs(network.apply({'params': params}, small) - target))

        error, gradients = jax.value_and_grad(l1)(state.generator.params)
        gradients = train_state.mean_over(axis_name, gradients)
        report = {'l1': error, 'generator_gradient': optax.tree.norm(gradients)}
        state = advanced(state, gradients, len(target), state.discriminator)
        return state, train_state.mean_over(axis_name, report)

    def adversarial_step(key, state, frozen, batch):
        del key
        small, target = _pair(config, batch)

        def judge(params, statistics, images):
            variables = {'params': params, **statistics}
            return discriminator.apply(
                variables, images, statistics='batch', mutable=['batch_stats']
            )

        fake, pull_back = jax.vjp(
            lambda params: network.apply({'params': params}, small), state.generator.params
        )

        def discriminator_loss(params):
            real_logits, statistics = judge(params, state.discriminator.batch_stats, target)
            fake_logits, statistics = judge(params, statistics, fake)
            game = jnp.mean(loss.discriminator(real_logits, fake_logits))
            logits = {'real_logit': real_logits.mean(), 'fake_logit': fake_logits.mean()}
            return game, ({'discriminator_loss': game, **logits}, statistics)

        gradient = jax.grad(discriminator_loss, has_aux=True)
        gradients, (report, statistics) = gradient(state.discriminator.params)
        gradients = train_state.mean_over(axis_name, gradients)
        critic = train_state.update(
            state.discriminator, gradients, opponent, batch_stats=statistics
        )

        def generator_loss(fake):
            real_logits, _ = judge(critic.params, critic.batch_stats, target)
            fake_logits, _ = judge(critic.params, critic.batch_stats, fake)
            parts = {
                'l1': jnp.mean(jnp.abs(fake - target)),
                'generator_loss': jnp.mean(loss.generator(real_logits, fake_logits)),
            }
            total = config.l1_weight * parts['l1'] + config.gan_weight * parts['generator_loss']
            if config.perceptual_weight:
                parts['perceptual'] = _perceptual(config, frozen, fake, target)
                total += config.perceptual_weight * parts['perceptual']
            return total, parts

        gradient_at_fake, parts = jax.grad(generator_loss, has_aux=True)(fake)
        (gradients,) = pull_back(gradient_at_fake)
        gradients = train_state.mean_over(axis_name, gradients)
        report |= parts | {'generator_gradient': optax.tree.norm(gradients)}
        state = advanced(state, gradients, len(target), critic)
        return state, train_state.mean_over(axis_name, report)

    def sample(key, state, frozen, batch):
        """Enlarges the first pictures of a batch, one a key, beside what else is known of them."""
        del frozen
        small, target = _pair(config, {name: leaf[: len(key)] for name, leaf in batch.items()})
        return {
            'input': super_resolution.enlarge(small, config.scale, method='nearest'),
            'bicubic': jnp.clip(super_resolution.enlarge(small, config.scale), -1.0, 1.0),
            'output': jnp.clip(network.apply(state.ema, small), -1.0, 1.0),
            **({} if target is None else {'target': target}),
        }

    phases = (Phase('l1', num_l1, l1_step), Phase('adversarial', num_adversarial, adversarial_step))
    uses_vgg = num_adversarial and config.perceptual_weight
    frozen = vgg16.pretrained() if uses_vgg else ()
    return Method(
        init,
        tuple(phase for phase in phases if phase.num_steps),
        sample,
        frozen,
        output='output',
        translation=Translation(scale=config.scale),
    )


def _check(config: Config) -> None:
    if config.scale not in (2, 4):
        raise UserError(f'config.method.scale={config.scale} is no choice: set it to 2 or 4.')
    if not 0 <= config.num_adversarial_steps <= config.num_steps:
        raise UserError(
            f'config.method.num_adversarial_steps={config.num_adversarial_steps} are not part of '
            f'num_steps={config.num_steps}: set it between 0 and that.'
        )
    for layer in config.perceptual_layers:
        options.choose(dict.fromkeys(vgg16.LAYERS), layer, where='config.method.perceptual_layers')


def _check_sizes(config: Config, small, target) -> None:
    wanted = tuple(config.scale * side for side in small.shape[1:3])
    if target.shape[1:3] != wanted:
        raise UserError(
            f'targets are {target.shape[1]}x{target.shape[2]}, but {config.scale} times the inputs '
            f'are {wanted[0]}x{wanted[1]}: set config.data.scale to config.method.scale.'
        )


def _pair(config: Config, batch) -> tuple[jax.Array, jax.Array | None]:
    """Returns inputs and, where the batch has them, targets."""
    if 'image' in batch:
        return images.downscale(batch['image'], config.scale), batch['image']
    return batch['input'], batch.get('target')


def _perceptual(config: Config, params, fake, target) -> jax.Array:
    """The mean over pictures of sum_l w_l mean |F_l(G(x)) - F_l(y)|^2: scalar."""
    layers = tuple(config.perceptual_layers)
    of_target = jax.lax.stop_gradient(vgg16.activations(params, target, layers))
    of_fake = vgg16.activations(params, fake, layers)
    return perceptual.perceptual(of_fake, of_target, weights=config.perceptual_layers).mean()
