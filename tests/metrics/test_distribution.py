"""The metrics of a set together: perfect, shifted, collapsed and mismatched sets."""

import json

import jax
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.metrics.distribution import distribution_metrics, moments_metrics, real_floor
from imggen.metrics.extraction import Features
from imggen.metrics.frechet import Moments

KEY = jax.random.key(0)
ALL = {'frechet', 'frechet_infinite', 'kid', 'precision', 'recall', 'density', 'coverage'}
BY_CLASS = {'class_score', 'class_kl', 'classes_reached'}
COPYING = {'copying', 'copying_distance'}


def made(seed, count, *, shift=0.0, classes=3, extractor='classifier-0'):
    """Draws Gaussian features whose first coordinates are their logits."""
    features = np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32) + shift
    logits = 5 * features[:, :classes] if classes else None
    return Features(features, logits, extractor)


REFERENCE, HELD_OUT = made(0, 600), made(1, 600)


@pytest.fixture(scope='module')
def perfect():
    return distribution_metrics(KEY, REFERENCE, made(2, 600), held_out=HELD_OUT)


@pytest.fixture(scope='module')
def shifted():
    return distribution_metrics(KEY, REFERENCE, made(2, 600, shift=0.7), held_out=HELD_OUT)


def test_every_number_comes_with_what_is_needed_to_read_it(perfect):
    assert set(perfect['metrics']) == ALL | BY_CLASS | COPYING
    assert set(perfect['floor']) == ALL | BY_CLASS | COPYING | {'frechet_gaussian'}
    assert set(perfect['spread']) == {
        *('frechet', 'kid', 'precision', 'density', 'class_score', 'copying')
    }
    assert perfect['spread']['copying'] == pytest.approx(0.009, abs=0.004)  # Of 600 images.
    assert perfect['counts'] == {
        'reference': 600,
        'generated': 600,
        'floor_reference': 600,
        'floor_generated': 600,
    }
    assert perfect['extractor'] == 'classifier-0'
    assert 'lies outside' in perfect['notes']['ties']
    assert perfect['notes']['rank'] == ''
    assert 'other real images' in perfect['notes']['floor']
    assert json.loads(json.dumps(perfect)) == perfect


def test_a_perfect_generator_scores_the_floor(perfect):
    metrics, floor, spread = (perfect[name] for name in ('metrics', 'floor', 'spread'))
    for name in ('frechet', 'kid', 'precision', 'density', 'class_score'):
        assert abs(metrics[name] - floor[name]) < 4 * spread[name], name
    assert metrics['frechet'] == pytest.approx(floor['frechet_gaussian'], rel=0.6)
    assert metrics['classes_reached'] == 3


def test_a_generator_that_stores_its_training_images_is_found(perfect):
    assert perfect['metrics']['copying'] == pytest.approx(perfect['floor']['copying'], abs=0.04)
    stored = distribution_metrics(KEY, REFERENCE, HELD_OUT, held_out=HELD_OUT)
    assert stored['metrics']['copying'] == 1.0
    assert stored['metrics']['copying_distance'] == 0.0
    assert perfect['metrics']['copying_distance'] == pytest.approx(1.0, abs=0.1)
    assert perfect['floor']['copying_distance'] == 1.0
    assert 'closer to a training image' in stored['notes']['copying']


def test_copies_that_a_decoder_blurred_are_found_in_thumbnails():
    random = np.random.default_rng(3)
    training, unseen, others = random.integers(0, 256, (3, 100, 8, 8, 3), np.uint8)
    # Features see the blur and little else: they are far from those of the training images.
    blurred = made(5, 100, shift=3.0)
    reference, held_out = (
        made(seed, 100)._replace(thumbnails=images) for seed, images in [(0, unseen), (1, training)]
    )

    def measured(thumbnails):
        generated = blurred._replace(thumbnails=thumbnails)
        return distribution_metrics(KEY, reference, generated, held_out=held_out)

    mirrored = np.clip(training[:, :, ::-1].astype(int) + 2, 0, 255).astype(np.uint8)
    copied, new = measured(mirrored), measured(others)
    assert copied['metrics']['copying'] == new['metrics']['copying'] == 0.0
    assert copied['metrics']['copying_thumbnails'] == 1.0
    assert new['metrics']['copying_thumbnails'] == pytest.approx(0.05, abs=0.06)
    assert copied['floor']['copying_thumbnails'] == 0.05
    assert 'by heart' in copied['notes']['copying'] and 'by heart' not in new['notes']['copying']
    # Thumbnails that are all equal say nothing, and leave the other metrics.
    held_out = held_out._replace(thumbnails=np.zeros_like(training))
    reference = reference._replace(thumbnails=np.zeros_like(unseen))
    assert set(measured(others)['metrics']) == ALL | BY_CLASS | COPYING


