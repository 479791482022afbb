"""Neural neighbor style transfer: the content, repainted with the nearest features of the style.

Kolkin, Kucera, Paris, Sýkora, Shechtman and Shakhnarovich, 'Neural neighbor style transfer', 2022.
The batch is that of `style_transfer`.

A phase is a scale. At its first step every hypercolumn q of the image is matched with the one of
the style, t(q), whose centered cosine with q is largest. Then Adam on a Laplacian pyramid of the
image minimizes

    mean over the grid of 1 - cos(F, t),

where F are the hypercolumns of the image. What is matched is (1 - a) image + a content. The image
at the first scale is the content without its finest detail; at every other scale it is the enlarged
result of the scale before, with the finest band of the content.

One number s, the strength, says how much the content may change: a = 1 - s^2, and below one half
the targets are mixed with the content's own hypercolumns c of length one,

    t <- m t + (1 - m) c,    m = min(1, 2 s),

so that 0 keeps the content.

The last phase, at the full size, matches each layer of the network separately and at every step
anew. It sharpens what the layers together blur.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import PartitionSpec as P

from imggen import keys, options, train_state
from imggen.errors import UserError
from imggen.features import vgg16
from imggen.method import Method, Phase
from imggen.methods.style import columns as columns_lib
from imggen.methods.style import groups, matching, pyramid
from imggen.methods.style import scales as scales_lib
from imggen.methods.style.columns import Columns
from imggen.methods.style.initial import fit, resize
from imggen.methods.style.networks import NETWORKS
from imggen.methods.style.optimizer import choose

_NUM_BANDS = 8
_START_WITHOUT = 3  # Finest bands that the first image lacks.
_NUM_POINTS = 1024  # Points of the image that a step of the last phase draws.
_NUM_CANDIDATES = 4096  # Vectors of a style that the last phase compares them with.
_LAYERS = vgg16.CONVS[: vgg16.CONVS.index('block4_conv3') + 1]


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of evaluations of the loss, over all scales and the last phase.
      scales: image sizes as fractions of the content's size, ascending to 1.
      shares: relative shares of the steps for each scale; () for equal shares.
      split_fraction: fraction of the steps in the last phase, in [0, 1).
      strength: s, how much the content changes, in [0, 1].
      network: 'vgg16', or 'vgg16_random' for an ablation.
      weights: file with its weights; '' for the installed ones.
      preprocessing: the input that a .pth file expects: 'torchvision' or 'caffe'.
      padding: padding of the convolutions, 'edge' or 'zero'.
      layers: layers of a hypercolumn; () for all convolutions of the first four blocks.
      learning_rate: learning rate of Adam, for pixels in [-1, 1].
    """

    num_steps: int
    scales: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0)
    shares: tuple[float, ...] = ()
    split_fraction: float = 0.2
    strength: float = 0.6
    network: str = 'vgg16'
    weights: str = ''
    preprocessing: str | None = None
    padding: str = 'edge'
    layers: tuple[str, ...] = ()
    learning_rate: float = 4e-3

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise UserError(f'config.method.strength is {self.strength}; set it to 0 to 1.')
        if not 0 <= self.split_fraction < 1:
            raise UserError(
                f'config.method.split_fraction is {self.split_fraction}; set it to at least 0 and '
                'below 1.'
            )

    @property
    def mixed(self) -> float:
        """m, the share of the match in a target; the rest is the content's own hypercolumn."""
        return min(1.0, 2.0 * self.strength)


