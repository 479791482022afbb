"""All metrics of a generated set of images, with standard errors, floor and sample counts.

A number alone says little: its bias depends on the sample counts, its scale depends on the
extractor, and a perfect generator does not score 0. So every result holds what is needed to
read it:

  metrics    of the generated against the reference set
  spread     standard errors, for the metrics that have a sound one
  floor      the same metrics of real against real images
  counts     number of images in each set, those of the floor included
  extractor  name and digest
  notes      the rule for ties, the rank, the sets behind the floor and the spread

The spread over seeds of the training is larger, and is not included.
"""

import contextlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from imggen.errors import UserError
from imggen.metrics.class_score import class_counts, class_score, histogram_kl
from imggen.metrics.copying import copying
from imggen.metrics.extraction import Features
from imggen.metrics.frechet import (
    Moments,
    frechet_distance,
    frechet_floor,
    frechet_infinite,
    frechet_spread,
    rank_note,
)
from imggen.metrics.kid import kid
from imggen.metrics.precision_recall import MIN_IMAGES, TIES_RULE, precision_recall

_SPREAD = (
    'In one evaluation, +- is one standard error: over both sets for kid, over the generated '
    'images for the others.'
)
# Every name that `distribution_metrics` may return.
METRICS = (
    'frechet',
    'kid',
    'precision',
    'recall',
    'density',
    'coverage',
    'frechet_infinite',
    'class_score',
    'class_kl',
    'classes_reached',
    'copying',
    'copying_distance',
    'copying_thumbnails',
)
_OF_NEIGHBORS = ('precision', 'recall', 'density', 'coverage')
_OF_CLASSES = ('class_score', 'class_kl', 'classes_reached')
_SHARES = ('copying', 'copying_thumbnails')
_NUM_GROUPS = 10
_MIN_TO_EXTRAPOLATE = 100  # With fewer images in a set, a line in 1/n is noise.
_CEILING = 'For measures whose larger values are better, such as precision, it is a ceiling.'
_CLOSE = 5.0  # Percentile of the distances of unseen images to training images.
_MANY_COPIES = 0.25  # A share that is too large for chance.
# The metrics of copying, and what they are for unseen images.
_OF_COPYING = {
    'copying': _CLOSE / 100,
    'copying_distance': 1.0,
    'copying_thumbnails': _CLOSE / 100,
}


class Floor(NamedTuple):
    """The metrics of real against real images.

    Attributes:
      metrics: the same metrics as those of a generated set.
      counts: number of images in the two sets.
      note: a sentence that says which two sets they are.
    """

    metrics: dict[str, float]
    counts: tuple[int, int]
    note: str


def distribution_metrics(
    key: jax.Array,
    reference: Features,
    generated: Features,
    *,
    held_out: Features | None = None,
    only: Iterable[str] = (),
) -> dict[str, Any]:
    """Compares a generated with a reference set.

    Args:
      key: picks the images of the floor and the groups of the spread.
      reference: real images.
      generated: generated images, by the same extractor.
      held_out: other real images, for the floor and for the search for copies; the training
        images if the reference is a test set. Without them, halves of the reference make the
        floor.
      only: names of the metrics to compute, of METRICS; () for all.

    Returns:
      The dict of the module's docstring, ready for JSON. Precision, recall, density and coverage
      need more images than neighbors, and a floor from halves four images; without them they are
      left out, and the notes say so. `frechet_infinite` needs a hundred
      images in both sets, those of copying need `held_out`. `class_score`,
      `class_kl` (from the generated to the reference histogram, where a class without a real
      image counts as half an image) and `classes_reached` need an extractor that classifies.
      `floor` has one more entry, `frechet_gaussian`: the expected distance at these counts if
      the features were Gaussian.

    Raises:
      UserError: two sets come from different extractors, or a set has too few images.
    """
    _check(reference, generated)
    floor_key, metrics_key = jax.random.split(key)
    count = len(generated.features)
    only = frozenset(only or METRICS)
    floor = real_floor(floor_key, reference, held_out=held_out, count=count, only=only)
    moments = Moments.of(reference.features)
    metrics, spread = _compare(metrics_key, reference, moments, generated, only)
    notes, floor_metrics = {}, dict(floor.metrics)
    if held_out is not None and only & _OF_COPYING.keys():
        copied, errors, notes['copying'] = _copied(held_out, reference, generated)
        metrics, spread = metrics | copied, spread | errors
        floor_metrics |= {name: _OF_COPYING[name] for name in copied}
    if 'frechet' in only:
        floor_metrics['frechet_gaussian'] = frechet_floor(moments, moments.count, count)
    return {
        'metrics': metrics,
        'spread': spread,
        'floor': floor_metrics,
        'counts': {
            'reference': moments.count,
            'generated': count,
            'floor_reference': floor.counts[0],
            'floor_generated': floor.counts[1],
        },
        'extractor': reference.extractor,
        'notes': {
            'ties': TIES_RULE,
            'rank': rank_note(min(moments.count, count), moments.mean.size),
            'few': _few(moments.count, count, floor.counts) if only & set(_OF_NEIGHBORS) else '',
            'floor': floor.note,
            'spread': _SPREAD,
            **notes,
        },
    }


