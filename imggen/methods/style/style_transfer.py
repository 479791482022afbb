"""Neural style transfer: optimizes the pixels of each image of a batch.

Gatys, Ecker and Bethge, 'Image style transfer using convolutional neural networks', 2016. The
batch is the same at every step:

  image                   the contents, [n, height, width, channels]
  style0, style1, ...     the styles, [n, height, width, channels], of any size
  style_weight            [n, number of styles]; equal weights by default
  initial                 optionally, images to start from
  image_mask, style0_mask, ...   optionally, r regions to keep apart, [n, height, width, r]
  group0, group1, ...     the contents by their shapes, if there are several (see `groups`)

A phase is a scale, and a step is one evaluation of the loss. A scale starts from the enlarged
result of the scale before it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import PartitionSpec as P

from imggen import keys, options, train_state
from imggen.errors import UserError
from imggen.features import vgg16
from imggen.losses.style import STATISTICS
from imggen.method import Method, Phase
from imggen.methods.style import adam, groups, lbfgs
from imggen.methods.style import scales as scales_lib
from imggen.methods.style.initial import INITIAL, fit, resize
from imggen.methods.style.networks import NETWORKS
from imggen.methods.style.objective import Objective, Targets, make_targets, value_and_gradient
from imggen.methods.style.optimizer import UNBOUNDED, Optimizer, choose

OPTIMIZERS = {'lbfgs': lbfgs.make, 'adam': adam.make}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of evaluations of the loss, over all scales.
      scales: image sizes as fractions of the content's size, ascending to 1.
      shares: relative shares of the steps for each scale; () for equal shares.
      network: one of NETWORKS.
      weights: file with its weights; '' for the installed ones.
      preprocessing: the input that a .pth file expects: 'torchvision' or 'caffe'.
      pooling: pooling of VGG16, 'max' or 'average'.
      padding: padding of VGG16's convolutions, 'edge' or 'zero'.
      content_layer: a layer; '' for the network's default.
      style_layers: {layer: weight}; {} for the network's default layers with weight 1.
      statistic: one of losses.style.STATISTICS.
      content_weight, style_weight, variation_weight: weights of the parts of the loss.
      initial: one of style.initial.INITIAL.
      optimizer: one of OPTIMIZERS.
      optimizer_options: keyword arguments of its `make`.
      tile: side of a tile in pixels, for images that do not fit in memory; 0 for no tiles.
    """

    num_steps: int
    scales: tuple[float, ...] = (1.0,)
    shares: tuple[float, ...] = ()
    network: str = 'vgg16'
    weights: str = ''
    preprocessing: str | None = None
    pooling: str = 'max'
    padding: str = 'edge'
    content_layer: str = ''
    style_layers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    statistic: str = 'gram'
    content_weight: float = 1.0
    style_weight: float = 30.0
    variation_weight: float = 0.0
    initial: str = 'content'
    optimizer: str = 'lbfgs'
    optimizer_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tile: int = 0


@struct.dataclass
class Scale:
    """The state of one scale. Every leaf leads with the image axis.

    Attributes:
      evaluations: number of evaluations at this scale, int32 [n].
      targets: the targets of the loss.
      parts: parts of the loss at the current images, {name: [n]}.
      search: the optimizer's state for each image.
    """

    evaluations: jax.Array
    targets: Targets
    parts: Mapping[str, jax.Array]
    search: Any


@struct.dataclass
class State:
    """What a checkpoint holds: all scales, so that its shapes are the same at every step."""

    scales: tuple[Scale, ...]


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown value, or two options contradict each other.
    """
    config = options.build(Config, config, where='config.method')
    objective = _objective(config)
    begin = options.choose(INITIAL, config.initial, where='config.method.initial')
    optimizer = _optimizer(config)
    plan = scales_lib.plan(config.num_steps, config.scales, config.shares)

    def init(key, frozen, batch):
        contents = batch['image']
        image_keys = keys.per_image(key, len(contents))
        scales = []
        for index, (scale, _) in enumerate(plan):
            shape = scales_lib.scaled(contents.shape, scale)
            scales.append(
                Scale(
                    evaluations=jnp.zeros(len(contents), jnp.int32),
                    targets=make_targets(
                        objective,
                        frozen,
                        scales_lib.scaled_batch(batch, scale),
                        image_keys=jax.vmap(jax.random.fold_in, (0, None))(image_keys, index),
                    ),
                    parts=dict.fromkeys(objective.parts, jnp.zeros(len(contents))),
                    search=jax.vmap(optimizer.init)(jnp.zeros(shape)),
                )
            )
        shape = scales_lib.scaled(contents.shape, plan[0][0])[1:]
        first = jax.vmap(lambda key, batch: begin(key, shape, batch))(image_keys, batch)
        scales[0] = scales[0].replace(search=jax.vmap(optimizer.init)(first))
        return State(scales=tuple(scales))

    def sample(image_keys, state, frozen, batch):
        """Returns the results at the contents' size, with the contents and the first style."""
        del image_keys, frozen
        contents = batch['image']
        result = None
        for scale in state.scales:
            image = resize(jax.vmap(optimizer.result)(scale.search), contents.shape)
            has_begun = scale.evaluations > 0
            result = image if result is None else jax.vmap(choose)(has_begun, image, result)
        style = jax.vmap(lambda style: fit(style, contents.shape[1:]))(batch['style0'])
        return {'generated': jnp.clip(result, -1.0, 1.0), 'original': contents, 'style': style}

    phases = tuple(
        Phase(f'scale_{scale:g}', num_steps, _step(objective, optimizer, index, axis_name))
        for index, (scale, num_steps) in enumerate(plan)
    )
    frozen = objective.network.load(config.weights, config.preprocessing)
    return groups.over(Method(init, phases, sample, frozen=frozen, state_spec=P('data')))


