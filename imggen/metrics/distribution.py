"""All measures of a generated set of images, with spread, floor and sample counts.

A figure alone says little: its bias depends on the sample counts, its scale on the
extractor, and a perfect generator does not score 0. Every result here carries what
it takes to read it:

  measures   of the generated against the reference set
  spread     standard errors, of those measures that have a sound one
  floor      the same measures of real against real images
  counts     images of each set, those of the floor included
  extractor  name and digest
  notes      the ties rule, the rank, what the floor compares, what the spread is over

Spread over seeds of the training is larger and is not in here.
"""

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
from imggen.metrics.precision_recall import precision_recall, ties_rule

# Every name that `distribution_metrics` may give.
MEASURES = (
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
)
_NUM_GROUPS = 10
_MIN_TO_EXTRAPOLATE = 100  # Images of each set, below which a line in 1/n is noise.
_CLOSE = 5.0  # Percentile of the distances of unseen images to training images.


class Floor(NamedTuple):
    """What real images score against real images; `real_floor` makes it.

    Attributes:
      metrics: as of a generated set.
      counts: images of the two sets.
      note: which two sets they are.
    """

    metrics: dict[str, float]
    counts: tuple[int, int]
    note: str


def _shuffled(key: jax.Array, features: Features) -> Features:
    return features.rows(np.asarray(jax.random.permutation(key, len(features.features))))


def _check(reference: Features, other: Features) -> None:
    if reference.extractor != other.extractor:
        raise UserError(
            f'Features of {reference.extractor} and {other.extractor} cannot be compared: '
            'use one extractor for all sets.'
        )


def _measure(key, reference: Features, moments: Moments, other: Features) -> tuple[dict, dict]:
    """Returns measures and their standard errors; `moments` are those of the reference."""
    shuffle_key, infinite_key = jax.random.split(key)
    # Random groups, for the order of images may be that of their classes.
    shuffled = _shuffled(shuffle_key, other).features
    num_groups = min(_NUM_GROUPS, len(shuffled))
    groups = [Moments.of(group) for group in np.array_split(shuffled, num_groups)]
    distance = kid(reference.features, other.features)
    manifold = precision_recall(reference.features, other.features)
    metrics = {
        'frechet': frechet_distance(moments, Moments.of(other.features)),
        'kid': distance.value,
        'precision': manifold.precision,
        'recall': manifold.recall,
        'density': manifold.density,
        'coverage': manifold.coverage,
    }
    spread = {
        'frechet': frechet_spread(moments, groups),
        'kid': distance.standard_error,
        'precision': manifold.precision_error,
        'density': manifold.density_error,
    }
    if min(moments.count, len(shuffled)) >= _MIN_TO_EXTRAPOLATE:
        line = frechet_infinite(infinite_key, reference.features, other.features)
        metrics['frechet_infinite'] = line.value
    if other.logits is not None:
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


def real_floor(
    key: jax.Array,
    reference: Features,
    *,
    held_out: Features | None = None,
    count: int | None = None,
) -> Floor:
    """Measures real images against real images: what a perfect generator would score.

    With held-out images, as many of them as there are generated ones stand in for
    those. Without, two disjoint random halves of the reference are compared; with
    half the images the biased measures come out worse, so that this floor is an
    upper bound (about twice too high for the Fréchet distance).

    Args:
      key: a key, which picks the images.
      reference: the set that generated images are compared with.
      held_out: real images that are not in it.
      count: of generated images; all of `held_out` by default.
    """
    pick, measure = jax.random.split(key)
    if held_out is None:
        shuffled = _shuffled(pick, reference)
        half = len(reference.features) // 2
        first = shuffled.rows(slice(half))
        second = shuffled.rows(slice(half, 2 * half))
        note = 'two disjoint random halves of the reference: an upper bound'
    else:
        _check(reference, held_out)
        first, second = reference, _shuffled(pick, held_out).rows(slice(count))
        note = 'held-out real images against the reference'
    metrics, _ = _measure(measure, first, Moments.of(first.features), second)
    return Floor(metrics, (len(first.features), len(second.features)), note)


def distribution_metrics(
    key: jax.Array,
    reference: Features,
    generated: Features,
    *,
    held_out: Features | None = None,
    floor: Floor | None = None,
) -> dict[str, Any]:
    """Measures a generated against a reference set; the result is ready for JSON.

    Args:
      key: a key, which picks the images of the floor and the groups of the spread.
      reference: real images.
      generated: generated images, of the same extractor.
      held_out: other real images, those that were trained on where there are such: for
        the floor and for the search for copies. Halves of the reference are the
        floor without.
      floor: from `real_floor`, where it was computed before.

    Returns:
      The dict of the module's docstring. `frechet_infinite` is there where both sets
      hold a hundred images, `copying` where there are `held_out` ones. `class_score`,
      `class_kl` (generated to reference histogram; a class without a real image counts
      half a one) and `classes_reached` are there where the extractor classifies. `floor`
      has one more entry, `frechet_gaussian`: the expected distance at exactly these
      counts, were the features Gaussian.
    """
    _check(reference, generated)
    floor_key, measure_key = jax.random.split(key)
    if floor is None:
        count = len(generated.features)
        floor = real_floor(floor_key, reference, held_out=held_out, count=count)
    moments = Moments.of(reference.features)
    metrics, spread = _measure(measure_key, reference, moments, generated)
    num_reference, num_generated = moments.count, len(generated.features)
    notes = {}
    if held_out is not None:
        copied, notes['copying'] = _copied(held_out, reference, generated)
        metrics |= copied
        of_unseen = {'copying': _CLOSE / 100, 'copying_distance': 1.0} if copied else {}
        floor = floor._replace(metrics=floor.metrics | of_unseen)
    return {
        'metrics': metrics,
        'spread': spread,
        'floor': {
            **floor.metrics,
            'frechet_gaussian': frechet_floor(moments, num_reference, num_generated),
        },
        'counts': {
            'reference': num_reference,
            'generated': num_generated,
            'floor_reference': floor.counts[0],
            'floor_generated': floor.counts[1],
        },
        'extractor': reference.extractor,
        'notes': {
            'ties': ties_rule(),
            'rank': rank_note(min(num_reference, num_generated), moments.mean.size),
            'floor': floor.note,
            'spread': 'one standard error; over both sets for kid, over generated images otherwise',
            **notes,
        },
    }


def _copied(training: Features, unseen: Features, generated: Features) -> tuple[dict, str]:
    """Returns {'copying': share of images suspiciously close to a training image,
    'copying_distance': their distance to it in that of unseen images}, and a note.
    """
    try:
        found = copying(training.features, unseen.features, generated.features, percentile=_CLOSE)
    except UserError as error:
        return {}, str(error)
    values = {'copying': found.fraction_closer, 'copying_distance': found.median_ratio}
    return values, (
        f'copying: share of images closer to a training image than {100 - _CLOSE:g} % of the '
        'reference are; copying_distance: median distance to the nearest training image, in '
        'that of the reference'
    )


def moments_metrics(reference: Moments, generated: Moments) -> dict[str, Any]:
    """Measures two sets of which only the moments were kept; for sets larger than the memory.

    Returns:
      measures {'frechet'}, floor {'frechet_gaussian'}, counts and notes, as
      `distribution_metrics` names them.
    """
    return {
        'metrics': {'frechet': frechet_distance(reference, generated)},
        'floor': {'frechet_gaussian': frechet_floor(reference, reference.count, generated.count)},
        'counts': {'reference': reference.count, 'generated': generated.count},
        'notes': {'rank': rank_note(min(reference.count, generated.count), reference.mean.size)},
    }