def moments_metrics(reference: Moments, generated: Moments) -> dict[str, Any]:
    """Compares two sets by their moments alone, for sets that are larger than the memory.

    Returns:
      metrics {'frechet'}, floor {'frechet_gaussian'}, counts and notes, as in
      `distribution_metrics`.
    """
    return {
        'metrics': {'frechet': frechet_distance(reference, generated)},
        'floor': {'frechet_gaussian': frechet_floor(reference, reference.count, generated.count)},
        'counts': {'reference': reference.count, 'generated': generated.count},
        'notes': {'rank': rank_note(min(reference.count, generated.count), reference.mean.size)},
    }


def real_floor(
    key: jax.Array,
    reference: Features,
    *,
    held_out: Features | None = None,
    count: int | None = None,
    only: Iterable[str] = (),
) -> Floor:
    """Compares real with real images: a perfect generator would score the same.

    With held-out images, as many of them as there are generated images are compared with the
    reference. Without, two disjoint random halves of the reference are compared. Half the images
    make the biased metrics worse, so that this floor is an upper bound (about twice too high
    for the Fréchet distance).

    Args:
      key: picks the images.
      reference: the set that generated images are compared with.
      held_out: real images that are not in it.
      count: number of generated images; the size of `held_out` by default.
      only: names of the metrics to compute; () for all.
    """
    pick_key, metrics_key = jax.random.split(key)
    if held_out is None:
        shuffled = _shuffled(pick_key, reference)
        half = len(reference.features) // 2
        if half < 2:
            return Floor({}, (half, half), 'There is no floor: it needs 4 reference images.')
        first = shuffled.rows(slice(half))
        second = shuffled.rows(slice(half, 2 * half))
        note = (
            'The floor compares two random halves of the reference, so it is too pessimistic. '
            f'{_CEILING}'
        )
    else:
        _check(reference, held_out)
        first, second = reference, _shuffled(pick_key, held_out).rows(slice(count))
        note = f'The floor compares other real images with the reference. {_CEILING}'
    only = frozenset(only or METRICS)
    # Nobody reads the spread of the floor, and the jackknife takes longer than all the rest.
    moments = Moments.of(first.features)
    metrics, _ = _compare(metrics_key, first, moments, second, only, jackknife=False)
    return Floor(metrics, (len(first.features), len(second.features)), note)


