"""Measures of evolved images: how soon they convince, whom, and what they look like.

Images are rounded to uint8 first, so that an image and the PNG written from it are
evaluated alike.

    evaluations_to_P      images evaluated until the class had probability P, the median
                          over chains and classes; absent where half of them never did
    evaluations_to_P_iqr  its interquartile range; absent where a quarter never did
    success_P             share of chains and classes that came to P
    evaluations           images evaluated, a chain
    probability           of the class in the classifier's eyes, at the end, on average
    transfer              of the images that the classifier takes for their class, the share
                          that a second classifier of another architecture does too
    transfer_probability  of the class in the second classifier's eyes, the mean over those
    nearest_distance      to the nearest training image, Euclidean, in gray levels [0, 1]
    total_variation       see losses.style.total_variation
    coverage, coverage_P  share of an archive's cells that hold an image, that hold one
                          whose class has probability P
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, images, keys
from imggen.inference import sampling
from imggen.losses.style import total_variation
from imggen.methods.evolution import archive, classifiers, tally
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution.objectives import probability
from imggen.metrics.pairwise import nearest
from imggen.workdir.restore import Restored

_CHUNK = 256


class Findings(NamedTuple):
    """What a run's search found, image by image and pursuit by pursuit.

    A pursuit is one class that one chain (or archive) pursued.

    Attributes:
      class_names: names of the classes by number.
      images: uint8 [n, height, width, channels].
      target: class of each image, int [n].
      probability, second_probability: of that class, in both classifiers' eyes, [n].
      seen, second_seen: whether either classifier takes the image for its class, bool [n].
      first: which evaluation passed each threshold first, int [pursuits, thresholds].
      pursued: class of each pursuit, int [pursuits].
      evaluations: images evaluated, a chain.
      cells: probability in every cell of the archives, NaN where empty; None without.
    """

    class_names: tuple[str, ...]
    images: np.ndarray
    target: np.ndarray
    probability: np.ndarray
    second_probability: np.ndarray
    seen: np.ndarray
    second_seen: np.ndarray
    first: np.ndarray
    pursued: np.ndarray
    evaluations: int
    cells: np.ndarray | None


def find(restored: Restored, *, num_images: int, seed: int) -> Findings:
    """Looks at up to `num_images` of the images that a run holds; `seed` changes nothing."""
    problem = problems.make(restored.config['method']['problem'])
    state = jax.device_get(restored.state)
    count = min(num_images, restored.method.num_images)
    chunks = sampling.generate(keys.stream(seed, 'measure'), restored, count)
    pictures = np.concatenate([images.to_uint8(chunk['generated']) for chunk in chunks])
    target = state.target.reshape(-1)[:count]
    cells = None
    if hasattr(state, 'archive'):
        odds = state.archive.odds.reshape(-1)
        cells = np.where(odds > archive.EMPTY, np.asarray(jax.nn.sigmoid(odds)), np.nan)
        held = ~np.isnan(cells[:count])
        pictures, target = pictures[held], target[held]
    first = state.tally.first.reshape(-1, len(tally.THRESHOLDS))
    by_classifier = []
    for classifier in (problem.classifier, classifiers.second(problem.classifier)):
        logits = answers(classifier, pictures)
        seen = logits.argmax(-1) == target
        by_classifier.append((np.asarray(probability(logits, jnp.asarray(target))), seen))
    (own, seen), (second, second_seen) = by_classifier
    return Findings(
        class_names=problem.classifier.class_names,
        images=pictures,
        target=target,
        probability=own,
        second_probability=second,
        seen=seen,
        second_seen=second_seen,
        first=first,
        pursued=np.resize(problem.labels, len(first)),
        evaluations=int(state.tally.evaluations[0]),
        cells=cells,
    )


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures a run of evolution; what cannot be said of it is left out.

    Args:
      restored: the run.
      num_images: how many of its images are looked at, at most.
      seed: as for other measures; the images of a run are what they are.

    Returns:
      Scalars by the names of this module's table.
    """
    found = find(restored, num_images=num_images, seed=seed)
    training, _ = data.examples(
        problems.make(restored.config['method']['problem']).classifier.data, split='train'
    )
    flat = lambda pictures: pictures.reshape(len(pictures), -1).astype(np.float32) / 255  # noqa: E731
    distances, _ = nearest(flat(found.images), flat(training))
    values = summarize(found)
    values['nearest_distance'] = float(distances.mean())
    values['total_variation'] = float(total_variation(images.from_uint8(found.images)).mean())
    if found.cells is not None:
        values['coverage'] = float(np.mean(~np.isnan(found.cells)))
        for threshold in (0.5, 0.99):
            values[f'coverage_{threshold}'] = float(np.mean(found.cells >= threshold))
    return values


