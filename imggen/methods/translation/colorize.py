"""Colorization from the features of a frozen network (Larsson et al. 2016).

VGG16 sees the gray picture. A small network reads two histograms for each pixel from its
hypercolumns, one of the hue and one of the chroma in Lab. It minimizes

  E [H(p_chroma, q_chroma) + hue_weight * chroma * H(p_hue, q_hue)]

where H is the cross-entropy and p is the truth, shared between the two nearest bins. The mean of
all colors that are possible would be pale. The picture therefore gets an upper quantile of the
chroma, times the mean direction of the hue, which is short where the hue is uncertain. Colors are
read at the size of the largest map, half the picture's by default, and enlarged: the eye resolves
them less finely than lightness.

A batch holds 'input', float32 [n, height, width, 1 or 3], and 'target', [n, height, width, 3], both
in [-1, 1]. In a batch of single images ('image') these are the targets, and their lightness is the
input. The output has the lightness of the input.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import color, images, options, train_state
from imggen.errors import UserError
from imggen.features import vgg16
from imggen.method import Method, Phase, Translation
from imggen.networks.hypercolumns import Readout
from imggen.train_state import TrainState

NETWORKS = {
    'vgg16': vgg16.pretrained,
    'vgg16_random': lambda: vgg16.random(jax.random.key(0)),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of updates.
      network: one of NETWORKS; random weights are for an ablation.
      layers: the layers of VGG16 whose activations are read.
      features: number of features of the read-out.
      bins: number of bins of each histogram.
      hue_weight: weight of the hue's cross-entropy.
      chroma_quantile: the quantile of the chroma's histogram that a picture gets. A larger one
        gives livelier colors, and mistakes that are easier to see.
      learning_rate: learning rate of Adam, which decays to 0 along a cosine.
      ema_half_life_images: half-life of the moving average of the read-out, in images.
    """

    num_steps: int
    network: str = 'vgg16'
    layers: tuple[str, ...] = vgg16.CONVS[2:]
    features: int = 128
    bins: int = 32
    hue_weight: float = 5.0
    chroma_quantile: float = 0.75
    learning_rate: float = 1e-3
    ema_half_life_images: float = 2000.0


@struct.dataclass
class State:
    """What a checkpoint holds. `sample` uses `ema`, the averaged parameters."""

    step: jax.Array
    readout: TrainState
    ema: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    _check(config)
    readout = Readout(2 * config.bins, config.features)
    schedule = optax.cosine_decay_schedule(config.learning_rate, max(1, config.num_steps))
    optimizer = train_state.adam(schedule)

    def init(key, frozen, batch):
        maps = jax.eval_shape(lambda: _maps(config, frozen, _input(batch)[:1]))
        variables = readout.init(key, [jnp.zeros(one.shape) for one in maps])
        return State(jnp.int32(0), train_state.create(variables, optimizer), variables)

    def step(key, state, frozen, batch):
        del key
        x = _input(batch)
        maps, colors = _maps(config, frozen, x), color.color_target(_target(batch))
        loss = lambda params: _loss(config, readout.apply({'params': params}, maps), colors)
        gradients, metrics = jax.grad(loss, has_aux=True)(state.readout.params)
        gradients, metrics = train_state.mean_over(axis_name, (gradients, metrics))
        new = train_state.update(state.readout, gradients, optimizer)
        ema = train_state.ema_update(
            state.ema,
            new.variables,
            images=len(x),
            half_life_images=config.ema_half_life_images,
            step=state.step,
            axis_name=axis_name,
        )
        return State(state.step + 1, new, ema), metrics

    def sample(image_keys, state, frozen, batch):
        """Colors the first images of a batch, one per key; returns inputs and targets too."""
        batch = {name: leaf[: len(image_keys)] for name, leaf in batch.items()}
        x = _input(batch)
        logits = jnp.split(readout.apply(state.ema, _maps(config, frozen, x)), 2, axis=-1)
        colors = _colors(*map(jax.nn.softmax, logits), config.chroma_quantile)
        output = color.recombined(color.lightness_input(x), _resized(colors, x))
        sets = {'input': x, 'output': output}
        if (target := batch.get('target', batch.get('image'))) is not None:
            sets['target'] = target
        return {name: images.visible(pictures) for name, pictures in sets.items()}

    return Method(
        init,
        (Phase('train', config.num_steps, step),),
        sample,
        frozen=NETWORKS[config.network](),
        output='output',
        translation=Translation(sees_whole_image=True, keeps_lightness=True),
    )