def _compare(
    key,
    reference: Features,
    moments: Moments,
    other: Features,
    only: frozenset[str],
    *,
    jackknife: bool = True,
) -> tuple[dict, dict]:
    """Returns metrics and their standard errors. `moments` are those of the reference.

    Without `jackknife`, the Fréchet distance has no error.
    """
    shuffle_key, infinite_key = jax.random.split(key)
    count = len(other.features)
    metrics, spread = {}, {}
    if 'frechet' in only:
        metrics['frechet'] = frechet_distance(moments, Moments.of(other.features))
        if jackknife and count > 2:  # Two images are left when one group is left out.
            # The groups are random, because images may be in the order of their classes.
            shuffled = _shuffled(shuffle_key, other).features
            groups = np.array_split(shuffled, min(_NUM_GROUPS, count))
            spread['frechet'] = frechet_spread(moments, [Moments.of(group) for group in groups])
    if 'kid' in only:
        metrics['kid'], spread['kid'] = kid(reference.features, other.features)
    if only & set(_OF_NEIGHBORS) and _has_neighbors(moments.count, count):
        manifold = precision_recall(reference.features, other.features)
        metrics |= {name: getattr(manifold, name) for name in _OF_NEIGHBORS}
        spread['precision'] = manifold.precision_error
        spread['density'] = manifold.density_error
    if 'frechet_infinite' in only and min(moments.count, count) >= _MIN_TO_EXTRAPOLATE:
        line = frechet_infinite(infinite_key, reference.features, other.features)
        metrics['frechet_infinite'] = line.value
    if other.logits is not None and only & set(_OF_CLASSES):
        score = class_score(other.logits)
        metrics['class_score'], spread['class_score'] = score
        num_classes = other.logits.shape[1]
        counts, reference_counts = (
            class_counts(features.logits.argmax(axis=1), num_classes)
            for features in (other, reference)
        )
        metrics['class_kl'] = histogram_kl(counts, reference=np.maximum(reference_counts, 0.5))
        metrics['classes_reached'] = float(np.count_nonzero(counts))
    return metrics, spread


def _has_neighbors(num_reference: int, num_generated: int) -> bool:
    return num_reference >= MIN_IMAGES.reference and num_generated >= MIN_IMAGES.generated


def _few(num_reference: int, num_generated: int, floor: tuple[int, int]) -> str:
    """Returns a sentence if precision and its kind, or their floor, are left out, else ''."""
    lacking = ''
    if not _has_neighbors(num_reference, num_generated):
        lacking = 'left out'
    elif not _has_neighbors(*floor):
        lacking = 'without a floor'
    return lacking and (
        f'Precision, recall, density and coverage are {lacking}: they need {MIN_IMAGES.reference} '
        f'reference and {MIN_IMAGES.generated} generated images.'
    )


def _copied(training: Features, unseen: Features, generated: Features) -> tuple[dict, dict, str]:
    """Returns the metrics of copying, their standard errors and a note.

    Without metrics, the note says why.
    """
    try:
        found = copying(training.features, unseen.features, generated.features, percentile=_CLOSE)
    except UserError as error:
        return {}, {}, str(error)
    values = {'copying': found.fraction_closer, 'copying_distance': found.median_ratio}
    if all(images.thumbnails is not None for images in (training, unseen, generated)):
        stored = np.concatenate([_thumbnails(training), _thumbnails(training, is_mirrored=True)])
        with contextlib.suppress(UserError):  # Different images may have equal thumbnails.
            found = copying(stored, _thumbnails(unseen), _thumbnails(generated), percentile=_CLOSE)
            values['copying_thumbnails'] = found.fraction_closer
    note = (
        f'copying is the share of images that are closer to a training image than {100 - _CLOSE:g} '
        '% of the reference images are. copying_distance is the median distance to the nearest '
        'training image, divided by that of the reference images. copying_thumbnails compares '
        'thumbnails, where training images may be mirrored.'
    )
    shares = {name: values[name] for name in _SHARES if name in values}
    if max(shares.values()) > _MANY_COPIES:
        note = f'The generator has learned training images by heart. {note}'
    count = len(generated.features)
    errors = {name: float(np.sqrt(p * (1.0 - p) / count)) for name, p in shares.items()}
    return values, errors, note


def _thumbnails(images: Features, *, is_mirrored: bool = False) -> np.ndarray:
    """Returns the thumbnails as rows, float32 [n, d] in [0, 1]."""
    thumbnails = images.thumbnails[:, :, ::-1] if is_mirrored else images.thumbnails
    return thumbnails.reshape(len(thumbnails), -1).astype(np.float32) / 255.0


def _check(reference: Features, other: Features) -> None:
    if reference.extractor != other.extractor:
        raise UserError(
            f'Features of {reference.extractor} and {other.extractor} cannot be compared: '
            'use one extractor for all sets.'
        )


def _shuffled(key: jax.Array, features: Features) -> Features:
    return features.rows(np.asarray(jax.random.permutation(key, len(features.features))))