def pool(findings: Sequence[Findings]) -> Findings:
    """Joins what runs found that differ in their seed alone."""
    by_image = ('images', 'target', 'probability', 'second_probability', 'seen', 'second_seen')
    joined = {
        name: np.concatenate([getattr(found, name) for found in findings])
        for name in (*by_image, 'first', 'pursued')
    }
    return findings[0]._replace(**joined, cells=None)


def by_class(found: Findings) -> dict[str, dict[str, float]]:
    """Returns the same measures of each class by its name, without those of appearance."""
    rows = {}
    for number in dict.fromkeys(found.pursued.tolist()):
        mine, pursuits = found.target == number, found.pursued == number
        rows[found.class_names[number]] = summarize(
            found._replace(
                images=found.images[mine],
                target=found.target[mine],
                probability=found.probability[mine],
                second_probability=found.second_probability[mine],
                seen=found.seen[mine],
                second_seen=found.second_seen[mine],
                first=found.first[pursuits],
                pursued=found.pursued[pursuits],
            )
        )
    return rows


def summarize(found: Findings) -> dict[str, float]:
    """Returns the measures that need no other images."""
    values: dict[str, float] = {}
    for threshold, first in zip(tally.THRESHOLDS, found.first.T, strict=True):
        low, middle, high = quartiles(first)
        if math.isfinite(middle):
            values[f'evaluations_to_{threshold}'] = middle
        if math.isfinite(high):
            values[f'evaluations_to_{threshold}_iqr'] = high - low
        values[f'success_{threshold}'] = float(np.mean(first != tally.NEVER))
    values['evaluations'] = float(found.evaluations)
    if len(found.images):
        values['probability'] = float(found.probability.mean())
    if found.seen.any():
        values['transfer'] = float(found.second_seen[found.seen].mean())
        values['transfer_probability'] = float(found.second_probability[found.seen].mean())
    return values


def quartiles(first: np.ndarray) -> tuple[float, float, float]:
    """Returns the quartiles of evaluations [n]; a pursuit that never came there takes for ever."""
    ordered = np.sort(np.where(first == tally.NEVER, np.inf, first.astype(float)))
    # Without interpolation, which between a number and infinity has no meaning.
    return tuple(float(q) for q in np.quantile(ordered, (0.25, 0.5, 0.75), method='lower'))


def answers(classifier: classifiers.Classifier, pictures: np.ndarray) -> np.ndarray:
    """Returns a classifier's logits [n, classes] of uint8 pictures."""
    ask = jax.jit(lambda params, chunk: classifier.logits(params, images.from_uint8(chunk)))
    chunks = [pictures[first : first + _CHUNK] for first in range(0, len(pictures), _CHUNK)]
    logits = []
    for chunk in chunks:
        padded = np.concatenate(
            [chunk, np.zeros((_CHUNK - len(chunk), *chunk.shape[1:]), np.uint8)]
        )
        logits.append(np.asarray(ask(classifier.params, padded))[: len(chunk)])
    return np.concatenate(logits)
