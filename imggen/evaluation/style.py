"""How far style transfer got: the style's statistics and the content, by several networks.

A picture made with one network's features is scored by a second's too, so that no
network marks its own work: an image may please the one that made it alone.
"""

import jax
import numpy as np

from imggen import data
from imggen.methods.style.networks import NETWORKS
from imggen.methods.style.objective import Objective, evaluate, make_targets
from imggen.workdir.restore import Restored

_SCORERS = ('vgg16', 'lite0')


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Scores the results of a run against its content and style pictures.

    The style loss is the mean over a network's style layers of |S - S'|^2 / |S'|^2 of
    their Gram matrices; the content loss is |F - P|^2 / |P|^2 at its content layer. The
    content itself has the style loss `style_<network>_content`, the one to fall below.

    Args:
      restored: a run of the method 'style'.
      num_images: results to take the mean over, at most as many as there are.
      seed: of nothing; the results are what they are.

    Returns:
      {'style_vgg16': ..., 'content_vgg16': ..., 'style_vgg16_content': ..., 'style_lite0':
      ...}, means over the results; smaller is closer.
    """
    del seed
    source = data.make(restored.config['data'], seed=restored.config['seed'])
    batch = jax.tree.map(np.asarray, source.batch(0))
    batch = jax.tree.map(lambda leaf: leaf[:num_images], batch)
    sample = jax.jit(restored.method.sample)
    results = jax.device_get(sample(None, restored.state, restored.method.frozen, restored.batch))
    return score(results['generated'][:num_images], batch)


def score(results: np.ndarray, batch) -> dict[str, float]:
    """Scores results [n, height, width, c] against a batch of the source 'style'; see `measure`."""
    scores = {}
    for name in _SCORERS:
        style, content, before = _losses(name, results, batch)
        scores[f'style_{name}'] = float(style.mean())
        scores[f'content_{name}'] = float(content.mean())
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

    @jax.jit
    def both(params, results, batch):
        targets = make_targets(objective, params, batch)
        _, of_results = evaluate(objective, params, targets, results)
        _, of_contents = evaluate(objective, params, targets, batch['image'])
        return of_results['style_loss'], of_results['content_loss'], of_contents['style_loss']

    return jax.device_get(both(network.load('', None), results, batch))
