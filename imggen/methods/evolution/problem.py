"""The problem that a search solves: target classes, an encoding of images, and a classifier."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import options
from imggen.errors import UserError
from imggen.methods.evolution import classifiers, encodings
from imggen.methods.evolution.classifiers import Classifier
from imggen.methods.evolution.encodings import Encoding


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method.problem`, the same for every search.

    Attributes:
      class_names: the classes to evolve; () for all classes of the classifier.
      classifier: 'convolutional', 'dense', or the workdir of a classifier's run.
      normalized: whether the classifier gets images in [-1, 1], as in its training. Otherwise
        it gets them in [0, 255], where it is certain of some class even for noise.
      encoding: 'pixels', 'cppn', or the workdir of a trained generator.
      latent_limit: a generator's latents are kept in [-limit, limit]. A smaller limit keeps
        its images closer to those that it has learned best.
    """

    class_names: tuple[str, ...] = ()
    classifier: str = 'convolutional'
    normalized: bool = True
    encoding: str = 'pixels'
    latent_limit: float = 1.0


class Problem(NamedTuple):
    """Pure functions over genomes, and their parameters.

    Attributes:
      labels: numbers of the target classes, int32 [target classes].
      class_names: names of the target classes.
      classifier, encoding: as configured.
      normalized: see Config.
      frozen: parameters of the classifier and of the encoding: the method's `frozen`.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    classifier: Classifier
    encoding: Encoding
    normalized: bool
    frozen: Any

    def images(self, frozen, genomes: jax.Array) -> jax.Array:
        """Decodes genomes [n, size] to images [n, height, width, channels] in [-1, 1]."""
        return self.encoding.decode(frozen['encoding'], genomes)

    def logits(self, frozen, images: jax.Array) -> jax.Array:
        """Returns the classifier's logits [n, classes] of images [n, height, width, channels]."""
        scaled = images if self.normalized else (images + 1.0) * 127.5
        return self.classifier.logits(frozen['classifier'], scaled)

    def genome_logits(self, frozen, genomes: jax.Array) -> jax.Array:
        """Returns the classifier's logits [n, classes] of genomes [n, size]."""
        return self.logits(frozen, self.images(frozen, genomes))

    def targets(self, chains_per_class: int) -> jax.Array:
        """Returns the class of each chain, int32 [chains]: all classes in turn, then again.

        So the first chains show every class, and a sheet whose rows hold a multiple of the
        number of classes has a column for each class.
        """
        return jnp.tile(jnp.asarray(self.labels, jnp.int32), chains_per_class)


def make(section: Mapping[str, Any]) -> Problem:
    """Builds the problem from the options of `Config`.

    Raises:
      UserError: an option, class, classifier or encoding is unknown.
    """
    config = options.build(Config, section, where='config.method.problem')
    classifier = classifiers.load(config.classifier)
    class_names = tuple(config.class_names) or classifier.class_names
    numbers = []
    for name in class_names:
        if name not in classifier.class_names:
            raise UserError(
                f'config.method.problem.class_names: the classifier has no class {name!r}; '
                f'{options.suggestion(str(name), list(classifier.class_names))}'
            )
        numbers.append(classifier.class_names.index(name))
    encoding = encodings.make(config.encoding, classifier.shape, latent_limit=config.latent_limit)
    return Problem(
        labels=np.asarray(numbers, np.int32),
        class_names=class_names,
        classifier=classifier,
        encoding=encoding,
        normalized=config.normalized,
        frozen={'classifier': classifier.params, 'encoding': encoding.frozen},
    )
