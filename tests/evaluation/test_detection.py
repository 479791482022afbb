"""Evaluators as detectors: thresholds and curves; diversity and references of samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imggen import features
from imggen.errors import UserError
from imggen.evaluation import detection, diversity
from imggen.inference import load
from imggen.training import train

ENERGIES = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(real=ENERGIES, other=ENERGIES)
def test_area_is_that_of_scikit_learn_with_ties(real, other):
    from sklearn.metrics import roc_auc_score

    labels = [0] * len(real) + [1] * len(other)
    expected = roc_auc_score(labels, real + other)
    assert detection.area(real, other) == pytest.approx(expected, abs=1e-12)


def test_the_curve_runs_from_everything_to_nothing():
    curve = detection.roc([1.0, 2.0], [2.0, 3.0])
    np.testing.assert_array_equal(curve.thresholds, [-np.inf, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(curve.false_rejects, [1.0, 0.5, 0.0, 0.0])
    np.testing.assert_array_equal(curve.rejects, [1.0, 1.0, 0.5, 0.0])
    assert detection.area([1.0, 2.0], [2.0, 3.0]) == 0.875


def test_energies_that_are_not_finite_numbers_are_refused():
    for energies in ([], [np.nan], [[1.0]]):
        with pytest.raises(UserError, match='must be finite numbers'):
            detection.rejected(energies, 0.1)
        with pytest.raises(UserError, match='other energies must be finite numbers'):
            detection.area([1.0], energies)


def test_the_mixture_of_references_is_found_again():
    parts = np.random.default_rng(0).normal(size=(3, 40))
    weights = np.array([0.2, 0.5, 0.3])
    np.testing.assert_allclose(diversity.mixture(weights @ parts, parts), weights, atol=1e-9)


def test_samples_that_copy_the_last_reference_are_told():
    rows = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    metrics = diversity.against_references(np.repeat(rows[-1:], 5, axis=0), rows)
    assert metrics['to_current'] == 0.0
    assert metrics['current_weight'] == pytest.approx(1.0)
    assert metrics['to_mean'] == pytest.approx(metrics['mean_to_current'])
    past = np.linalg.norm(rows[:2] - rows[2], axis=1).mean()
    assert metrics['to_past'] == pytest.approx(past, rel=1e-5)
    only = diversity.against_references(rows, rows[-1:])
    assert 'to_past' not in only


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """An evaluator of one digit, and a generator taught by three references."""
    from configs import evaluator_reference

    config = evaluator_reference.get_config('smoke,data=digits,kind=3')
    config.total_images = 32 * 300
    config.data.batch_size = 32
    config.method.evaluator_share = 0.8
    config.method.evaluator = {'features': 8, 'code_size': 8}
    config.method.generator = {'features': 8}
    config.method.num_epochs = 3
    config.method.reference_epochs = 1
    config.run.log_every_steps = 100
    config.run.sample_every_steps = config.run.checkpoint_every_steps = 300
    workdir = tmp_path_factory.mktemp('reference')
    train.train(config.to_dict(), workdir)
    return load.load(workdir)


def test_a_trained_evaluator_tells_digits_from_noise(trained):
    metrics = detection.measure(trained, num_images=100, seed=0)
    assert metrics['area_noise'] > 0.95
    assert metrics['rejected_real'] < 0.3
    assert metrics['rejected_noise'] > metrics['rejected_real']
    assert {'area_shapes', 'area_patches', 'area_other_set', 'threshold'} <= metrics.keys()


def test_the_nearest_training_image_tells_digits_from_others(trained):
    how = {'num_images': 100, 'num_training': 500, 'seed': 0}
    pixels = features.make('pixels')
    metrics = detection.measure_nearest(trained, pixels, **how)
    assert metrics.keys() == {
        f'area_{name}' for name in ('noise', 'shapes', 'patches', 'other_set')
    }
    assert metrics['area_noise'] > 0.99 and metrics['area_other_set'] > 0.9
    assert detection.measure_nearest(trained, pixels, **how) == metrics
    fewer = detection.measure_nearest(trained, pixels, **{**how, 'num_training': 2})
    assert fewer['area_other_set'] < metrics['area_other_set']


def test_references_and_diversity_of_a_run_are_measured(trained):
    metrics = diversity.measure(trained, num_images=50, seed=0)
    assert trained.state.references.shape == (3, 8, 8, 1)
    assert 0 < metrics['distinct'] <= 1 and 0 < metrics['distinct_real'] <= 1
    assert metrics['pairwise'] < metrics['pairwise_real']
    assert metrics['energy_real'] < metrics['energy_noise']
    assert {'to_current', 'to_past', 'to_mean', 'current_weight'} <= metrics.keys()


def test_a_threshold_that_rejects_everything_real_is_told(trained):
    # As if every calibration energy had been smaller than any real one.
    method = trained.method._replace(threshold=lambda state: 1e-6)
    broken = trained._replace(method=method)
    with pytest.raises(UserError, match=r'rejects all .* held-out real images'):
        detection.measure(broken, num_images=100, seed=0)


def test_a_method_without_an_evaluator_is_told(trained):
    other = trained._replace(
        config={**trained.config, 'method': {'name': 'gan'}},
        method=trained.method._replace(energy=None),
    )
    with pytest.raises(UserError, match="'gan' has no evaluator"):
        detection.measure(other, num_images=10, seed=0)
