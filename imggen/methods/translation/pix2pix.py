"""Image-to-image translation with a conditional adversarial network (Isola et al. 2017).

  G* = arg min_G max_D  gan_weight * V(D, G) + l1_weight * E |y - G(x)|
                        + perceptual_weight * E d(y, G(x))

x is the input, y the target, and V a loss of losses/adversarial.py. D classifies patches; if
`conditional`, it sees x beside the patches. d is LPIPS, which the paper does not have: it compares
features of a frozen network. With a weight at 0 its term is left out. Without `gan_weight` there is
no discriminator.

With `gan_start_fraction` the run begins with a phase 'reconstruction', without the adversarial
term.

A batch holds 'input' and 'target', float32 [n, height, width, channels] in [-1, 1]. In a batch of
single images ('image') each is its own input and target, which makes an autoencoder.

A step is the update of adversarial/update.py on one translation of the batch. The noise z of the
paper is dropout, drawn from the key of each image.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import color, images, keys, options, train_state
from imggen.errors import UserError
from imggen.features import alexnet, vgg16
from imggen.losses import adversarial, perceptual
from imggen.method import Method, Phase, Translation
from imggen.methods.adversarial import update
from imggen.networks import patchgan, unet
from imggen.networks.normalization import STATISTICS
from imggen.train_state import TrainState

PERCEPTUAL_NETWORKS = {'alexnet': alexnet, 'vgg16': vgg16}
_SMOOTHABLE = ('nonsaturating', 'minimax', 'hinge')  # -D(x) stands for the other label.
COLORS = {'rgb': 'the target', 'lab': "the target's a and b; lightness is the input's"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of updates of each network.
      generator: options of networks.unet.UNet.
      discriminator: options of networks.patchgan.PatchGAN.
      loss: one of losses.adversarial.LOSSES; the paper uses 'nonsaturating'.
      gan_weight, l1_weight, perceptual_weight: weights of the three terms; 0 leaves one out.
      perceptual_network: one of PERCEPTUAL_NETWORKS: the network whose LPIPS is the third term.
        Measure by another one what was trained with it.
      gan_start_fraction: the fraction of the run before the discriminator starts to learn and to
        teach.
      label_smoothing: how much is taken off the label 1 of real patches; see
        losses.adversarial.smooth_labels.
      conditional: whether the discriminator sees the input too.
      colors: one of COLORS: what the generator predicts.
      test_dropout: whether dropout is also active at test time, as in the paper. The noise of an
        image comes from its key.
      test_statistics: the statistics of batch normalization at test time: 'image', those of each
        image alone, as in the paper, or 'average', the running averages of training.
      learning_rate: learning rate of Adam, for both networks.
      constant_fraction: the fraction of the run after which the learning rate starts to decay
        linearly to 0.
      b1, b2: decay rates of Adam's moments.
    """

    num_steps: int
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss: str = 'nonsaturating'
    gan_weight: float = 1.0
    l1_weight: float = 100.0
    perceptual_weight: float = 0.0
    perceptual_network: str = 'alexnet'
    gan_start_fraction: float = 0.0
    label_smoothing: float = 0.0
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
    """What a checkpoint holds. The discriminator is None if gan_weight is 0."""

    step: jax.Array
    generator: TrainState
    discriminator: TrainState | None


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    loss = _check(config)
    num_before = round(config.gan_start_fraction * config.num_steps) if config.gan_weight else 0
    optimizer = make_optimizer(config)
    discriminator_optimizer = make_optimizer(config, start=num_before)
    discriminator = options.build(
        patchgan.PatchGAN,
        config.discriminator,
        where='config.method.discriminator',
        axis_name=axis_name,
    )

    def init(key, frozen, batch):
        del frozen
        generator_key, discriminator_key = jax.random.split(key)
        one = {name: leaf[:1] for name, leaf in batch.items()}
        x, y = _source(config, one), _target(config, one)
        generator = _generator(config, y.shape[-1], unet.depth_for(y.shape[1:3]), axis_name)
        variables = generator.init(generator_key, None, x, statistics='average')
        state = State(jnp.int32(0), train_state.create(variables, optimizer), None)
        if not config.gan_weight:
            return state
        seen = _seen(config, x, y)
        variables = discriminator.init(discriminator_key, seen, statistics='average')
        return state.replace(discriminator=train_state.create(variables, discriminator_optimizer))

    def step(key, state, frozen, batch, *, gan_weight=config.gan_weight):
        return _advance(
            dataclasses.replace(config, gan_weight=gan_weight),
            key,
            state,
            frozen,
            batch,
            discriminator,
            loss=loss,
            optimizer=optimizer,
            discriminator_optimizer=discriminator_optimizer,
            axis_name=axis_name,
        )

    def sample(image_keys, state, frozen, batch):
        del frozen
        return translate(config, image_keys, state.generator, batch)

    norm = config.generator.get('norm', unet.UNet.norm)
    per_image = norm == 'instance' or (norm == 'batch' and config.test_statistics == 'image')
    phases = (
        Phase('reconstruction', num_before, functools.partial(step, gan_weight=0.0)),
        Phase('train', config.num_steps - num_before, step),
    )
    return Method(
        init,
        tuple(phase for phase in phases if phase.num_steps),
        sample,
        frozen=_frozen(config),
        output='output',
        translation=Translation(sees_whole_image=per_image, keeps_lightness=config.colors == 'lab'),
        logits_have_scale=loss.has_scale,
    )


