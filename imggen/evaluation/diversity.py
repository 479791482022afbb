"""Whether a generator makes one picture or many, and whose.

Distances are root mean squared differences of pixels in [-1, 1], between 0 and 2.
"""

import numpy as np

from imggen import keys
from imggen.errors import UserError
from imggen.evaluation.detection import SCORES, real_images, scorer
from imggen.inference import sampling
from imggen.methods.evaluator import impostors
from imggen.metrics import diversity
from imggen.workdir.restore import Restored


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures samples of a run against its training pictures, references and evaluator.

    Of every run:

      pairwise         mean distance between two samples
      pairwise_real    that of as many training pictures
      distinct         part of the samples that are alone in their nearest training picture:
                       distinct nearest pictures / samples
      distinct_real    that of as many held-out pictures

    Of a run with references:

      to_current, to_past, to_mean   mean distance of a sample to the last reference, to
                       those before it, and to the mean picture of all
      mean_to_current  distance of the mean picture of all references to the last one
      current_weight   weight of the last reference in the mixture of references that is
                       nearest to the mean sample; the weights sum to 1

    Of a run with an evaluator: `energy_real` (held-out), `energy_generated` and
    `energy_noise`, means.
    """
    training, held_out = real_images(restored, 'train'), real_images(restored, 'test')
    count = min(num_images, len(training), len(held_out))
    if count < 2:
        raise UserError('Diversity needs at least 2 pictures: measure a larger data set.')
    key = keys.stream(seed, 'measure')
    chunks = sampling.generate(key, restored, count)
    samples = np.concatenate([chunk[restored.method.output] for chunk in chunks])
    noise = np.asarray(impostors.noise(keys.per_image(key, count), samples))
    rows = {
        'generated': _rows(samples),
        'training': _rows(training),
        'held_out': _rows(held_out[:count]),
    }
    metrics = {
        'pairwise': diversity.mean_pairwise_distance(rows['generated']),
        'pairwise_real': diversity.mean_pairwise_distance(rows['training'][:count]),
        'distinct': diversity.distinct_nearest(rows['generated'], rows['training']) / count,
        'distinct_real': diversity.distinct_nearest(rows['held_out'], rows['training']) / count,
    }
    picked = getattr(restored.state, 'references', ())
    if len(picked):
        metrics |= against_references(rows['generated'], _rows(np.asarray(picked)))
    if restored.config['method']['name'] in SCORES:
        score = scorer(restored)
        sets = {'real': held_out[:count], 'generated': samples, 'noise': noise}
        metrics |= {f'energy_{name}': float(score(images).mean()) for name, images in sets.items()}
    return metrics


def against_references(samples: np.ndarray, references: np.ndarray) -> dict[str, float]:
    """Returns the measures against references in turn; rows are flat pictures, float32.

    Args:
      samples: [n, d].
      references: [r, d], the current one last; with one there is no past to be far from.
    """
    current, past, mean = references[-1:], references[:-1], references.mean(0, keepdims=True)
    metrics = {
        'to_current': _distance(samples, current),
        'to_mean': _distance(samples, mean),
        'mean_to_current': _distance(mean, current),
    }
    if len(past):
        metrics['to_past'] = float(np.mean([_distance(samples, row[None]) for row in past]))
        metrics['current_weight'] = mixture(samples.mean(0), references)[-1]
    return metrics


def mixture(target: np.ndarray, parts: np.ndarray) -> list[float]:
    """Returns the weights, of sum 1, with which parts [r, d] come nearest to target [d].

    With t and p_i measured from the last part, a least-squares fit of t by the others;
    the last weight is what is missing to 1. Weights may be negative.
    """
    base = parts[-1].astype(np.float64)
    weights, *_ = np.linalg.lstsq((parts[:-1] - base).T, target - base, rcond=None)
    return [*map(float, weights), float(1.0 - weights.sum())]


def _rows(images: np.ndarray) -> np.ndarray:
    """Flattens images so that the Euclidean distance is the root mean squared difference."""
    rows = np.asarray(images, np.float32).reshape(len(images), -1)
    return rows / np.float32(np.sqrt(rows.shape[1]))


def _distance(rows: np.ndarray, one: np.ndarray) -> float:
    return float(np.mean(np.linalg.norm(rows - one, axis=1)))
