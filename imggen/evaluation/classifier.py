"""Accuracy and calibration of a classifier on the Fashion-MNIST test images."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, images
from imggen.features import fashion_classifier


def quality(variables: Mapping, *, logits=None) -> dict[str, float]:
    """Returns accuracy and calibration error on the 10,000 test images.

    Args:
      variables: of the fashion_classifier, or of another classifier.
      logits: (variables, images) -> [n, classes] of another classifier.
    """
    pictures, labels = data.examples({'name': 'fashion_mnist'}, split='test')
    logits = logits or (
        lambda variables, batch: fashion_classifier.apply(variables, batch)['logits']
    )
    apply = jax.jit(lambda variables, batch: logits(variables, images.from_uint8(batch)))
    answers = [apply(variables, chunk) for chunk in np.split(pictures, 20)]
    probabilities = np.asarray(jax.nn.softmax(jnp.concatenate(answers)))
    return {
        'test_accuracy': float(np.mean(probabilities.argmax(-1) == labels)),
        'calibration_error': calibration_error(probabilities, labels),
        'test_images': len(labels),
    }


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> float:
    """Returns the expected calibration error (Guo et al. 2017, eq. 3).

    sum over bins of |bin| / n * |accuracy(bin) - confidence(bin)|, bins of equal width.

    Args:
      probabilities: [n, classes].
      labels: int [n].
      bins: how many.
    """
    confidence = probabilities.max(-1)
    correct = probabilities.argmax(-1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        np.sum(index == i) * abs(correct[index == i].mean() - confidence[index == i].mean())
        for i in range(bins)
        if np.any(index == i)
    ]
    return float(np.sum(gaps) / len(labels))
