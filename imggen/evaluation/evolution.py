"""Metrics of evolved images: how soon they convince a classifier, and what they look like.

Images are rounded to uint8 first, so that an image and the PNG written from it are measured
alike. A pursuit is one class that one chain (or archive) pursues.

    evaluations_to_P      evaluated images until the class had probability P, the median over
                          pursuits; absent if half of them never reached it
    evaluations_to_P_iqr  its interquartile range; absent if a quarter never reached it
    success_P             fraction of the pursuits that reached P
    evaluations           evaluated images per chain
    probability           mean probability that the classifier gives the class at the end
    transfer              of the images that the classifier assigns to their class, the fraction
                          that a second classifier of another architecture also assigns to it
    transfer_top5         the fraction of them for which the class is among the second
                          classifier's five most probable; only with at least 100 classes
    transfer_probability  mean probability that the second classifier gives the class, over the
                          same images
    top5                  of all images, the fraction for which the class is among the second
                          classifier's five most probable; only with at least 100 classes
    nearest_distance      mean Euclidean distance to the nearest training image, with gray levels
                          in [0, 1]
    total_variation       see losses.style.total_variation
    coverage, coverage_P  fraction of an archive's cells that hold an image, and that hold one
                          whose class has probability P
    champions             images that held a cell of an archive in the course of the search, on
                          average over the cells
    goal_switches         those of them whose parents both held cells of other classes
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, images
from imggen.errors import UserError
from imggen.evaluation.distribution import samples
from imggen.losses.style import total_variation
from imggen.methods.evolution import archive, classifiers, tally
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution.objectives import probability
from imggen.metrics.batching import map_batches
from imggen.metrics.pairwise import nearest
from imggen.workdir.restore import Restored

_BY_IMAGE = (
    'images',
    'target',
    'probability',
    'second_probability',
    'seen',
    'second_seen',
    'rank',
    'second_rank',
    'place',
)


class Findings(NamedTuple):
    """The results of a run, image by image and pursuit by pursuit.

    Attributes:
      class_names: names of the classes in the order of their labels.
      images: uint8 [n, height, width, channels].
      target: class of each image, int [n].
      probability, second_probability: probability of that class by each classifier, float32 [n].
      seen, second_seen: whether each classifier assigns the image to its class, bool [n].
      rank, second_rank: number of classes that each classifier finds more probable, int [n].
      place: index of each image among all that the run holds, int [n].
      second_name: architecture of the second classifier.
      first: the evaluation that first passed each threshold, int [pursuits, thresholds].
      pursued: class of each pursuit, int [pursuits].
      evaluations: evaluated images per chain.
      cells: probability in every cell of the archives, NaN in empty ones; None without archives.
      champions, switches: see evolution.archive.Archive, int [cells]; None without archives.
    """

    class_names: tuple[str, ...]
    images: np.ndarray
    target: np.ndarray
    probability: np.ndarray
    second_probability: np.ndarray
    seen: np.ndarray
    second_seen: np.ndarray
    rank: np.ndarray
    second_rank: np.ndarray
    place: np.ndarray
    second_name: str
    first: np.ndarray
    pursued: np.ndarray
    evaluations: int
    cells: np.ndarray | None = None
    champions: np.ndarray | None = None
    switches: np.ndarray | None = None


def evolves(restored: Restored) -> bool:
    """Returns whether the method of a run evolves images."""
    return hasattr(restored.state, 'tally')


def check(restored: Restored) -> None:
    """Raises UserError if the method of a run does not evolve images."""
    if not evolves(restored):
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} does not evolve images: measure a run that does.')


def find(restored: Restored, *, num_images: int) -> Findings:
    """Classifies up to `num_images` of the images that a run holds.

    Raises:
      UserError: the method does not evolve images.
    """
    check(restored)
    problem = problems.make(restored.config['method']['problem'])
    state = jax.device_get(restored.state)
    count = min(num_images, restored.method.num_images)
    chunks = samples(restored, num_images=count, seed=0)  # The run holds them: no key is used.
    pictures = np.concatenate([images.to_uint8(chunk) for chunk in chunks])
    target = state.target.reshape(-1)[:count]
    place, by_cell = np.arange(count), {}
    if hasattr(state, 'archive'):
        odds = state.archive.odds.reshape(-1)
        cells = np.where(odds > archive.EMPTY, np.asarray(jax.nn.sigmoid(odds)), np.nan)
        held = ~np.isnan(cells[:count])
        pictures, target, place = pictures[held], target[held], place[held]
        by_cell = {
            'cells': cells,
            'champions': state.archive.champions.reshape(-1),
            'switches': state.archive.switches.reshape(-1),
        }
    first = state.tally.first.reshape(-1, len(tally.THRESHOLDS))
    second = classifiers.others(problem.classifier)[0]
    own, rank = judge(problem.classifier, pictures, target)
    second_own, second_rank = judge(second, pictures, target)
    return Findings(
        class_names=problem.classifier.class_names,
        images=pictures,
        target=target,
        probability=own,
        second_probability=second_own,
        seen=rank == 0,
        second_seen=second_rank == 0,
        rank=rank,
        second_rank=second_rank,
        place=place,
        second_name=second.architecture,
        first=first,
        pursued=np.resize(problem.labels, len(first)),
        evaluations=int(state.tally.evaluations[0]),
        **by_cell,
    )


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Returns the metrics in the table of this module.

    Raises:
      UserError: the method does not evolve images.
    """
    del seed
    found = find(restored, num_images=num_images)
    values = summarize(found)
    trained_on = problems.make(restored.config['method']['problem']).classifier.data
    if trained_on is not None:
        training, _ = data.examples(trained_on, split='train')
        distances, _ = nearest(_rows(found.images), _rows(training))
        values['nearest_distance'] = float(distances.mean())
    values['total_variation'] = float(total_variation(images.from_uint8(found.images)).mean())
    if found.cells is not None:
        values['coverage'] = float(np.mean(~np.isnan(found.cells)))
        for threshold in (0.5, 0.9, 0.99):
            values[f'coverage_{threshold}'] = float(np.mean(found.cells >= threshold))
        values['champions'] = float(found.champions.mean())
        values['goal_switches'] = float(found.switches.mean())
    return values