def test_extrapolation_takes_the_bias_out(perfect):
    metrics, spread = perfect['metrics'], perfect['spread']
    assert abs(metrics['frechet_infinite']) < metrics['frechet'] + 2 * spread['frechet']
    few = distribution_metrics(KEY, REFERENCE, made(2, 50), held_out=HELD_OUT)
    assert 'frechet_infinite' not in few['metrics']


def test_a_shifted_generator_is_far_above_the_floor(shifted):
    metrics, floor, spread = (shifted[name] for name in ('metrics', 'floor', 'spread'))
    for name in ('frechet', 'kid'):
        assert metrics[name] > floor[name] + 10 * spread[name], name
    for name in ('precision', 'recall', 'density', 'coverage'):
        assert metrics[name] < floor[name], name


def test_the_same_key_gives_the_same_numbers(perfect):
    again = distribution_metrics(KEY, REFERENCE, made(2, 600), held_out=HELD_OUT)
    assert again == perfect


def test_a_generator_of_one_class():
    features = made(2, 600)
    collapsed = features.rows(features.logits.argmax(1) == 0)
    metrics = distribution_metrics(KEY, REFERENCE, collapsed, held_out=HELD_OUT)['metrics']
    assert metrics['classes_reached'] == 1
    # A third of the reference is of that class.
    assert metrics['class_kl'] == pytest.approx(np.log(3), abs=0.15)


def test_halves_of_the_reference_are_a_floor_that_is_too_high(perfect):
    reference = made(0, 600, classes=0)
    result = distribution_metrics(KEY, reference, made(2, 600, classes=0))
    assert result['counts']['floor_reference'] == result['counts']['floor_generated'] == 300
    assert 'halves' in result['notes']['floor']
    assert set(result['metrics']) == ALL
    floors = [real_floor(jax.random.key(seed), reference).metrics['frechet'] for seed in range(8)]
    assert np.mean(floors) == pytest.approx(2 * result['floor']['frechet_gaussian'], rel=0.25)


def test_the_floor_has_as_many_images_as_were_generated():
    result = distribution_metrics(KEY, REFERENCE, made(2, 150), held_out=HELD_OUT)
    assert result['counts']['floor_generated'] == 150
    floor_key, _ = jax.random.split(KEY)
    floor = real_floor(floor_key, REFERENCE, held_out=HELD_OUT, count=150)
    assert result['floor'].items() >= floor.metrics.items()


def test_moments_alone_give_the_same_distance(perfect):
    generated = made(2, 600)
    result = moments_metrics(Moments.of(REFERENCE.features), Moments.of(generated.features))
    assert result['metrics']['frechet'] == pytest.approx(perfect['metrics']['frechet'])
    assert result['floor']['frechet_gaussian'] == perfect['floor']['frechet_gaussian']
    assert result['counts'] == {'reference': 600, 'generated': 600}
    few = moments_metrics(Moments.of(REFERENCE.features), Moments.of(generated.features[:5]))
    assert 'rank 4' in few['notes']['rank']


def test_features_of_two_extractors_are_refused():
    other = made(2, 600, extractor='lite0-1')
    with pytest.raises(UserError, match='classifier-0 and lite0-1'):
        distribution_metrics(KEY, REFERENCE, other)
    with pytest.raises(UserError, match='classifier-0 and lite0-1'):
        distribution_metrics(KEY, REFERENCE, made(2, 600), held_out=other)
