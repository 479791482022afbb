"""Frozen classifiers, whose class probabilities a search maximizes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imggen import data
from imggen.errors import UserError
from imggen.features import extractor, fashion_classifier, layers, lite0
from imggen.method import Method
from imggen.methods import classifier
from imggen.networks.classifier import DenseClassifier
from imggen.workdir.restore import restore

# Pixels a side for the classifiers of ImageNet. Smaller images leave one pixel before the last
# layers; larger ones show the networks details that they were not trained on.
_MIN_SIZE, _MAX_SIZE = 64, 320
# Images in a part on a CPU, whose activations then stay in the cache.
_PART = 4

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
      architecture: 'convolutional', 'dense', a name of lite0.VARIANTS, or two names joined by '+'.
      data: the `data` section of a config that describes its training images; None if the
        project cannot load them.
      part: number of images that are classified together on a CPU; 0 for all.
    """

    params: Any
    logits: Callable[[Any, jax.Array], jax.Array]
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    digest: str
    architecture: str
    data: Mapping[str, Any] | None
    part: int = 0


def load(
    name: str, *, image_size: int = 0, input_size: int = 0, option: str = 'classifier'
) -> Classifier:
    """Returns a classifier that ships with a package, or a trained one.

    Args:
      name: 'convolutional' or 'dense' (Fashion-MNIST), a name of lite0.VARIANTS (ImageNet), or
        the workdir of a run of the method 'classifier'.
      image_size: height and width of the images that are searched; 0 for those of its training.
      input_size: height and width to which a classifier of ImageNet resizes the images; 0 for
        those of its training. Smaller inputs are classified faster and less well.
      option: the option of config.method.problem that holds the name.

    Raises:
      UserError: there is no such run, its method is not 'classifier', or the classifier does not
        take images of this size.
    """
    if name in lite0.VARIANTS:
        return _imagenet(name, image_size, input_size)
    found = _SHIPPED[name]() if name in _SHIPPED else _trained(name, option)
    for option, size in (('image_size', image_size), ('input_size', input_size)):
        if size and (size, size) != found.shape[:2]:
            height, width, _ = found.shape
            raise UserError(
                f'config.method.problem.{option}={size}: the classifier {name!r} takes only images '
                f'of {height}x{width} pixels; set {option} to 0, or use the classifier lite0.'
            )
    return found


def joint(first: Classifier, other: Classifier) -> Classifier:
    """Returns the classifier whose logits are the mean of the logits of two.

    Raises:
      UserError: they do not know the same classes.
    """
    if missing := sorted(set(first.class_names) ^ set(other.class_names)):
        knows, lacks = first, other
        if missing[0] not in first.class_names:
            knows, lacks = other, first
        raise UserError(
            f'config.method.problem.also: the classifier {lacks.architecture!r} does not know the '
            f'class {missing[0]!r} of {knows.architecture!r}: name classifiers with equal classes.'
        )
    order = [other.class_names.index(name) for name in first.class_names]

    def logits(params, images):
        mine, others = first.logits(params[0], images), other.logits(params[1], images)
        return (mine + others[:, jnp.asarray(order)]) / 2.0

    params = (first.params, other.params)
    return first._replace(
        params=params,
        logits=logits,
        digest=extractor.digest(params),
        architecture=f'{first.architecture}+{other.architecture}',
    )


def others(first: Classifier) -> list[Classifier]:
    """Returns the shipped classifiers that did not take part in `first`, to measure transfer.

    The first of them is the one that differs most. All are loaded with their own input size.
    """
    is_imagenet = first.architecture.split('+')[0] in lite0.VARIANTS
    names = ['lite2', 'lite1', 'lite0'] if is_imagenet else ['dense', 'convolutional']
    return [load(name) for name in names if name not in first.architecture.split('+')]


def _imagenet(name: str, image_size: int, input_size: int) -> Classifier:
    variant = lite0.VARIANTS[name]
    image_size, input_size = image_size or variant.size, input_size or variant.size
    for option, size in (('image_size', image_size), ('input_size', input_size)):
        if not _MIN_SIZE <= size <= _MAX_SIZE:
            raise UserError(
                f'config.method.problem.{option}={size}: the classifier {name!r} takes {_MIN_SIZE} '
                f'to {_MAX_SIZE} pixels a side; choose a size in this range.'
            )
    params = lite0.pretrained(name=name)

    def logits(params, images):
        return lite0.classify(params, layers.resize(images, input_size, input_size))['logits']

    return Classifier(
        params=params,
        logits=logits,
        shape=(image_size, image_size, 3),
        class_names=lite0.class_names(),
        digest=extractor.digest(params),
        architecture=name,
        data=None,
        part=_PART,
    )


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


def _trained(workdir: str, option: str) -> Classifier:
    try:
        restored = restore(workdir, _make_classifier)
    except UserError as error:
        known = ', '.join(map(repr, (*_SHIPPED, *lite0.VARIANTS)))
        raise UserError(
            f'config.method.problem.{option} is neither one of {known} nor a run: {error}'
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
