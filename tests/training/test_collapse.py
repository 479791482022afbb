"""Collapse is seen, and only collapse."""

import json

import numpy as np
import pytest

from imggen.cli import load_config
from imggen.training import collapse, train


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
    assert len(said) == 1 and said[0].startswith('Warning, step 2: the discriminator separates all')


def test_a_gap_that_closes_again_is_not_said():
    watch, said = detector()
    for gap in (20.0, 20.0, 1.0) * 4:
        watch.record(0, {'real_logit': gap, 'fake_logit': 0.0})
    for step in range(5):
        watch.record(step, {'loss': 3.0})  # A method without logits.
    wasserstein, also = detector(logits_have_scale=False)
    for step in range(5):
        wasserstein.record(step, {'real_logit': 500.0, 'fake_logit': 0.0})
    assert said == also == []


def test_samples_that_are_much_alike_are_said():
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (32, 8, 8, 1))
    one = real[:1] + 0.01 * rng.normal(size=real.shape)
    watch, said = detector()
    late = range(collapse.EARLIEST_STEP, collapse.EARLIEST_STEP + 6)
    for step in late:
        watch.samples(step, real[::-1], real)
    for step in range(6):  # A smoke run, or the start of any other.
        watch.samples(step, one, real)
    assert said == []
    for step in late:
        watch.samples(step, one, real)
    assert len(said) == 1 and 'the samples are much alike' in said[0]
    assert 'r1_gamma' not in said[0]  # Which this method does not have.
    adversarial, also = detector(logits_have_scale=False)
    adversarial.record(0, {'real_logit': 0.0, 'fake_logit': 0.0})
    for step in late:
        adversarial.samples(step, one, real)
    assert len(also) == 1 and 'r1_gamma' in also[0]


@pytest.mark.parametrize('gap, sentence', [(12.0, 'much alike'), (-1e9, 'separates all images')])
def test_a_run_says_it_and_keeps_it(tmp_path, monkeypatch, capsys, gap, sentence):
    """An untrained generator draws nearly the same for every latent."""
    monkeypatch.setattr(collapse, 'LARGEST_GAP', gap)
    monkeypatch.setattr(collapse, 'EARLIEST_STEP', 0)
    method = {'name': 'gan', 'num_steps': 4, 'network': 'dcgan', 'learning_rate': 0.0}
    small = {'features': 4}
    config = {
        'seed': 0,
        'data': {'name': 'digits', 'batch_size': 16},
        'method': {**method, 'generator': small, 'discriminator': small},
        'run': {'log_every_steps': 1, 'sample_every_steps': 0 if gap < 0 else 1},
    }
    train.train(config, tmp_path)
    info = json.loads((tmp_path / 'run.json').read_text())
    assert sentence in info['warning']
    assert sentence in capsys.readouterr().err


def test_a_generator_that_does_not_train_yet_has_not_collapsed(tmp_path, monkeypatch):
    monkeypatch.setattr(collapse, 'EARLIEST_STEP', 0)
    monkeypatch.setattr(collapse, 'TIMES', 1)
    seen = []
    look = collapse.Detector.samples
    monkeypatch.setattr(
        collapse.Detector,
        'samples',
        lambda self, step, *sets: seen.append(step) or look(self, step, *sets),
    )
    config = load_config('evaluator_moments:smoke,data=digits').to_dict()
    config['method'].update(num_steps=4, measure_share=0.5, network='pixels')
    train.train(config, tmp_path)
    assert seen == [3, 4]