@struct.dataclass
class Painting:
    """An image during one phase. Every leaf leads with the image axis.

    Attributes:
      evaluations: number of evaluations in this phase, int32 [n].
      bands: the Laplacian pyramid of the images.
      moments: the state of Adam for each image.
    """

    evaluations: jax.Array
    bands: tuple[jax.Array, ...]
    moments: Any


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      paintings: one for each phase.
      targets: the hypercolumns to reach at each scale, of length one: float16 [n, points,
        channels]. Half precision halves the checkpoint; the cosine changes by less than 1e-3.
      banks: a `matching.Bank` of each style for the last phase, float16; () without this phase.
      weights: of the styles in each region, for the last phase: [n, number of styles, r], or ().
    """

    paintings: tuple[Painting, ...]
    targets: tuple[jax.Array, ...]
    banks: tuple[matching.Bank, ...]
    weights: jax.Array | tuple[()]


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown value, or two options contradict each other.
    """
    config = options.build(Config, config, where='config.method')
    columns = _columns(config)
    adam = optax.adam(config.learning_rate)
    split_steps = round(config.num_steps * config.split_fraction)
    plan = scales_lib.plan(config.num_steps - split_steps, config.scales, config.shares)

    def init(key, frozen, batch):
        del key
        if 'initial' in batch:
            raise UserError('style_neighbours starts from the content; leave out data.initial.')
        n, channels = len(batch['image']), sum(columns.widths(frozen, batch['image']).values())
        sizes = [scales_lib.scaled(batch['image'].shape, scale) for scale, _ in plan]
        if split_steps:
            sizes.append(sizes[-1])
        first = pyramid.split(resize(batch['image'], sizes[0]), _NUM_BANDS)
        paintings = [_blank(adam, shape) for shape in sizes]
        paintings[0] = _fresh(adam, pyramid.without_finest(first, _START_WITHOUT))
        targets = []
        for shape in sizes[: len(plan)]:
            height, width = columns_lib.grid(shape)
            targets.append(jnp.zeros((n, height * width, channels), jnp.float16))
        banks, weights = (), ()  # A checkpoint cannot hold an array without elements.
        if split_steps:
            banks, weights = _blank_banks(scales_lib.scaled_batch(batch, plan[-1][0]), channels)
        return State(tuple(paintings), tuple(targets), banks, weights)

    def sample(image_keys, state, frozen, batch):
        """Returns the results at the contents' size, with the contents and the first style."""
        del image_keys, frozen
        contents = batch['image']
        result = None
        for painting in state.paintings:
            image = resize(jnp.clip(pyramid.join(painting.bands), -1.0, 1.0), contents.shape)
            has_begun = painting.evaluations > 0
            result = image if result is None else jax.vmap(choose)(has_begun, image, result)
        style = jax.vmap(lambda style: fit(style, contents.shape[1:]))(batch['style0'])
        return {'generated': result, 'original': contents, 'style': style}

    phases = [
        Phase(f'scale_{scale:g}', count, _scale_step(config, columns, adam, plan, index, axis_name))
        for index, (scale, count) in enumerate(plan)
    ]
    if split_steps:
        step = _split_step(config, columns, adam, plan[-1][0], axis_name)
        phases.append(Phase('split', split_steps, step))
    frozen = columns.network.load(config.weights, config.preprocessing)
    return groups.over(Method(init, tuple(phases), sample, frozen=frozen, state_spec=P('data')))


