"""Scores of style transfer: distances of results to the style's statistics and to the content.

An image that was made with the features of one network is scored by others, too, because it may
satisfy only the network that made it: VGG16 makes images, EfficientNet-Lite0 and AlexNet do not.
"""

import jax
import numpy as np

from imggen import data
from imggen.errors import UserError
from imggen.losses.style import structure_distance
from imggen.method import Batch
from imggen.methods.style.networks import NETWORKS
from imggen.methods.style.objective import Objective, evaluate, make_targets
from imggen.workdir.restore import Restored

_SCORERS = ('vgg16', 'lite0', 'alexnet')
_MOST_POINTS = 32  # Points along a side whose self-similarity is compared.


def check(restored: Restored) -> None:
    """Raises UserError if the method of a run transfers no style."""
    if 'style0' not in restored.batch:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} transfers no style: measure a run that does.')


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Scores the results of a run against its content and style images.

    The style loss is the mean of |S - S'|^2 / |S'|^2 over the Gram matrices S of a network's
    style layers. The content loss is |F - P|^2 / |P|^2 at its content layer. The content image
    itself has the style loss `style_<network>_content`: a result should be below it. The structure
    is the distance of the self-similarities at the content layer (`losses.style`).

    Returns:
      {'style_vgg16': ..., 'content_vgg16': ..., 'structure_vgg16': ..., 'style_vgg16_content':
      ..., 'style_lite0': ...}: means over the results; smaller is closer.

    Raises:
      UserError: the method transfers no style.
    """
    del seed
    check(restored)
    source = data.make(restored.config['data'], seed=restored.config['seed'])
    batch = jax.tree.map(np.asarray, source.batch(0))
    batch = jax.tree.map(lambda leaf: leaf[:num_images], batch)
    sample = jax.jit(restored.method.sample)
    results = jax.device_get(sample(None, restored.state, restored.method.frozen, restored.batch))
    return score(results[restored.method.output][:num_images], batch)


def score(results: np.ndarray, batch: Batch) -> dict[str, float]:
    """Scores results [n, height, width, channels] against a batch of 'style'; see `measure`."""
    scores = {}
    for name in _SCORERS:
        style, content, structure, before = _losses(name, results, batch)
        scores[f'style_{name}'] = float(style.mean())
        scores[f'content_{name}'] = float(content.mean())
        scores[f'structure_{name}'] = float(structure.mean())
        scores[f'style_{name}_content'] = float(before.mean())
    return scores


def _losses(name, results, batch):
    network = NETWORKS[name]
    objective = Objective(
        network=network,
        content_layer=network.content_layer,
        style_layers=dict.fromkeys(network.style_layers, 1.0),
        statistic='gram',
        content_weight=1.0,
        style_weight=1.0,
        variation_weight=0.0,
        pooling='max',
        padding='zero',
        tile=0,
    )

    def features(params, images):
        layer = network.content_layer
        found = network.activations(params, images, (layer,), pooling='max', padding='zero')[layer]
        n, height, width, channels = found.shape
        shape = (n, min(height, _MOST_POINTS), min(width, _MOST_POINTS), channels)
        return jax.image.resize(found, shape, 'linear', antialias=True)

    @jax.jit
    def both(params, results, batch):
        targets = make_targets(objective, params, batch)
        _, of_results = evaluate(objective, params, targets, results)
        _, of_contents = evaluate(objective, params, targets, batch['image'])
        structure = structure_distance(features(params, results), features(params, batch['image']))
        return (
            of_results['style_loss'],
            of_results['content_loss'],
            structure,
            of_contents['style_loss'],
        )

    return jax.device_get(both(network.load('', None), results, batch))
