"""Collapse is seen, and only collapse."""

import numpy as np

from imggen.metrics import collapse


def detector(**options):
    said = []
    return collapse.Detector(said.append, **options), said


def test_spread_is_the_distance_between_pairs():
    images = np.random.default_rng(0).normal(size=(20, 3, 4, 1))
    pairs = [np.mean((a - b) ** 2) for a in images for b in images]
    expected = np.sqrt(np.sum(pairs) / (20 * 19))
    np.testing.assert_allclose(collapse.spread(images), expected, rtol=1e-6)


def test_a_discriminator_that_is_sure_of_everything_is_said_once():
    watch, said = detector()
    for step in range(10):
        watch.record(step, {'real_logit': 9.0, 'fake_logit': -9.0})
    assert len(said) == 1 and said[0].startswith('Warning, step 2: the discriminator tells every')


def test_a_gap_that_closes_again_is_not_said():
    watch, said = detector()
    for gap in (20.0, 20.0, 1.0) * 4:
        watch.record(0, {'real_logit': gap, 'fake_logit': 0.0})
    for step in range(5):
        watch.record(step, {'loss': 3.0})  # A method without logits.
    wasserstein, also = detector(unbounded=True)
    for step in range(5):
        wasserstein.record(step, {'real_logit': 500.0, 'fake_logit': 0.0})
    assert said == also == []


def test_samples_that_are_much_alike_are_said():
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (32, 8, 8, 1))
    one = real[:1] + 0.01 * rng.normal(size=real.shape)
    watch, said = detector()
    for step in range(6):
        watch.samples(step, real[::-1], real)
    assert said == []
    for step in range(6):
        watch.samples(step, one, real)
    assert len(said) == 1 and 'the samples are much alike' in said[0]