def pool(findings: Sequence[Findings]) -> Findings:
    """Joins the findings of runs that differ only in their seed."""
    joined = {
        name: np.concatenate([getattr(found, name) for found in findings])
        for name in (*_BY_IMAGE, 'first', 'pursued')
    }
    return findings[0]._replace(**joined, cells=None, champions=None, switches=None)


def by_class(found: Findings) -> dict[str, dict[str, float]]:
    """Returns the metrics of `summarize` for each class, by the name of the class."""
    rows = {}
    for number in dict.fromkeys(found.pursued.tolist()):
        mine, pursuits = found.target == number, found.pursued == number
        rows[found.class_names[number]] = summarize(
            found._replace(
                **{name: getattr(found, name)[mine] for name in _BY_IMAGE},
                first=found.first[pursuits],
                pursued=found.pursued[pursuits],
            )
        )
    return rows


def summarize(found: Findings) -> dict[str, float]:
    """Returns the metrics that follow from the findings alone."""
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
    many = len(found.class_names) >= 100
    in_top5 = found.second_rank < 5
    if len(found.images) and many:
        values['top5'] = float(in_top5.mean())
    if found.seen.any():
        if many:
            values['transfer_top5'] = float(in_top5[found.seen].mean())
        values['transfer'] = float(found.second_seen[found.seen].mean())
        values['transfer_probability'] = float(found.second_probability[found.seen].mean())
    return values


def quartiles(first: np.ndarray) -> tuple[float, float, float]:
    """Returns the quartiles of evaluations, int [n]; pursuits that did not succeed are infinite."""
    ordered = np.sort(np.where(first == tally.NEVER, np.inf, first.astype(float)))
    # Interpolation between a number and infinity has no meaning.
    return tuple(float(q) for q in np.quantile(ordered, (0.25, 0.5, 0.75), method='lower'))


def judge(
    classifier: classifiers.Classifier, pictures: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a classifier's probability of the target classes, and their rank.

    Args:
      pictures: uint8 [n, height, width, channels].
      target: int [n].

    Returns:
      float32 [n]; and the number of classes that are more probable, int [n].
    """
    logits = answers(classifier, pictures)
    own = np.take_along_axis(logits, target[:, None], axis=1)
    rank = (logits > own).sum(-1)
    return np.asarray(probability(logits, jnp.asarray(target))), rank


def answers(classifier: classifiers.Classifier, pictures: np.ndarray) -> np.ndarray:
    """Returns a classifier's logits, float32 [n, classes], of uint8 images [n, ...]."""
    logits = jax.jit(lambda params, batch: classifier.logits(params, images.from_uint8(batch)))
    # A large batch of large images would be padding, or would leave the cache.
    size = 16 if classifier.part else 256
    return map_batches(lambda batch: logits(classifier.params, batch), pictures, batch_size=size)


def _rows(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1).astype(np.float32) / 255