def make_optimizer(config: Config, *, start: int = 0) -> optax.GradientTransformation:
    """Returns Adam, whose learning rate is constant and then decays linearly to 0.

    Its first step is step `start` of the run.
    """
    constant_steps = config.constant_fraction * config.num_steps
    schedule = optax.linear_schedule(
        config.learning_rate, 0.0, config.num_steps - constant_steps, constant_steps
    )
    learning_rate = lambda count: schedule(count + start)
    return train_state.adam(learning_rate, b1=config.b1, b2=config.b2)


def _advance(
    config: Config,
    key: jax.Array,
    state: State,
    frozen: Mapping[str, Any],
    batch: Mapping[str, jax.Array],
    discriminator: patchgan.PatchGAN,
    *,
    loss: adversarial.Loss,
    optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    axis_name: str | None,
) -> tuple[State, Mapping[str, jax.Array]]:
    """Makes one step; returns the new state and metrics."""
    x, y = _source(config, batch), _target(config, batch)
    image_keys = keys.per_image(key, len(x), axis_name=axis_name)
    depth = unet.depth_of(state.generator.params)
    generator = _generator(config, y.shape[-1], depth, axis_name)
    generated = update.generate(
        key,
        lambda variables, **how: generator.apply(
            variables, image_keys, x, statistics='batch', **how
        ),
        state.generator,
        axis_name=axis_name,
    )
    discriminate = update.Discriminate(
        lambda variables, y, **how: discriminator.apply(
            variables, _seen(config, x, y), statistics='batch', **how
        ),
        key,
        axis_name=axis_name,
    )
    fake, new_discriminator, metrics = generated.images, state.discriminator, {}
    if config.gan_weight:
        # The paper halves this loss; Adam's steps are the same for any factor.
        new_discriminator, metrics, _ = update.update_discriminator(
            state.discriminator, discriminate, y, fake, loss=loss, optimizer=discriminator_optimizer
        )

    def loss_fn(fake):
        metrics = {'l1': jnp.mean(jnp.abs(y - fake))}
        total = config.l1_weight * metrics['l1']
        if config.perceptual_weight:
            metrics['perceptual'] = _perceptual(config, frozen, _image(config, x, fake), batch)
            total += config.perceptual_weight * metrics['perceptual']
        if config.gan_weight:
            value, of_discriminator = update.generator_loss(
                fake, new_discriminator, discriminate, y, loss=loss
            )
            metrics |= of_discriminator
            total += config.gan_weight * value
        return total, metrics

    new_generator, generator_metrics = update.update_generator(
        state.generator, generated, loss_fn, optimizer=optimizer, axis_name=axis_name
    )
    metrics |= {**generator_metrics, 'spread': _spread(axis_name, fake, y)}
    state = State(state.step + 1, new_generator, new_discriminator)
    return state, train_state.mean_over(axis_name, metrics)


def translate(
    config: Config, image_keys: jax.Array, state: TrainState, batch: Mapping[str, jax.Array]
) -> Mapping[str, jax.Array]:
    """Translates the first images of a batch, one per key; returns inputs and targets too."""
    count = min(len(image_keys), len(_input(batch)))
    batch = {name: leaf[:count] for name, leaf in batch.items()}
    x = _source(config, batch)
    generator = _generator(
        config, state.params['up0']['bias'].shape[0], unet.depth_of(state.params), axis_name=None
    )
    dropout = image_keys[:count] if config.test_dropout else None
    y = generator.apply(state.variables, dropout, x, statistics=config.test_statistics)
    sets = {'input': _input(batch), 'output': _image(config, x, y)}
    sets |= {'target': batch['target']} if 'target' in batch else {}
    return {name: images.visible(pictures) for name, pictures in sets.items()}


