"""The loss of style transfer, over whole images or over tiles.

    loss = content weight * content + style weight * sum_l w_l style_l / sum_l w_l
           + variation weight * total variation

With F the activations of an image at the content layer and P those of the content image, the
content loss is |F - P|^2 / |P|^2, which does not depend on size or units. With the statistic
'gram_absolute' it is |F - P|^2 / 2 (Gatys et al. 2016, eq. 1), scaled to an image of 512 x 512:
the published sum grows with the number of pixels, and the style loss, a mean, does not.

Large images are processed in tiles. The moments of the tiles add up to those of the whole image.
The gradient recomputes the activations of each tile, so that memory holds one tile at a time.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from imggen.losses import style as style_losses
from imggen.method import Batch
from imggen.methods.style import tiles
from imggen.methods.style.networks import Network

Params = Any
_PUBLISHED_PIXELS = 512 * 512


@struct.dataclass
class Targets:
    """What the loss compares an image with.

    Attributes:
      content: activations of the content image, [n, height, width, c].
      style: {layer: the target of the statistic}.
      regions: {layer: [n, height, width, r]}; {} without masks.
    """

    content: jax.Array
    style: Mapping[str, Any]
    regions: Mapping[str, jax.Array]


class Objective(NamedTuple):
    """The options of the loss, as in `style_transfer.Config`, with the network itself.

    `tile` is the side of a tile in pixels; 0 processes the whole image at once.
    """

    network: Network
    content_layer: str
    style_layers: Mapping[str, float]
    statistic: str
    content_weight: float
    style_weight: float
    variation_weight: float
    pooling: str
    padding: str
    tile: int

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that are compared."""
        return tuple(dict.fromkeys((*self.style_layers, self.content_layer)))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the metrics that `evaluate` returns."""
        by_layer = (f'style_{layer}' for layer in self.style_layers)
        return ('content_loss', 'style_loss', *by_layer, 'total_variation')

    @property
    def is_absolute(self) -> bool:
        """Whether the content loss is absolute, as the style loss is."""
        return self.statistic == 'gram_absolute'


def make_targets(
    objective: Objective, params: Params, batch: Batch, *, image_keys: jax.Array | None = None
) -> Targets:
    """Computes the targets of the loss from a batch.

    Args:
      objective, params: the loss, and the parameters of its network.
      batch: 'image' [n, height, width, channels]; 'style0', ... of any size; optionally
        'style_weight' [n, number of styles], equal by default, and 'image_mask' and
        'style0_mask', ... [n, height, width, r], how much a pixel belongs to each region.
      image_keys: one key for each image, [n], for the directions of the statistic 'sliced'.
    """
    content = batch['image']
    names = [f'style{i}' for i in range(len(batch)) if f'style{i}' in batch]
    weights = batch.get('style_weight', jnp.ones((len(content), len(names))))
    layer = objective.content_layer
    features = _over_tiles(
        objective,
        params,
        content,
        (layer,),
        lambda found, place: _placed(objective, content.shape, found[layer], place),
    )
    seen = []
    for name in names:
        masks = _by_layer(objective, params, batch[name], batch.get(f'{name}_mask'))
        seen.append(
            _over_tiles(
                objective,
                params,
                batch[name],
                tuple(objective.style_layers),
                lambda found, place, masks=masks: _collect(objective, found, masks, place),
            )
        )
    statistic, targets = style_losses.STATISTICS[objective.statistic], {}
    for index, name in enumerate(objective.style_layers):
        own = (
            None
            if image_keys is None
            else jax.vmap(jax.random.fold_in, (0, None))(image_keys, index)
        )
        targets[name] = statistic.target(own, [one[name] for one in seen], weights)
    regions = _by_layer(objective, params, content, batch.get('image_mask'))
    return Targets(features, targets, regions)


def evaluate(objective: Objective, params: Params, targets: Targets, images: jax.Array):
    """Returns the losses [n] and metrics {name: [n]} of images [n, height, width, channels]."""

    def part(found, place):
        difference = found[objective.content_layer]
        difference -= _cut(objective, targets.content, objective.content_layer, difference, place)
        if place is not None:
            difference *= _core(objective, objective.content_layer, difference, place)
        error = jnp.square(difference).sum((1, 2, 3))
        return _collect(objective, found, targets.regions, place), error

    collected, error = _over_tiles(objective, params, images, objective.layers, part)
    if objective.is_absolute:
        content_loss = error / 2.0 * (_PUBLISHED_PIXELS / (images.shape[1] * images.shape[2]))
    else:
        scale = jnp.square(targets.content).sum((1, 2, 3))
        content_loss = error / jnp.maximum(scale, 1e-20)  # A picture of one color may be all zeros.
    metrics = {'content_loss': content_loss, 'style_loss': jnp.zeros(len(images))}
    statistic = style_losses.STATISTICS[objective.statistic]
    total_weight = sum(objective.style_layers.values())
    for layer, weight in objective.style_layers.items():
        image = collected[layer]
        losses = statistic.loss(image, targets.style[layer])
        losses = style_losses.over_regions(losses, image.weight)
        metrics[f'style_{layer}'] = losses
        metrics['style_loss'] += weight / total_weight * losses
    metrics['total_variation'] = style_losses.total_variation(images)
    loss = (
        objective.content_weight * metrics['content_loss']
        + objective.style_weight * metrics['style_loss']
        + objective.variation_weight * metrics['total_variation']
    )
    return loss, metrics


def value_and_gradient(objective: Objective, params: Params, targets: Targets, images: jax.Array):
    """Returns losses [n], their gradients [n, height, width, channels] and metrics {name: [n]}."""
    loss, pull_back, metrics = jax.vjp(
        lambda images: evaluate(objective, params, targets, images), images, has_aux=True
    )
    (gradient,) = pull_back(jnp.ones_like(loss))
    return loss, gradient, metrics


def _over_tiles(objective, params, images, names, part):
    """Sums part(activations, place) over the tiles; `place` is None without tiles."""
    network = objective.network

    def activations(images):
        return network.activations(
            params, images, names, pooling=objective.pooling, padding=objective.padding
        )

    if not objective.tile or max(images.shape[1:3]) <= objective.tile:
        return part(activations(images), None)
    plan = tiles.plan(images.shape[1:3], core=objective.tile, reach=network.reach(names))

    @jax.checkpoint  # The gradient recomputes the activations of a tile.
    def visit(images, place):
        return part(activations(tiles.window(images, place[0], plan.size)), place)

    def add(total, place):
        return jax.tree.map(jnp.add, total, visit(images, place)), None

    places = (plan.starts, plan.cores)
    shapes = jax.eval_shape(visit, images, jax.tree.map(lambda leaf: leaf[0], places))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.scan(add, zeros, places)[0]


def _collect(objective, found, regions, place):
    """Collects what the statistic needs of each style layer, of a tile's core or of the image."""
    collect, collected = style_losses.STATISTICS[objective.statistic].collect, {}
    for layer in objective.style_layers:
        weight = regions.get(layer)
        if weight is not None:
            weight = _cut(objective, weight, layer, found[layer], place)
        if place is not None:
            core = _core(objective, layer, found[layer], place)
            weight = core if weight is None else core * weight
        collected[layer] = collect(found[layer], weight=weight)
    return collected


