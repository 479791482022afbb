"""The problem that a search solves: images of which classes, made of what, in whose eyes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import options
from imggen.errors import UserError
from imggen.method import SampleFn
from imggen.methods.evolution import classifiers, encodings
from imggen.methods.evolution.classifiers import Classifier
from imggen.methods.evolution.encodings import Encoding


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method.problem`, the same for every search.

    Attributes:
      class_names: the classes to evolve; () for all that the classifier knows.
      classifier: 'convolutional', 'dense' or the workdir of a classifier's run.
      normalized: whether the classifier gets images in [-1, 1], as in its training. Without,
        it gets them in [0, 255] and is certain of some class even where it sees noise.
      encoding: 'pixels', 'cppn' or the workdir of a trained generator.
      latent_limit: a generator's latents are kept in [-limit, limit]; the smaller, the
        more its images are of the kind that it has learned best.
    """

    class_names: tuple[str, ...] = ()
    classifier: str = 'convolutional'
    normalized: bool = True
    encoding: str = 'pixels'
    latent_limit: float = 1.0


class Problem(NamedTuple):
    """Pure functions over genomes, and what they need.

    Attributes:
      labels: the target classes by number, int32 [classes].
      class_names: their names.
      classifier, encoding: as configured.
      normalized: see Config.
      frozen: parameters of the classifier and the encoding: a method's `frozen`.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    classifier: Classifier
    encoding: Encoding
    normalized: bool
    frozen: Any

    def images(self, frozen, genomes: jax.Array) -> jax.Array:
        """Decodes genomes [n, size]: images [n, height, width, channels] in [-1, 1]."""
        return self.encoding.decode(frozen['encoding'], genomes)

    def logits(self, frozen, images: jax.Array) -> jax.Array:
        """Asks the classifier about images [n, height, width, channels]: [n, classes of the classifier]."""
        scaled = images if self.normalized else (images + 1.0) * 127.5
        return self.classifier.logits(frozen['classifier'], scaled)

    def genome_logits(self, frozen, genomes: jax.Array) -> jax.Array:
        """Decodes genomes [n, size] and asks the classifier: logits [n, classes of the classifier]."""
        return self.logits(frozen, self.images(frozen, genomes))

    def targets(self, chains_per_class: int) -> jax.Array:
        """Returns the class of each chain, int32 [chains]: every class in turn, then again.

        The first chains show all classes, and a sheet with a multiple of them a row has a
        column for each.
        """
        return jnp.tile(jnp.asarray(self.labels, jnp.int32), chains_per_class)


def make(section: Mapping[str, Any]) -> Problem:
    """Builds the problem from the options of `Config`.

    Raises:
      UserError: an unknown option, class, classifier or encoding.
    """
    config = options.build(Config, section, where='config.method.problem')
    classifier = classifiers.load(config.classifier)
    class_names = tuple(config.class_names) or classifier.class_names
    numbers = []
    for name in class_names:
        if name not in classifier.class_names:
            raise UserError(
                f'config.method.problem.class_names: the classifier knows no {name!r}; '
                f'{options.suggestion(str(name), list(classifier.class_names))}.'
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


def make_sample(problem: Problem, genomes: Callable[[Any], jax.Array]) -> SampleFn:
    """Returns a method's `sample`, which shows the images that its state holds.

    It takes batch['index'] [n], which images; without, each key draws one.

    Args:
      problem: what is searched.
      genomes: (state) -> [images, size], all that the state holds.
    """

    def sample(key, state, frozen, batch):
        held = genomes(state)
        if 'index' in batch:
            index = batch['index']
        else:
            index = jax.vmap(lambda key: jax.random.randint(key, (), 0, len(held)))(key)
        return {'generated': problem.images(frozen, held[index])}

    return sample
