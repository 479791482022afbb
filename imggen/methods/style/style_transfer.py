"""Neural style transfer: one image's pixels are optimized, for every image of a batch.

Gatys, Ecker and Bethge, 'Image style transfer using convolutional neural networks',
2016. The batch is the same at every step: 'image' [n, height, width, channels], the
contents; 'style0', 'style1', ... [n, height, width, channels], of any sizes;
'style_weight' [n, number of styles], equal where it is missing. 'initial' is a picture
to start from; 'image_mask' and 'style<i>_mask' [n, height, width, r] keep r regions apart.

A phase is a scale, a step one evaluation of the loss. A scale begins with the result
of the scale before it, enlarged.
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
from imggen.methods.style import adam, lbfgs
from imggen.methods.style import scales as scales_lib
from imggen.methods.style.initial import INITIAL, fit, resize
from imggen.methods.style.networks import NETWORKS
from imggen.methods.style.objective import Objective, Targets, make_targets, value_and_gradient
from imggen.methods.style.optimizer import UNBOUNDED

OPTIMIZERS = {'lbfgs': lbfgs.make, 'adam': adam.make}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: evaluations of the loss, over all scales.
      scales: sizes to work at, as fractions of the content's, ascending to 1.
      shares: of the steps that each scale gets, relative to each other; () for equal.
      network: one of NETWORKS.
      weights: file of its weights; '' for the installed ones.
      preprocessing: what input a .pth file wants: 'torchvision' or 'caffe'.
      pooling: of VGG16, 'max' or 'average'.
      padding: of VGG16's convolutions, 'edge' or 'zero'.
      content_layer: '' for the network's default.
      style_layers: {layer: weight}; {} for the network's default, 1 each.
      statistic: one of losses.style.STATISTICS.
      content_weight, style_weight, variation_weight: of the loss's parts.
      initial: one of style.initial.INITIAL.
      optimizer: one of OPTIMIZERS.
      optimizer_options: keyword arguments of its `make`.
      tile: side of a tile in pixels, for pictures that do not fit in memory; 0 for none.
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
    """The work at one scale; every leaf leads with the image axis.

    Attributes:
      evaluations: made here, int32 [n].
      targets: what the loss compares with.
      parts: of the loss, where the search stands: {name: [n]}.
      search: the optimizer's state of each image.
    """

    evaluations: jax.Array
    targets: Targets
    parts: Mapping[str, jax.Array]
    search: Any


@struct.dataclass
class State:
    """What a checkpoint holds: every scale, so that its shapes are those of any step."""

    scales: tuple[Scale, ...]


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    objective = _objective(config)
    begin = options.choose(INITIAL, config.initial, where='config.method.initial')
    make_optimizer = options.choose(OPTIMIZERS, config.optimizer, where='config.method.optimizer')
    options.check_keywords(
        'config.method.optimizer_options', config.optimizer_options, make_optimizer
    )
    optimizer = make_optimizer(**config.optimizer_options)
    plan = scales_lib.plan(config.num_steps, config.scales, config.shares)

    def init(key, frozen, batch):
        contents = batch['image']
        scales = []
        for scale, _ in plan:
            shape = scales_lib.scaled(contents.shape, scale)
            scales.append(
                Scale(
                    evaluations=jnp.zeros(len(contents), jnp.int32),
                    targets=make_targets(objective, frozen, scales_lib.scaled_batch(batch, scale)),
                    parts=dict.fromkeys(objective.parts, jnp.zeros(len(contents))),
                    search=jax.vmap(optimizer.init)(jnp.zeros(shape)),
                )
            )
        shape = scales_lib.scaled(contents.shape, plan[0][0])[1:]
        image_keys = keys.per_image(key, len(contents))
        first = jax.vmap(lambda key, batch: begin(key, shape, batch))(image_keys, batch)
        scales[0] = scales[0].replace(search=jax.vmap(optimizer.init)(first))
        return State(scales=tuple(scales))

    def step_at(index):
        def step(key, state, frozen, batch):
            del key, batch
            scale = state.scales[index]
            search = scale.search
            if index > 0:
                search = _begun(scale, state.scales[index - 1])
            value, gradient, parts = value_and_gradient(
                objective, frozen, scale.targets, jax.vmap(optimizer.point)(search)
            )
            search = jax.vmap(optimizer.advance)(search, value, gradient)
            loss = jax.vmap(optimizer.loss)(search)
            # The trials that a line search rejects would only blur the curves.
            parts = jax.vmap(_choose)(loss == value, parts, scale.parts)
            scale = Scale(scale.evaluations + 1, scale.targets, parts, search)
            scales = (*state.scales[:index], scale, *state.scales[index + 1 :])
            report = {'loss': jnp.where(loss < UNBOUNDED, loss, jnp.nan), **parts}
            report = {name: jnp.mean(values) for name, values in report.items()}
            return State(scales=scales), train_state.mean_over(axis_name, report)

        return step

    def _begun(scale, before):
        """Starts a scale's search from the result before it; leaves one that runs alone."""
        shape = jax.eval_shape(jax.vmap(optimizer.point), scale.search).shape
        start = resize(jax.vmap(optimizer.result)(before.search), shape)
        fresh = jax.vmap(optimizer.init)(start)
        return jax.vmap(_choose)(scale.evaluations == 0, fresh, scale.search)

    def sample(key, state, frozen, batch):
        """The results at the contents' size, beside the contents and the first style."""
        del key, frozen
        contents = batch['image']
        result = None
        for scale in state.scales:
            image = resize(jax.vmap(optimizer.result)(scale.search), contents.shape)
            began = scale.evaluations > 0
            result = image if result is None else jax.vmap(_choose)(began, image, result)
        style = jax.vmap(lambda style: fit(style, contents.shape[1:]))(batch['style0'])
        return {'generated': jnp.clip(result, -1.0, 1.0), 'original': contents, 'style': style}

    phases = tuple(
        Phase(f'scale_{scale:g}', num_steps, step_at(index))
        for index, (scale, num_steps) in enumerate(plan)
    )
    network = options.choose(NETWORKS, config.network, where='config.method.network')
    frozen = network.load(config.weights, config.preprocessing)
    return Method(init, phases, sample, frozen=frozen, state_spec=P('data'))


def _objective(config: Config) -> Objective:
    network = options.choose(NETWORKS, config.network, where='config.method.network')
    options.choose(STATISTICS, config.statistic, where='config.method.statistic')
    if config.tile and network.reach is None:
        raise UserError(
            f'config.method.network={config.network!r} does not work in tiles; set '
            'config.method.tile=0 or take vgg16.'
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


def _choose(condition, yes, no):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