def _stride(objective, layer):
    return objective.network.reach((layer,))[0]


def _core(objective, layer, features, place):
    return tiles.core_weight(*place, features.shape[1:3], _stride(objective, layer))


def _cut(objective, whole, layer, features, place):
    """Cuts the part that belongs to a tile's activations out of an array over the image."""
    if place is None:
        return whole
    return tiles.window(whole, place[0] // _stride(objective, layer), features.shape[1:3])


def _placed(objective, shape, features, place):
    """Returns zeros of the whole image's size with the activations of a tile's core in place."""
    if place is None:
        return features
    layer = objective.content_layer
    n, height, width, _ = shape
    stride = _stride(objective, layer)
    whole = jnp.zeros((n, height // stride, width // stride, features.shape[-1]))
    start = place[0] // stride
    core = _core(objective, layer, features, place) * features
    return jax.lax.dynamic_update_slice(whole, core, (0, start[0], start[1], 0))


def _by_layer(objective, params, images, mask):
    """Resizes a mask to the size of every style layer: {layer: [n, h, w, r]}; {} without one."""
    if mask is None:
        return {}
    shapes = jax.eval_shape(
        lambda params, images: objective.network.activations(
            params,
            images,
            tuple(objective.style_layers),
            pooling=objective.pooling,
            padding=objective.padding,
        ),
        params,
        images,
    )
    return {
        layer: jax.image.resize(
            mask, (len(mask), *shape.shape[1:3], mask.shape[-1]), 'linear', antialias=True
        )
        for layer, shape in shapes.items()
    }
