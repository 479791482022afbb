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
from imggen.methods.evolution.classifiers import Judge
from imggen.methods.evolution.encodings import Encoding


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method.problem`, the same for every search.

    Attributes:
      classes: names of the classes to evolve; () for all that the judge knows.
      judge: 'convolutional', 'dense' or the workdir of a classifier's run.
      normalized: whether the judge gets images in [-1, 1], as in its training. Without,
        it gets them in [0, 255] and is certain of some class even where it sees noise.
      encoding: 'pixels', 'cppn' or the workdir of a trained generator.
      latent_limit: a generator's latents are kept in [-limit, limit]; the smaller, the
        more its images are of the kind that it has learned best.
    """

    classes: tuple[str, ...] = ()
    judge: str = 'convolutional'
    normalized: bool = True
    encoding: str = 'pixels'
    latent_limit: float = 1.0


class Problem(NamedTuple):
    """Pure functions over genomes, and what they need.

    Attributes:
      classes: numbers of the classes in the judge's order, int32 [classes].
      labels: their names.
      judge, encoding: as configured.
      normalized: see Config.
      frozen: parameters of the judge and the encoding: a method's `frozen`.
    """

    classes: np.ndarray
    labels: tuple[str, ...]
    judge: Judge
    encoding: Encoding
    normalized: bool
    frozen: Any

    def images(self, frozen, genomes: jax.Array) -> jax.Array:
        """Decodes genomes [n, size]: images [n, height, width, channels] in [-1, 1]."""
        return self.encoding.decode(frozen['encoding'], genomes)

    def logits(self, frozen, images: jax.Array) -> jax.Array:
        """Asks the judge about images [n, height, width, channels]: [n, classes of the judge]."""
        scaled = images if self.normalized else (images + 1.0) * 127.5
        return self.judge.logits(frozen['judge'], scaled)

    def judged(self, frozen, genomes: jax.Array) -> jax.Array:
        """Decodes genomes [n, size] and asks the judge: logits [n, classes of the judge]."""
        return self.logits(frozen, self.images(frozen, genomes))

    def targets(self, chains_per_class: int) -> jax.Array:
        """Returns the class of each chain, int32 [chains]: every class in turn, then again.

        The first chains show all classes, and a sheet with a multiple of them a row has a
        column for each.
        """
        return jnp.tile(jnp.asarray(self.classes, jnp.int32), chains_per_class)


def make(section: Mapping[str, Any]) -> Problem:
    """Builds the problem from the options of `Config`.

    Raises:
      UserError: an unknown option, class, judge or encoding.
    """
    config = options.build(Config, section, where='config.method.problem')
    judge = classifiers.load(config.judge)
    labels = tuple(config.classes) or judge.labels
    numbers = []
    for label in labels:
        if label not in judge.labels:
            raise UserError(
                f'config.method.problem.classes: the judge knows no {label!r}; '
                f'{options.suggestion(str(label), list(judge.labels))}.'
            )
        numbers.append(judge.labels.index(label))
    encoding = encodings.make(config.encoding, judge.shape, latent_limit=config.latent_limit)
    return Problem(
        classes=np.asarray(numbers, np.int32),
        labels=labels,
        judge=judge,
        encoding=encoding,
        normalized=config.normalized,
        frozen={'judge': judge.params, 'encoding': encoding.frozen},
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
        return {'evolved': problem.images(frozen, held[index])}

    return sample
