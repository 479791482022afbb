"""Accuracy and calibration of a classifier on held-out images."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from imggen import data, images
from imggen.errors import UserError
from imggen.methods import classifier
from imggen.metrics.batching import map_batches
from imggen.workdir.restore import Restored

_NUM_BINS = 15
_BATCH_SIZE = 500


def check(restored: Restored) -> None:
    """Raises UserError if the method of a run does not classify."""
    if restored.method.output is not None:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} does not classify: measure the run of a classifier.')


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures a classifier on the test split of its own data.

    Returns:
      test_accuracy and calibration_error.

    Raises:
      UserError: the method does not classify, or its data has no labels.
    """
    del seed
    check(restored)
    section = dict(restored.config['method'])
    section.pop('name')
    network = classifier.make_network(section)

    def logits(variables, batch):
        return network.apply(variables, batch, train=False)[0]

    section = restored.config['data']
    found = quality(restored.state.ema, logits=logits, section=section, num_images=num_images)
    found.pop('test_images')
    return found


def quality(
    variables: Any,
    *,
    logits: Callable[[Any, jax.Array], jax.Array],
    section: Mapping[str, Any] | None = None,
    num_images: int | None = None,
) -> dict[str, float]:
    """Returns accuracy and calibration error on test images, and the number of these images.

    Args:
      variables: parameters and batch statistics of the classifier.
      logits: (variables, images float32 [n, height, width, channels] in [-1, 1]) -> float32
        [n, classes].
      section: the `data` section of a config; Fashion-MNIST by default.
      num_images: number of test images, at most; all of them by default.

    Raises:
      UserError: the data has no test images with labels.
    """
    pictures, labels = data.examples(section or {'name': 'fashion_mnist'}, split='test')
    if labels is None:
        raise UserError('a classifier is measured on labels: its data has none for its test split.')
    pictures, labels = pictures[:num_images], labels[:num_images]
    apply = jax.jit(lambda batch: jax.nn.softmax(logits(variables, images.from_uint8(batch))))
    probabilities = map_batches(apply, pictures, batch_size=_BATCH_SIZE)
    return {
        'test_accuracy': float(np.mean(probabilities.argmax(-1) == labels)),
        'calibration_error': calibration_error(probabilities, labels),
        'test_images': len(labels),
    }


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns the expected calibration error (Guo et al. 2017, eq. 3) with 15 bins.

    It is the sum over bins of |bin| / n * |accuracy(bin) - confidence(bin)|. The bins have
    equal width in confidence. Probabilities are [n, classes], and labels int [n].
    """
    confidence = probabilities.max(-1)
    correct = probabilities.argmax(-1) == labels
    index = np.minimum((confidence * _NUM_BINS).astype(int), _NUM_BINS - 1)
    gaps = [
        np.sum(index == i) * abs(correct[index == i].mean() - confidence[index == i].mean())
        for i in range(_NUM_BINS)
        if np.any(index == i)
    ]
    return float(np.sum(gaps) / len(labels))