def _check(config: Config) -> None:
    options.choose(NETWORKS, config.network, where='config.method.network')
    for layer in config.layers:
        options.choose(dict.fromkeys(vgg16.CONVS), layer, where='config.method.layers')
    if not config.layers:
        raise UserError(f'config.method.layers is empty: name some of {", ".join(vgg16.CONVS)}.')
    if config.bins < 2:
        raise UserError(f'config.method.bins={config.bins}: set it to 2 or more.')
    if not 0 < config.chroma_quantile < 1:
        raise UserError(
            f'config.method.chroma_quantile={config.chroma_quantile} is not between 0 and 1: '
            'set it to 0.75, or to 0.85 for livelier colors.'
        )


def _input(batch) -> jax.Array:
    if 'input' in batch:
        return batch['input']
    return color.lightness_input(batch['image'])


def _target(batch) -> jax.Array:
    target = batch.get('target', batch.get('image'))
    if target.shape[-1] != 3:
        raise UserError(
            'the method colorize learns from color pictures, but these are gray: set '
            'config.data.channels=3.'
        )
    return target


def _maps(config: Config, frozen: vgg16.Params, x: jax.Array) -> list[jax.Array]:
    """Returns VGG16's activations of the chosen layers, the largest first."""
    found = vgg16.activations(frozen, x, config.layers)
    return [found[layer] for layer in vgg16.CONVS if layer in config.layers]


def _loss(config: Config, logits: jax.Array, colors: jax.Array):
    """Returns the loss of both histograms' logits, and its two parts as metrics."""
    of_chroma, of_hue = jnp.split(logits, 2, axis=-1)
    chroma, hue = _polar(_resized(colors, of_hue))
    for_chroma = _cross_entropy(of_chroma, _shared(_place(chroma), config.bins))
    for_hue = _cross_entropy(of_hue, _shared_around(hue, config.bins))
    metrics = {'chroma_loss': jnp.mean(for_chroma), 'hue_loss': jnp.mean(chroma * for_hue)}
    return metrics['chroma_loss'] + config.hue_weight * metrics['hue_loss'], metrics


def _resized(colors: jax.Array, like: jax.Array) -> jax.Array:
    return jax.image.resize(colors, (*like.shape[:3], 2), 'linear')


def _polar(colors: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Turns a and b [..., 2] into chroma [...] and hue [...], in turns from 0 to 1."""
    a, b = colors[..., 0], colors[..., 1]
    hue = jnp.arctan2(b, jnp.where(colors.any(-1), a, 1.0)) / (2 * jnp.pi)
    return jnp.sqrt(a**2 + b**2), hue % 1.0


def _place(chroma: jax.Array) -> jax.Array:
    """Maps a chroma to the scale of its bins, [0, 1]: the pale colors get half of them."""
    return jnp.sqrt(jnp.clip(chroma, 0.0, 1.0))


def _shared(values: jax.Array, bins: int) -> jax.Array:
    """Shares values [...] in [0, 1] between the two nearest of `bins` bins: [..., bins]."""
    return jax.nn.relu(1.0 - jnp.abs(values[..., None] * (bins - 1) - _numbers(values, bins)))


def _shared_around(values: jax.Array, bins: int) -> jax.Array:
    """As `_shared`, on a circle: 0 and 1 are the same place."""
    distance = jnp.abs(values[..., None] * bins - _numbers(values, bins))
    return jax.nn.relu(1.0 - jnp.minimum(distance, bins - distance))


def _numbers(values: jax.Array, bins: int) -> jax.Array:
    return jnp.arange(bins).reshape((1,) * values.ndim + (bins,))


def _cross_entropy(logits: jax.Array, truth: jax.Array) -> jax.Array:
    return -jnp.sum(truth * jax.nn.log_softmax(logits), -1)


def _colors(chroma: jax.Array, hue: jax.Array, quantile: float) -> jax.Array:
    """Turns histograms [..., bins] into a and b [..., 2].

    Larsson et al. fade colors only where the mean direction of the hue is shorter than 0.03. That
    leaves spots of random colors where two hues are about as likely.
    """
    bins = chroma.shape[-1]
    before = jnp.cumsum(chroma, -1) - chroma
    # Each bin covers an interval around its place, and the chroma is spread evenly in it.
    passed = jnp.clip((quantile - before) / jnp.maximum(chroma, 1e-12), 0.0, 1.0).sum(-1)
    value = jnp.square(jnp.clip((passed - 0.5) / (bins - 1), 0.0, 1.0))
    angles = 2 * jnp.pi * jnp.arange(bins) / bins
    circle = jnp.stack([jnp.cos(angles), jnp.sin(angles)], -1)
    return value[..., None] * jnp.matmul(hue, circle, precision='highest')