def _scale_step(config, columns, adam, plan, index, axis_name):
    """Returns the step of one scale; the first one begins the image and matches it."""
    scale, is_last = plan[index][0], index == len(plan) - 1

    def begin(state, frozen, batch):
        batch = scales_lib.scaled_batch(batch, scale)
        contents = batch['image']
        if index == 0:
            images = pyramid.join(state.paintings[0].bands)
        else:
            images = resize(pyramid.join(state.paintings[index - 1].bands), contents.shape)
            images += pyramid.split(contents, 2)[0]
        mixed = contents + config.strength**2 * (images - contents)

        def match(arguments):
            mixed, batch = arguments
            banks = _banks(columns, frozen, batch)
            weights = matching.style_weights(_style_weight(batch, len(banks)), banks)
            targets = _targets(config, columns, frozen, mixed, batch, banks, weights)
            kept = (_few(banks), weights) if is_last and state.banks else ()
            return targets.astype(jnp.float16), kept

        # One image after the other, since each needs the hypercolumns of its styles.
        targets, kept = jax.lax.map(match, (mixed, batch))
        return pyramid.split(images, _NUM_BANDS), targets, kept or (state.banks, state.weights)

    def step(key, state, frozen, batch):
        del key
        painting, targets = state.paintings[index], state.targets[index]
        bands, targets, (banks, weights) = jax.lax.cond(
            jnp.all(painting.evaluations == 0),
            lambda: begin(state, frozen, batch),
            lambda: (painting.bands, targets, (state.banks, state.weights)),
        )

        def loss_fn(bands):
            found = columns(frozen, pyramid.join(bands))
            losses = _distance(found, targets)
            return losses.sum(), losses.mean(-1)

        painting, losses = _update(adam, painting.replace(bands=bands), loss_fn)
        state = State(
            paintings=_replaced(state.paintings, index, painting),
            targets=_replaced(state.targets, index, targets),
            banks=banks,
            weights=weights,
        )
        return state, train_state.mean_over(axis_name, {'loss': losses.mean()})

    return step


def _split_step(config, columns, adam, scale, axis_name):
    """Returns the step of the last phase, which matches each layer on its own."""

    def step(key, state, frozen, batch):
        painting, before = state.paintings[-1], state.paintings[-2]
        bands = jax.vmap(choose)(painting.evaluations == 0, before.bands, painting.bands)
        contents = scales_lib.scaled_batch(batch, scale)['image']
        image_keys = keys.per_image(key, len(contents), axis_name=axis_name)
        regions = jax.vmap(lambda one: _regions(one, contents.shape))(dict(batch))

        def loss_fn(bands):
            found = columns(frozen, pyramid.join(bands))
            losses = config.mixed * jax.vmap(_split_distance)(
                image_keys, found, regions, state.banks, state.weights
            )
            if config.mixed < 1.0:
                losses += (1.0 - config.mixed) * _distance(found, state.targets[-1]).mean(-1)
            # Adam's epsilon is absolute: the sum over points gives gradients of a fixed size.
            return losses.sum() * regions.shape[1], losses

        painting, losses = _update(adam, painting.replace(bands=bands), loss_fn)
        state = state.replace(paintings=(*state.paintings[:-1], painting))
        return state, train_state.mean_over(axis_name, {'loss': losses.mean()})

    return step


def _update(adam, painting: Painting, loss_fn):
    """Takes one step of Adam on the bands; loss_fn maps them to (scalar, losses [n])."""
    gradients, losses = jax.grad(loss_fn, has_aux=True)(painting.bands)
    updates, moments = jax.vmap(adam.update)(gradients, painting.moments)
    bands = optax.apply_updates(painting.bands, updates)
    return Painting(painting.evaluations + 1, bands, moments), losses


def _distance(found: Mapping[str, jax.Array], targets: jax.Array) -> jax.Array:
    """1 - cos of hypercolumns and their targets of length one: [n, points]."""
    product, squares, start = 0.0, 0.0, 0
    for values in found.values():  # Layer by layer, which saves a copy of all hypercolumns.
        values = values.reshape(len(values), -1, values.shape[-1])
        part = targets[..., start : start + values.shape[-1]].astype(jnp.float32)
        product += (values * part).sum(-1)
        squares += jnp.square(values).sum(-1)
        start += values.shape[-1]
    return 1.0 - product * jax.lax.rsqrt(squares + 1e-12)


