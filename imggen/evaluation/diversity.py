"""Whether a generator makes one image or many, and which images it imitates.

Distances are root mean squared differences of pixels in [-1, 1], between 0 and 2.
"""

import numpy as np

from imggen import keys
from imggen.errors import UserError
from imggen.evaluation.detection import real_images, scorer
from imggen.evaluation.distribution import samples as generate
from imggen.inference import sampling
from imggen.methods.evaluator import impostors
from imggen.metrics import diversity
from imggen.workdir.restore import Restored


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Compares samples of a run with its training images, references and evaluator.

    For every run that generates:

      pairwise         mean distance between two samples
      pairwise_real    the same for as many training images
      distinct         share of the samples that are alone in their nearest training image
      distinct_real    the same for as many held-out images

    For a run with references:

      to_current, to_past, to_mean   mean distance of a sample to the last reference, to the
                       references before it, and to the mean image of all references
      mean_to_current  distance of the mean image of all references to the last reference
      current_weight   weight of the last reference in the mixture of references that is
                       nearest to the mean sample; the weights sum to 1

    For a run with an evaluator: `energy_real` (of held-out images), `energy_generated` and
    `energy_noise`, the mean energies.

    Raises:
      UserError: the method translates images or makes none, or the data set is too small.
    """
    sampling.check(restored)
    training, held_out = real_images(restored, 'train'), real_images(restored, 'test')
    count = min(num_images, len(training), len(held_out))
    if count < 2:
        raise UserError('Diversity needs at least 2 images: measure a larger data set.')
    samples = np.concatenate(list(generate(restored, num_images=count, seed=seed)))
    rows = {
        'generated': _rows(samples),
        'training': _rows(training),
        'held_out': _rows(held_out[:count]),
    }
    metrics = {
        'pairwise': diversity.mean_pairwise_distance(rows['generated']),
        'pairwise_real': diversity.mean_pairwise_distance(rows['training'][:count]),
        'distinct': diversity.distinct_nearest(rows['generated'], rows['training']),
        'distinct_real': diversity.distinct_nearest(rows['held_out'], rows['training']),
    }
    references = getattr(restored.state, 'references', ())
    if len(references):
        metrics |= against_references(rows['generated'], _rows(np.asarray(references)))
    if restored.method.energy is not None:
        score = scorer(restored)
        image_keys = keys.per_image(keys.stream(seed, 'measure'), count)
        noise = np.asarray(impostors.noise(image_keys, samples))
        sets = {'real': held_out[:count], 'generated': samples, 'noise': noise}
        metrics |= {f'energy_{name}': float(score(images).mean()) for name, images in sets.items()}
    return metrics


def against_references(samples: np.ndarray, references: np.ndarray) -> dict[str, float]:
    """Returns the distances to references that the generator imitated one after the other.

    Args:
      samples: float32 [n, d], one flat image per row.
      references: float32 [r, d], the current one last. `to_past` and `current_weight` need
        two or more.
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

    With target and parts measured from the last part, it is a least-squares fit of the target by
    the other parts. The last weight is 1 minus their sum. Weights may be negative.
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
