"""The problem that a search solves: target classes, an encoding of images, and a classifier."""

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import options
from imggen.errors import UserError
from imggen.methods.evolution import classifiers, encodings
from imggen.methods.evolution.classifiers import Classifier
from imggen.methods.evolution.encodings import Encoding

_MAX_PIXELS = 2**23  # Of all chains: 167 images of 224 x 224, or 910 of 96 x 96.


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method.problem`, the same for every search.

    Attributes:
      class_names: the classes to evolve, also as one string with commas, and with underscores
        for spaces; () for all classes of the classifier.
      classifier: 'convolutional' or 'dense' (Fashion-MNIST); 'lite0', 'lite1' or 'lite2'
        (ImageNet); or the workdir of a classifier's run.
      also: a second classifier; the search then sees the mean of both networks' logits.
      image_size: height and width of the images; 0 for those of the classifier's training.
      input_size: see classifiers.load.
      normalized: whether the classifier gets images in [-1, 1], as in its training. Otherwise
        it gets them in [0, 255], where it is certain of some class even for noise.
      encoding: one of encodings.ENCODINGS, or the workdir of a trained generator.
      latent_limit: a generator's latents are kept in [-limit, limit]. A smaller limit keeps
        its images closer to those that it has learned best.
    """

    class_names: tuple[str, ...] = ()
    classifier: str = 'convolutional'
    also: str = ''
    image_size: int = 0
    input_size: int = 0
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
        return self.in_parts(lambda part: self.logits(frozen, self.images(frozen, part)), genomes)

    def in_parts(self, function: Callable[[Any], Any], rows: Any) -> Any:
        """Returns function(rows), which maps trees of [n, ...] to such trees, row by row.

        On a CPU a large classifier gets `classifier.part` rows at a time, because activations
        that leave the cache cost more than the arithmetic.
        """
        size, count = self.classifier.part, len(jax.tree.leaves(rows)[0])
        if not size or count <= size:
            return function(rows)
        num_parts = -(-count // size)

        def by_part(rows):
            # The last rows are repeated to fill the last part.
            filled = jnp.minimum(jnp.arange(num_parts * size), count - 1).reshape(num_parts, size)
            made = jax.lax.map(
                lambda index: function(jax.tree.map(lambda x: x[index], rows)), filled
            )
            return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], made)

        return jax.lax.platform_dependent(rows, cpu=by_part, default=function)

    def targets(self, chains_per_class: int) -> jax.Array:
        """Returns the class of each chain, int32 [chains]: all classes in turn, then again.

        So the first chains show every class, and a sheet whose rows hold a multiple of the
        number of classes has a column for each class.

        Raises:
          UserError: there are too many chains of too many pixels to hold and classify together.
        """
        pixels = math.prod(self.classifier.shape[:2])
        if len(self.labels) * chains_per_class * pixels > _MAX_PIXELS:
            raise UserError(
                f'config.method.problem.class_names: {len(self.labels)} classes with '
                f'{chains_per_class} chains of {pixels} pixels do not fit into memory; name at '
                f'most {_MAX_PIXELS // (pixels * chains_per_class)} classes, or use map_elites, '
                'whose archive holds all classes.'
            )
        return jnp.tile(jnp.asarray(self.labels, jnp.int32), chains_per_class)


def make(section: Mapping[str, Any]) -> Problem:
    """Builds the problem from the options of `Config`.

    Raises:
      UserError: an option, class, classifier or encoding is unknown.
    """
    config = options.build(Config, section, where='config.method.problem')
    classifier = classifiers.load(
        config.classifier, image_size=config.image_size, input_size=config.input_size
    )
    if config.also:
        classifier = classifiers.joint(
            classifier, classifiers.load(config.also, input_size=config.input_size, option='also')
        )
    class_names = _resolved(config.class_names, classifier.class_names) or classifier.class_names
    numbers = [classifier.class_names.index(name) for name in class_names]
    if repeated := [name for name in class_names if class_names.count(name) > 1]:
        raise UserError(
            f'config.method.problem.class_names has {repeated[0]!r} twice: name each class once, '
            'and set config.method.chains_per_class for several images of a class.'
        )
    encoding = encodings.make(config.encoding, classifier.shape, latent_limit=config.latent_limit)
    return Problem(
        labels=np.asarray(numbers, np.int32),
        class_names=class_names,
        classifier=classifier,
        encoding=encoding,
        normalized=config.normalized,
        frozen={'classifier': classifier.params, 'encoding': encoding.frozen},
    )


def _resolved(given: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Returns known names; 'tabby,tiger_cat', as a shell passes it, is 'tabby' and 'tiger cat'."""
    names = []
    for name in given:
        for part in [name] if name in known else str(name).split(','):
            if not part.strip():
                raise UserError(
                    f'config.method.problem.class_names={",".join(map(str, given))!r} has an empty '
                    'name: leave the comma out.'
                )
            spaced = part if part in known else part.replace('_', ' ').strip()
            if spaced not in known:
                near = difflib.get_close_matches(spaced, known, n=5, cutoff=0.0)
                raise UserError(
                    f'config.method.problem.class_names: the classifier has no class {part!r}; '
                    f'the nearest are {", ".join(map(repr, near))}.'
                )
            names.append(spaced)
    return tuple(names)
