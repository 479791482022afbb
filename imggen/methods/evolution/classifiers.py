"""Frozen classifiers, whose class probabilities a search maximizes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from imggen import data
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


class Classifier(NamedTuple):
    """A frozen classifier.

    Attributes:
      params: its variables, an argument of `logits`.
      logits: (params, images float32 [n, *shape] in [-1, 1]) -> float32 [n, classes].
      shape: (height, width, channels) of its training images.
      class_names: names of the classes.
      digest: 12 hexadecimal digits of the SHA-256 of `params`.
      architecture: 'convolutional' or 'dense'.
      data: the `data` section of a config that describes its training images.
    """

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
      UserError: there is no such run, or its method is not 'classifier'.
    """
    return _SHIPPED[name]() if name in _SHIPPED else _trained(name)


def second(first: Classifier) -> Classifier:
    """Returns a shipped classifier of another architecture than `first`, to measure transfer.

    This is the convolutional classifier if `first` is dense, otherwise the dense one.
    """
    name = 'convolutional' if first.architecture == 'dense' else 'dense'
    return _SHIPPED[name]()


def _convolutional() -> Classifier:
    shipped = fashion_classifier.make()

    def logits(params, images):
        return shipped.apply(params, images)['logits']

    return _shipped('convolutional', shipped.params, logits, shipped.digest)


def _dense() -> Classifier:
    params, digest = fashion_classifier.load_verified(WEIGHTS['dense'])

    def logits(params, images):
        return DenseClassifier().apply(params, images, train=False)[0]

    return _shipped('dense', params, logits, digest)


def _shipped(name: str, params, logits, digest: str) -> Classifier:
    trained_on = {'name': 'fashion_mnist'}
    return Classifier(
        params=params,
        logits=logits,
        shape=(28, 28, 1),
        class_names=data.class_names(trained_on),
        digest=digest,
        architecture=name,
        data=trained_on,
    )


_SHIPPED = {'convolutional': _convolutional, 'dense': _dense}


def _trained(workdir: str) -> Classifier:
    try:
        restored = restore(workdir, _make_classifier)
    except UserError as error:
        shipped = ' nor '.join(map(repr, _SHIPPED))
        raise UserError(
            f'config.method.problem.classifier is neither {shipped} nor a run: {error}'
        ) from error
    section = dict(restored.config['method'])
    section.pop('name')
    network = classifier.make_network(section)

    def logits(params, images):
        return network.apply(params, images, train=False)[0]

    params = jax.device_get(restored.state.ema)
    trained_on = restored.config['data']
    return Classifier(
        params=params,
        logits=logits,
        shape=tuple(restored.batch['image'].shape[1:]),
        class_names=data.class_names(trained_on) or tuple(map(str, range(network.num_classes))),
        digest=extractor.digest(params),
        architecture=section.get('architecture', classifier.Config.architecture),
        data=trained_on,
    )


def _make_classifier(section: Mapping[str, Any]) -> Method:
    section = dict(section)
    if (name := section.pop('name', '')) != 'classifier':
        raise UserError(f'its method is {name!r}; name a run of the method classifier.')
    return classifier.make(section)
