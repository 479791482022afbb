"""Classifiers: frozen classifiers that say how much of a class they see in an image."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from imggen.data.loaders import fashion_mnist
from imggen.errors import UserError
from imggen.features import extractor, fashion_classifier
from imggen.method import Method
from imggen.methods import classifier
from imggen.networks.classifier import DenseClassifier
from imggen.workdir.restore import restore

WEIGHTS = {
    'convolutional': fashion_classifier.WEIGHTS,
    'dense': fashion_classifier.WEIGHTS.with_name('classifier_dense_fashion_mnist.npz'),
}


_DATA = {'name': 'fashion_mnist'}


class Classifier(NamedTuple):
    """A frozen classifier.

    Attributes:
      name: what it is called in messages.
      params: its variables, an argument of `logits`.
      logits: (params, images float32 [n, *shape] in [-1, 1]) -> float32 [n, classes].
      shape: (height, width, channels) of the images that it was trained on.
      class_names: names of the classes.
      digest: 12 hexadecimal digits of the SHA-256 of `params`.
      architecture: 'convolutional' or 'dense'.
      data: the data section of a config, whose training images it learned from.
    """

    name: str
    params: Any
    logits: Callable[[Any, jax.Array], jax.Array]
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    digest: str
    architecture: str
    data: Mapping[str, Any]


def load(name: str) -> Classifier:
    """Returns a classifier that ships with the package, or a trained one.

    Args:
      name: 'convolutional', 'dense', or the workdir of a run of the method 'classifier'.

    Raises:
      UserError: there is no such run, or it is no classifier's.
    """
    return _SHIPPED[name]() if name in _SHIPPED else _trained(name)


def second(first: Classifier) -> Classifier:
    """Returns the shipped classifier of another architecture than `first`, to measure transfer.

    It is the convolutional one for a dense one, and the dense one for others.
    """
    name = 'convolutional' if first.architecture == 'dense' else 'dense'
    return _SHIPPED[name]()


def _convolutional() -> Classifier:
    shipped = fashion_classifier.make()

    def logits(params, images):
        return shipped.apply(params, images)['logits']

    return Classifier(
        'convolutional',
        shipped.params,
        logits,
        (28, 28, 1),
        _names(),
        shipped.digest,
        'convolutional',
        _DATA,
    )


def _dense() -> Classifier:
    path = WEIGHTS['dense']
    params = fashion_classifier.load(path)
    expected = json.loads(path.with_suffix('.json').read_text())['digest']
    digest = extractor.digest(params)
    if digest != expected:
        raise UserError(f'{path} has digest {digest}, not {expected}: install imggen again.')

    def logits(params, images):
        return DenseClassifier().apply(params, images, train=False)[0]

    return Classifier('dense', params, logits, (28, 28, 1), _names(), digest, 'dense', _DATA)


_SHIPPED = {'convolutional': _convolutional, 'dense': _dense}


def _trained(workdir: str) -> Classifier:
    try:
        restored = restore(workdir, _make_classifier)
    except UserError as error:
        shipped = ' or '.join(map(repr, _SHIPPED))
        raise UserError(
            f'config.method.problem.classifier is neither {shipped} nor a run: {error}'
        ) from error
    section = dict(restored.config['method'])
    section.pop('name')
    network = classifier.make_network(section)

    def logits(params, images):
        return network.apply(params, images, train=False)[0]

    params = jax.device_get(restored.state.ema)
    shape = tuple(restored.batch['image'].shape[1:])
    fashion = restored.config['data']['name'] == 'fashion_mnist'
    class_names = _names() if fashion else tuple(map(str, range(network.classes)))
    architecture = section.get('architecture', 'convolutional')
    digest = extractor.digest(params)
    data = restored.config['data']
    return Classifier(workdir, params, logits, shape, class_names, digest, architecture, data)


def _make_classifier(section: Mapping[str, Any]) -> Method:
    section = dict(section)
    if (name := section.pop('name', '')) != 'classifier':
        raise UserError(f'its method is {name!r}; name the run of a classifier.')
    return classifier.make(section)


def _names() -> tuple[str, ...]:
    return fashion_mnist.NAMES
