"""The schedule of the classifier, and the Fashion-MNIST classifier that ships with the package."""

import json

import jax
import numpy as np
import pytest

from imggen import data, features, images
from imggen.errors import UserError
from imggen.evaluation import classifier
from imggen.features import extractor, fashion_classifier
from imggen.methods import classifier as methods_classifier


def test_the_shipped_classifier_is_what_its_card_says():
    made = features.make('fashion_classifier')
    card = json.loads(fashion_classifier.WEIGHTS.with_suffix('.json').read_text())
    assert made.digest == extractor.digest(made.params) == card['digest']
    assert card['parameters'] < 100_000 and card['test_images'] == 10_000
    assert card['test_accuracy'] >= 0.93
    assert fashion_classifier.WEIGHTS.stat().st_size < 1e6
    pictures, labels = data.examples({'name': 'fashion_mnist'}, split='test')
    logits = made.apply(made.params, images.from_uint8(pictures[:2000]))['logits']
    accuracy = float(np.mean(np.argmax(logits, -1) == labels[:2000]))
    assert abs(accuracy - card['test_accuracy']) < 0.02


def test_features_are_one_vector_an_image_of_any_size_or_color():
    made = features.make('fashion_classifier')
    for shape in [(28, 28, 1), (32, 40, 3)]:
        batch = jax.random.uniform(jax.random.key(0), (2, *shape), minval=-1.0)
        assert made.apply(made.params, batch)['features'].shape == (2, 64)


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    variables = fashion_classifier.load(fashion_classifier.WEIGHTS)
    variables['params']['Dense_0']['bias'] = variables['params']['Dense_0']['bias'] + 1e-3
    copy = tmp_path / fashion_classifier.WEIGHTS.name
    fashion_classifier.save(copy, variables)
    copy.with_suffix('.json').write_text(
        fashion_classifier.WEIGHTS.with_suffix('.json').read_text()
    )
    monkeypatch.setattr(fashion_classifier, 'WEIGHTS', copy)
    with pytest.raises(UserError, match=r'has digest .* install imggen again'):
        fashion_classifier.make()
    copy.write_bytes(copy.read_bytes()[:1000])
    with pytest.raises(UserError, match='cannot be read'):
        fashion_classifier.make()


def test_calibration_error_of_known_cases():
    sure = np.array([[0.9, 0.1]] * 10)
    assert classifier.calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(
        0.0, abs=1e-6
    )
    assert classifier.calibration_error(sure, np.array([1] * 10)) == pytest.approx(0.9)


def test_the_learning_rate_rises_for_a_tenth_of_the_steps_and_falls_along_a_cosine():
    config = methods_classifier.Config(num_steps=25, learning_rate=0.5, weight_decay=0.0)
    optimizer = methods_classifier._optimizer(config)
    params = np.zeros(1, np.float32)
    state, sizes = optimizer.init(params), []
    for _ in range(config.num_steps):
        update, state = optimizer.update(np.ones(1, np.float32), state, params)
        sizes.append(-float(update[0]))
    t = np.arange(25) / 25
    falling = (1 + np.cos(np.pi * (t - 0.1) / 0.9)) / 2
    # With a constant gradient, Adam's update is the learning rate.
    np.testing.assert_allclose(sizes, 0.5 * np.where(t < 0.1, t / 0.1, falling), atol=1e-5)