def _split_distance(key, found, regions, banks, weights) -> jax.Array:
    """Sums over layers the mean least 1 - cos between points of one image and the styles."""
    points = matching.spread(len(regions), _NUM_POINTS, offset=jax.random.uniform(key))
    regions = regions[points]
    layers = [values.reshape(-1, values.shape[-1])[points] for values in found.values()]
    ends = np.cumsum([values.shape[-1] for values in layers])
    total = 0.0
    for bank, weight in zip(banks, weights, strict=True):
        candidates = jnp.split(bank.vectors.astype(jnp.float32), ends[:-1], axis=-1)
        for region in range(regions.shape[-1]):
            rows = matching.nearest_of_layers(
                jax.lax.stop_gradient(layers), candidates, bank.shares[:, region]
            )
            for values, vectors, row in zip(layers, candidates, rows, strict=True):
                match = columns_lib.unit(vectors[row] - vectors.mean(0, keepdims=True))
                distance = 1.0 - (columns_lib.centered(values) * match).sum(-1)
                total += weight[region] * (regions[:, region] * distance).mean()
    return total / len(layers)


def _targets(config, columns, frozen, mixed, batch, banks, weights) -> jax.Array:
    """Returns what the hypercolumns of one image should become: [points, channels]."""
    queries = columns_lib.flat(columns(frozen, mixed[None]))[0]
    targets = matching.matches(queries, _regions(batch, mixed[None].shape), banks, weights)
    if config.mixed < 1.0:
        own = columns_lib.unit(columns_lib.flat(columns(frozen, batch['image'][None]))[0])
        targets = columns_lib.unit(config.mixed * targets + (1.0 - config.mixed) * own)
    return targets


def _few(banks: Sequence[matching.Bank]) -> tuple[matching.Bank, ...]:
    """Chooses the vectors of each style for the last phase."""
    few = []
    for bank in banks:
        rows = matching.spread(len(bank.vectors), _NUM_CANDIDATES)
        few.append(matching.Bank(bank.vectors[rows].astype(jnp.float16), bank.shares[rows]))
    return tuple(few)


def _banks(columns, frozen, batch) -> list[matching.Bank]:
    return [
        matching.bank(columns, frozen, batch[name], batch.get(f'{name}_mask'))
        for name in _style_names(batch)
    ]


def _blank_banks(batch, channels: int) -> tuple[tuple[matching.Bank, ...], jax.Array]:
    """Returns zeros of the shapes of the last phase's banks and weights."""
    n, names = len(batch['image']), _style_names(batch)
    num_regions = batch['image_mask'].shape[-1] if 'image_mask' in batch else 1
    banks = []
    for name in names:
        count = min(_NUM_CANDIDATES, matching.bank_size(batch[name].shape))
        vectors = jnp.zeros((n, count, channels), jnp.float16)
        banks.append(matching.Bank(vectors, jnp.zeros((n, count, num_regions))))
    return tuple(banks), jnp.zeros((n, len(names), num_regions))


def _regions(batch, shape) -> jax.Array:
    """Returns how much the points of one image belong to each region: [points, r]."""
    size = columns_lib.grid(shape)
    if 'image_mask' in batch:
        return matching.on_grid(batch['image_mask'], size)
    return jnp.ones((size[0] * size[1], 1))


def _style_names(batch) -> list[str]:
    return [f'style{i}' for i in range(len(batch)) if f'style{i}' in batch]


def _style_weight(batch, count: int) -> jax.Array:
    return batch.get('style_weight', jnp.ones(count))


def _blank(adam, shape) -> Painting:
    return _fresh(adam, pyramid.split(jnp.zeros(shape), _NUM_BANDS))


def _fresh(adam, bands) -> Painting:
    """Returns a painting before its first step."""
    return Painting(jnp.zeros(len(bands[0]), jnp.int32), bands, jax.vmap(adam.init)(bands))


def _replaced(items: tuple, index: int, item) -> tuple:
    return (*items[:index], item, *items[index + 1 :])


def _columns(config: Config) -> Columns:
    networks = {name: NETWORKS[name] for name in ('vgg16', 'vgg16_random')}
    network = options.choose(networks, config.network, where='config.method.network')
    for layer in config.layers:
        options.choose(dict.fromkeys(network.layers), layer, where='config.method.layers')
    options.choose(vgg16.PADDED_CONVS, config.padding, where='config.method.padding')
    return Columns(network, tuple(config.layers) or _LAYERS, config.padding)
