"""The loss of style transfer: what a picture and its styles are reduced to, and compared by.

    loss = content weight * content + style weight * sum_l w_l style_l / sum_l w_l
           + variation weight * total variation

Large pictures are seen in tiles: their moments add up to those of the whole picture,
and each tile's activations are computed again for the gradient, so that memory holds
those of one tile.
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


@struct.dataclass
class Targets:
    """What the loss compares an image with.

    Attributes:
      content: activations of the content, [n, height, width, c].
      style: {layer: what the statistic compares with}.
      regions: {layer: [n, height, width, r]}, or {} without masks.
    """

    content: jax.Array
    style: Mapping[str, Any]
    regions: Mapping[str, jax.Array]


class Objective(NamedTuple):
    """The loss, as options.

    Attributes:
      network: whose features are compared.
      content_layer: one of its layers.
      style_layers: {layer: weight}.
      statistic: one of style_losses.STATISTICS, by name.
      content_weight, style_weight, variation_weight: of the three parts.
      pooling, padding: of the network.
      tile: side of a tile in pixels; 0 for the whole picture at once.
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
        """Every layer that is compared."""
        return tuple(dict.fromkeys((*self.style_layers, self.content_layer)))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of what `evaluate` reports."""
        by_layer = (f'style_{layer}' for layer in self.style_layers)
        return ('content_loss', 'style_loss', *by_layer, 'total_variation')

    @property
    def is_absolute(self) -> bool:
        """Whether the content loss is absolute: it goes with the absolute style loss."""
        return self.statistic == 'gram_absolute'


def make_targets(objective: Objective, params: Params, batch: Batch) -> Targets:
    """Reduces the pictures of a batch to what the loss needs of them.

    Args:
      objective: the loss.
      params: of its network.
      batch: 'image' [n, height, width, channels]; 'style0', ... of any sizes;
        'style_weight' [n, number of styles], equal where it is missing; 'image_mask' and
        'style0_mask', ... [n, height, width, r], how much a pixel belongs to each region.
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
        sums = _over_tiles(
            objective,
            params,
            batch[name],
            tuple(objective.style_layers),
            lambda found, place, masks=masks: _moments(objective, found, masks, place),
        )
        seen.append({layer: style_losses.means(sums[layer]) for layer in sums})
    statistic = style_losses.STATISTICS[objective.statistic]
    blended = {
        layer: statistic.target(style_losses.blend([one[layer] for one in seen], weights))
        for layer in objective.style_layers
    }
    regions = _by_layer(objective, params, content, batch.get('image_mask'))
    return Targets(features, blended, regions)


def evaluate(objective: Objective, params: Params, targets: Targets, images: jax.Array):
    """Returns the losses [n] and their parts {name: [n]} of images [n, height, width, c]."""

    def part(found, place):
        difference = found[objective.content_layer]
        difference -= _cut(objective, targets.content, objective.content_layer, difference, place)
        if place is not None:
            difference *= _core(objective, objective.content_layer, difference, place)
        error = jnp.square(difference).sum((1, 2, 3))
        return _moments(objective, found, targets.regions, place), error

    sums, error = _over_tiles(objective, params, images, objective.layers, part)
    if objective.is_absolute:
        content_loss = error / 2.0  # As losses.perceptual.content_absolute.
    else:
        content_loss = error / jnp.square(targets.content).sum((1, 2, 3))
    report = {'content_loss': content_loss, 'style_loss': jnp.zeros(len(images))}
    statistic = style_losses.STATISTICS[objective.statistic]
    total_weight = sum(objective.style_layers.values())
    for layer, weight in objective.style_layers.items():
        image = style_losses.means(sums[layer])
        losses = style_losses.over_regions(statistic.loss(image, targets.style[layer]), image)
        report[f'style_{layer}'] = losses
        report['style_loss'] += weight / total_weight * losses
    report['total_variation'] = style_losses.total_variation(images)
    loss = (
        objective.content_weight * report['content_loss']
        + objective.style_weight * report['style_loss']
        + objective.variation_weight * report['total_variation']
    )
    return loss, report


def value_and_gradient(objective: Objective, params: Params, targets: Targets, images: jax.Array):
    """Returns losses [n], their gradients [n, height, width, c] and their parts {name: [n]}."""
    loss, pull_back, report = jax.vjp(
        lambda images: evaluate(objective, params, targets, images), images, has_aux=True
    )
    (gradient,) = pull_back(jnp.ones_like(loss))
    return loss, gradient, report


def _over_tiles(objective, params, images, names, part):
    """Sums part(activations, place) over the tiles; its place is None where there is one."""
    network = objective.network

    def activations(images):
        return network.activations(
            params, images, names, pooling=objective.pooling, padding=objective.padding
        )

    if not objective.tile or max(images.shape[1:3]) <= objective.tile:
        return part(activations(images), None)
    plan = tiles.plan(images.shape[1:3], core=objective.tile, reach=network.reach(names))

    @jax.checkpoint  # Nothing of a tile is kept for the gradient: it is computed again there.
    def visit(images, place):
        return part(activations(tiles.window(images, place[0], plan.size)), place)

    def add(total, place):
        return jax.tree.map(jnp.add, total, visit(images, place)), None

    places = (plan.starts, plan.cores)
    shapes = jax.eval_shape(visit, images, jax.tree.map(lambda leaf: leaf[0], places))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.scan(add, zeros, places)[0]


def _moments(objective, found, regions, place):
    """Sums moments by style layer, over a tile's core or the whole picture."""
    sums = {}
    for layer in objective.style_layers:
        weight = regions.get(layer)
        if weight is not None:
            weight = _cut(objective, weight, layer, found[layer], place)
        if place is not None:
            core = _core(objective, layer, found[layer], place)
            weight = core if weight is None else core * weight
        sums[layer] = style_losses.moments(found[layer], weight=weight)
    return sums


def _stride(objective, layer):
    return objective.network.reach((layer,))[0]


def _core(objective, layer, features, place):
    return tiles.core_weight(*place, features.shape[1:3], _stride(objective, layer))


def _cut(objective, whole, layer, features, place):
    """Cuts what belongs to a tile's activations out of an array over the whole picture."""
    if place is None:
        return whole
    return tiles.window(whole, place[0] // _stride(objective, layer), features.shape[1:3])


def _placed(objective, picture, features, place):
    """Lays the activations over a tile's core into zeros of the whole picture's size."""
    if place is None:
        return features
    layer = objective.content_layer
    n, height, width, _ = picture
    stride = _stride(objective, layer)
    whole = jnp.zeros((n, height // stride, width // stride, features.shape[-1]))
    start = place[0] // stride
    core = _core(objective, layer, features, place) * features
    return jax.lax.dynamic_update_slice(whole, core, (0, start[0], start[1], 0))


def _by_layer(objective, params, picture, mask):
    """Brings a mask to the size of every style layer: {layer: [n, h, w, r]}, {} without one."""
    if mask is None:
        return {}
    shapes = jax.eval_shape(
        lambda params, picture: objective.network.activations(
            params,
            picture,
            tuple(objective.style_layers),
            pooling=objective.pooling,
            padding=objective.padding,
        ),
        params,
        picture,
    )
    return {
        layer: jax.image.resize(
            mask, (len(mask), *shape.shape[1:3], mask.shape[-1]), 'linear', antialias=True
        )
        for layer, shape in shapes.items()
    }