def _step(objective: Objective, optimizer: Optimizer, index: int, axis_name):
    """Returns the step of one scale, which evaluates the loss once for every image."""

    def step(key, state, frozen, batch):
        del key, batch
        scale = state.scales[index]
        search = scale.search
        if index > 0:
            search = _begun(optimizer, scale, state.scales[index - 1])
        value, gradient, parts = value_and_gradient(
            objective, frozen, scale.targets, jax.vmap(optimizer.point)(search)
        )
        search = jax.vmap(optimizer.advance)(search, value, gradient)
        loss = jax.vmap(optimizer.loss)(search)
        # Leave out the trials that a line search rejects, which would blur the curves.
        parts = jax.vmap(choose)(loss == value, parts, scale.parts)
        scale = Scale(scale.evaluations + 1, scale.targets, parts, search)
        scales = (*state.scales[:index], scale, *state.scales[index + 1 :])
        metrics = {'loss': jnp.where(loss < UNBOUNDED, loss, jnp.nan), **parts}
        metrics = {name: jnp.mean(values) for name, values in metrics.items()}
        return State(scales=scales), train_state.mean_over(axis_name, metrics)

    return step


def _begun(optimizer: Optimizer, scale: Scale, before: Scale):
    """Returns the search of a scale; before its first step it starts from the result `before`."""
    shape = jax.eval_shape(jax.vmap(optimizer.point), scale.search).shape
    start = resize(jax.vmap(optimizer.result)(before.search), shape)
    fresh = jax.vmap(optimizer.init)(start)
    return jax.vmap(choose)(scale.evaluations == 0, fresh, scale.search)


def _optimizer(config: Config) -> Optimizer:
    make_optimizer = options.choose(OPTIMIZERS, config.optimizer, where='config.method.optimizer')
    options.check_keywords(
        'config.method.optimizer_options', config.optimizer_options, make_optimizer
    )
    return make_optimizer(**config.optimizer_options)


def _objective(config: Config) -> Objective:
    network = options.choose(NETWORKS, config.network, where='config.method.network')
    options.choose(STATISTICS, config.statistic, where='config.method.statistic')
    if config.tile and not STATISTICS[config.statistic].adds:
        raise UserError(
            f'config.method.statistic={config.statistic!r} does not work in tiles; set '
            "config.method.tile=0 or config.method.statistic='gram'."
        )
    if config.tile and network.reach is None:
        raise UserError(
            f'config.method.network={config.network!r} does not work in tiles; set '
            'config.method.tile=0 or use vgg16.'
        )
    layers = dict.fromkeys(network.layers)
    content_layer = config.content_layer or network.content_layer
    style_layers = dict(config.style_layers) or dict.fromkeys(network.style_layers, 1.0)
    options.choose(layers, content_layer, where='config.method.content_layer')
    for layer in style_layers:
        options.choose(layers, layer, where='config.method.style_layers')
    options.choose(vgg16.POOLS, config.pooling, where='config.method.pooling')
    options.choose(vgg16.PADDED_CONVS, config.padding, where='config.method.padding')
    return Objective(
        network=network,
        content_layer=content_layer,
        style_layers=style_layers,
        statistic=config.statistic,
        content_weight=config.content_weight,
        style_weight=config.style_weight,
        variation_weight=config.variation_weight,
        pooling=config.pooling,
        padding=config.padding,
        tile=config.tile,
    )
