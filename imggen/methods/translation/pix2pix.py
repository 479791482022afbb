"""Picture to picture by a conditional adversarial network (Isola et al. 2017).

  G* = arg min_G max_D  gan_weight * V(D, G) + l1_weight * E |y - G(x)|

x is the input, y the target, V any game of losses/adversarial.py. D classifies patches; where
`conditional`, it sees x beside what it classifies. Without either weight the same method is the
paper's ablation: L1 alone has no discriminator at all.

A batch holds 'input' and 'target', float32 [n, height, width, channels] in [-1, 1]. One of
single pictures ('image') is its own input and target: an autoencoder.

One step updates the discriminator and then the generator on one translation, as methods/gan.py
does. The noise z is dropout, drawn from each image's key.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import color, images, keys, options, schedules, train_state
from imggen.errors import UserError
from imggen.losses import adversarial
from imggen.method import Method, Phase, Translation
from imggen.networks import patchgan, unet
from imggen.networks.normalization import STATISTICS
from imggen.train_state import TrainState

COLORS = {'rgb': 'the target', 'lab': "the target's a and b; lightness is the input's"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: updates of each player.
      generator: options of networks.unet.UNet.
      discriminator: options of networks.patchgan.PatchGAN.
      loss: one of adversarial.LOSSES; 'nonsaturating' is the paper's.
      gan_weight, l1_weight: of the two terms; 0 leaves one out.
      conditional: whether the discriminator sees the input too.
      colors: one of COLORS: what is predicted.
      test_dropout: whether dropout also acts at test time, as in the paper. The noise of a
        picture comes from its key.
      test_statistics: of batch normalization at test time: 'image', those of each picture
        alone, as in the paper; or 'average', those of training.
      learning_rate: of Adam, for both players.
      constant_fraction: of the run, after which the learning rate falls linearly to 0.
      b1, b2: decays of Adam's moments.
    """

    num_steps: int
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss: str = 'nonsaturating'
    gan_weight: float = 1.0
    l1_weight: float = 100.0
    conditional: bool = True
    colors: str = 'rgb'
    test_dropout: bool = True
    test_statistics: str = 'image'
    learning_rate: float = 2e-4
    constant_fraction: float = 1.0
    b1: float = 0.5
    b2: float = 0.999


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      step: updates made, int32.
      generator: the player that translates.
      discriminator: its opponent; None where gan_weight is 0.
    """

    step: jax.Array
    generator: TrainState
    discriminator: TrainState | None


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    loss = _check(config)
    optimizer = train_state.adam(
        lambda step: (
            config.learning_rate
            * schedules.constant_then_linear(config.constant_fraction, step / config.num_steps)
        ),
        b1=config.b1,
        b2=config.b2,
    )
    discriminator = options.build(
        patchgan.PatchGAN,
        {**config.discriminator, 'axis_name': axis_name},
        where='config.method.discriminator',
    )

    def generator(channels, depth):
        section = {**config.generator, 'channels': channels, 'axis_name': axis_name}
        section['depth'] = config.generator.get('depth') or depth
        return options.build(unet.UNet, section, where='config.method.generator')

    def init(key, frozen, batch):
        del frozen
        generator_key, critic_key = jax.random.split(key)
        one = {name: leaf[:1] for name, leaf in batch.items()}
        x, y = _source(config, one), _wanted(config, one)
        network = generator(y.shape[-1], unet.depth_for(y.shape[1:3]))
        variables = network.init(generator_key, None, x, statistics='average')
        critic = None
        if config.gan_weight:
            judged = _judged(config, x, y)
            critic = discriminator.init(critic_key, judged, statistics='average')
            critic = train_state.create(critic, optimizer)
        return State(jnp.int32(0), train_state.create(variables, optimizer), critic)

    def step(key, state, frozen, batch):
        del frozen
        x, y = _source(config, batch), _wanted(config, batch)
        image_keys = keys.per_image(key, len(x), axis_name=axis_name)
        network = generator(y.shape[-1], unet.depth_of(state.generator.params))

        def translate(params):
            variables = {'params': params, **state.generator.batch_stats}
            return network.apply(
                variables, image_keys, x, statistics='batch', mutable=['batch_stats']
            )

        def judge(params, statistics, y):
            variables = {'params': params, **statistics}
            return discriminator.apply(
                variables, _judged(config, x, y), statistics='batch', mutable=['batch_stats']
            )

        fake, pull_back, generator_statistics = jax.vjp(
            translate, state.generator.params, has_aux=True
        )
        report = {'l1': jnp.mean(jnp.abs(y - fake)), 'spread': _spread(axis_name, fake, y)}
        critic = state.discriminator

        if config.gan_weight:

            def discriminator_loss(params):
                real_logits, statistics = judge(params, state.discriminator.batch_stats, y)
                fake_logits, statistics = judge(params, statistics, fake)
                game = jnp.mean(loss.discriminator(real_logits, fake_logits))
                logits = {'real_logit': real_logits.mean(), 'fake_logit': fake_logits.mean()}
                return game, ({'discriminator_loss': game, **logits}, statistics)

            # The paper halves this loss; Adam's steps are the same for any factor.
            gradient = jax.grad(discriminator_loss, has_aux=True)
            gradients, (game, statistics) = gradient(critic.params)
            gradients = train_state.mean_over(axis_name, gradients)
            report |= game | {'discriminator_gradient': optax.tree.norm(gradients)}
            critic = train_state.update(critic, gradients, optimizer, batch_stats=statistics)

        def generator_loss(fake):
            total, parts = config.l1_weight * jnp.mean(jnp.abs(y - fake)), {}
            if config.gan_weight:
                real_logits, _ = judge(critic.params, critic.batch_stats, y)
                fake_logits, _ = judge(critic.params, critic.batch_stats, fake)
                parts = {'generator_loss': jnp.mean(loss.generator(real_logits, fake_logits))}
                total += config.gan_weight * parts['generator_loss']
            return total, parts

        gradient_at_fake, parts = jax.grad(generator_loss, has_aux=True)(fake)
        (gradients,) = pull_back(gradient_at_fake)
        gradients = train_state.mean_over(axis_name, gradients)
        report |= parts | {'generator_gradient': optax.tree.norm(gradients)}
        player = train_state.update(
            state.generator, gradients, optimizer, batch_stats=generator_statistics
        )
        state = State(state.step + 1, player, critic)
        return state, train_state.mean_over(axis_name, report)

    def sample(key, state, frozen, batch):
        """Translates the first pictures of a batch, one a key; the other sets stand beside."""
        del frozen
        count = min(len(key), len(_input(batch)))
        key, batch = key[:count], {name: leaf[:count] for name, leaf in batch.items()}
        x = _source(config, batch)
        channels = state.generator.params['up0']['bias'].shape[0]
        network = generator(channels, unet.depth_of(state.generator.params))
        dropout = key if config.test_dropout else None
        y = network.apply(state.generator.variables, dropout, x, statistics=config.test_statistics)
        sets = {'input': _input(batch), 'output': _picture(config, x, y)}
        sets |= {'target': batch['target']} if 'target' in batch else {}
        return {name: images.visible(pictures) for name, pictures in sets.items()}

    norm = config.generator.get('norm', unet.UNet.norm)
    per_image = norm == 'instance' or (norm == 'batch' and config.test_statistics == 'image')
    return Method(
        init,
        (Phase('train', config.num_steps, step),),
        sample,
        output='output',
        translation=Translation(sees_whole_image=per_image),
    )


def _check(config: Config) -> adversarial.Loss:
    options.choose(COLORS, config.colors, where='config.method.colors')
    options.choose(STATISTICS, config.test_statistics, where='config.method.test_statistics')
    if config.gan_weight == 0 and config.l1_weight == 0:
        raise UserError('config.method has gan_weight and l1_weight 0: set one of them.')
    return options.choose(adversarial.LOSSES, config.loss, where='config.method.loss')


def _input(batch):
    return batch['input'] if 'input' in batch else batch['image']


def _source(config: Config, batch) -> jax.Array:
    """Returns what the generator sees, x: the input, or its lightness in [-1, 1]."""
    return color.lightness_input(_input(batch)) if config.colors == 'lab' else _input(batch)


def _target(batch):
    return batch['target'] if 'target' in batch else batch['image']


def _wanted(config: Config, batch) -> jax.Array:
    """Returns what the generator should make, y: the target, or its colors in [-1, 1]."""
    if config.colors == 'rgb':
        return _target(batch)
    if _target(batch).shape[-1] != 3:
        raise UserError(
            "config.method.colors='lab' predicts the colors of RGB targets, but these are gray: "
            'set config.data.channels=3 or colors=rgb.'
        )
    return color.color_target(_target(batch))


def _picture(config: Config, x, y) -> jax.Array:
    """Turns what the generator saw and made into pictures; undoes `_source` and `_wanted`."""
    return color.recombined(x, y) if config.colors == 'lab' else y


def _judged(config: Config, x, y) -> jax.Array:
    return jnp.concatenate([x, y], axis=-1) if config.conditional else y


def _spread(axis_name, fake, y) -> jax.Array:
    """Variance between the outputs of a batch, in that between its targets; 0: all look alike."""

    def variance(images):
        mean = train_state.mean_over(axis_name, images.mean(0))
        square = train_state.mean_over(axis_name, jnp.square(images).mean(0))
        return jnp.mean(square - jnp.square(mean))

    return variance(fake) / (variance(y) + 1e-6)