def _generator(config: Config, channels: int, depth: int, axis_name: str | None) -> unet.UNet:
    depth = config.generator.get('depth') or depth
    return options.build(
        unet.UNet,
        {**config.generator, 'depth': depth},
        where='config.method.generator',
        channels=channels,
        axis_name=axis_name,
    )


def _check(config: Config) -> adversarial.Loss:
    options.choose(COLORS, config.colors, where='config.method.colors')
    options.choose(STATISTICS, config.test_statistics, where='config.method.test_statistics')
    options.choose(
        PERCEPTUAL_NETWORKS, config.perceptual_network, where='config.method.perceptual_network'
    )
    if not (config.gan_weight or config.l1_weight or config.perceptual_weight):
        raise UserError(
            'config.method.gan_weight, l1_weight and perceptual_weight are all 0: set one of them.'
        )
    if config.gan_start_fraction and not (config.l1_weight or config.perceptual_weight):
        raise UserError(
            'config.method.gan_start_fraction leaves the steps before it without a loss: set '
            'l1_weight or perceptual_weight, or it to 0.'
        )
    if not 0 <= config.gan_start_fraction < 1:
        raise UserError(
            f'config.method.gan_start_fraction={config.gan_start_fraction}: set it to 0 or more, '
            'below 1.'
        )
    loss = options.choose(adversarial.LOSSES, config.loss, where='config.method.loss')
    if not 0 <= config.label_smoothing < 1:
        raise UserError(
            f'config.method.label_smoothing={config.label_smoothing}: set it to 0 or more, below 1.'
        )
    if config.label_smoothing and config.loss not in _SMOOTHABLE:
        raise UserError(
            f'config.method.label_smoothing needs loss={" or ".join(_SMOOTHABLE)}, not '
            f'{config.loss}: change one of them.'
        )
    return adversarial.smooth_labels(loss, config.label_smoothing)


def _frozen(config: Config) -> Mapping[str, Any] | tuple[()]:
    """Returns the network and the heads of LPIPS; () without the perceptual term."""
    if not config.perceptual_weight:
        return ()
    network = PERCEPTUAL_NETWORKS[config.perceptual_network]
    return {'network': network.pretrained(), 'heads': network.lpips_heads()}


def _perceptual(config: Config, frozen: Mapping[str, Any], fake: jax.Array, batch) -> jax.Array:
    """Returns the mean LPIPS of images [n, height, width, channels] to the targets of a batch."""
    network = PERCEPTUAL_NETWORKS[config.perceptual_network]
    return perceptual.mean_lpips(network, frozen, fake, _pictures(batch))


def _input(batch):
    return batch['input'] if 'input' in batch else batch['image']


def _pictures(batch):
    return batch['target'] if 'target' in batch else batch['image']


def _source(config: Config, batch) -> jax.Array:
    """Returns x, what the generator sees: the input, or its lightness in [-1, 1]."""
    return color.lightness_input(_input(batch)) if config.colors == 'lab' else _input(batch)


def _target(config: Config, batch) -> jax.Array:
    """Returns y, what the generator should output: the target, or its a and b in [-1, 1]."""
    target = _pictures(batch)
    if config.colors == 'rgb':
        return target
    if target.shape[-1] != 3:
        raise UserError(
            "config.method.colors='lab' predicts the colors of RGB targets, but these are gray: "
            'set config.data.channels=3 or colors=rgb.'
        )
    return color.color_target(target)


def _image(config: Config, x, y) -> jax.Array:
    """Turns the input and the output of the generator into images; inverts `_source`, `_target`."""
    return color.recombined(x, y) if config.colors == 'lab' else y


def _seen(config: Config, x, y) -> jax.Array:
    """Returns what the discriminator sees."""
    return jnp.concatenate([x, y], axis=-1) if config.conditional else y


def _spread(axis_name, fake, y) -> jax.Array:
    """Variance across outputs relative to variance across targets; 0 if all outputs are alike."""

    def variance(images):
        mean = train_state.mean_over(axis_name, images.mean(0))
        square = train_state.mean_over(axis_name, jnp.square(images).mean(0))
        return jnp.mean(square - jnp.square(mean))

    return variance(fake) / (variance(y) + 1e-6)
