"""Archives of MAP-Elites (Mouret & Clune 2015): the best image of each kind.

A cell is one class and one bin of two image descriptors; with a single bin, a cell is a class. A
child is scored for all classes and may take a cell of each class. It switches goals if both of its
parents held cells of other classes (Nguyen et al. 2015, 'Innovation Engines').
"""

import jax
import jax.numpy as jnp
from flax import struct

EMPTY = -1e9  # The log-odds of an empty cell. Finite, because checkpoints must be finite.
NO_PARENT = -1  # The cell of the parents of a random image.
MAX_ROUGHNESS = 0.5  # Mean roughness of an image of black and white noise.


@struct.dataclass
class Archive:
    """Cells, numbered bin by bin, and class by class within a bin.

    Attributes:
      genome: [cells, size].
      odds: log-odds of the cell's class, [cells]; EMPTY for an empty cell.
      champions: how many images have held the cell so far, int32 [cells].
      switches: how many of these had switched goals, int32 [cells].
    """

    genome: jax.Array
    odds: jax.Array
    champions: jax.Array
    switches: jax.Array


def empty(num_cells: int, size: int) -> Archive:
    """Returns an archive without images."""
    none = jnp.zeros((num_cells,), jnp.int32)
    return Archive(jnp.zeros((num_cells, size)), jnp.full((num_cells,), EMPTY), none, none)


def insert(
    archive: Archive, genomes: jax.Array, odds: jax.Array, where: jax.Array, parents: jax.Array
) -> Archive:
    """Puts each child into the cells for which it is the best so far.

    Args:
      archive: an archive with bins * classes cells.
      genomes: the children, [k, size].
      odds: log-odds of every class, [k, classes].
      where: the bin of each child, int32 [k].
      parents: the cells of its two parents, int32 [k, 2]; NO_PARENT for a random image.
    """
    num_classes = odds.shape[1]
    num_bins = len(archive.odds) // num_classes
    is_in = where[:, None] == jnp.arange(num_bins)[None]
    # [k, bins, classes] -> [k, cells].
    scores = jnp.where(is_in[..., None], odds[:, None], EMPTY).reshape(len(genomes), -1)
    winner = jnp.argmax(scores, axis=0)
    score = jnp.max(scores, axis=0)
    better = score > archive.odds
    own_class = jnp.arange(len(archive.odds)) % num_classes
    from_class = jnp.where(parents == NO_PARENT, NO_PARENT, parents % num_classes)[winner]
    switched = better & jnp.all(from_class != own_class[:, None], axis=-1)
    switched &= from_class[:, 0] != NO_PARENT
    return Archive(
        jnp.where(better[:, None], genomes[winner], archive.genome),
        jnp.where(better, score, archive.odds),
        archive.champions + better,
        archive.switches + switched,
    )


def draw_parents(key: jax.Array, archive: Archive, count: int) -> jax.Array:
    """Draws cells uniformly from those that are not empty: int32 [count]."""
    logits = jnp.where(archive.odds > EMPTY, 0.0, -jnp.inf)
    return jax.random.categorical(key, logits, shape=(count,))


def descriptors(images: jax.Array) -> jax.Array:
    """Returns brightness and roughness, [n, 2] in [0, 1].

    Brightness is the mean of the pixels in [0, 1]. Roughness is the mean absolute difference of
    neighboring pixels divided by MAX_ROUGHNESS, at most 1.

    Args:
      images: [n, height, width, channels] in [-1, 1].
    """
    gray = (images + 1.0) / 2.0
    down = jnp.abs(gray[:, 1:] - gray[:, :-1]).mean((1, 2, 3))
    right = jnp.abs(gray[:, :, 1:] - gray[:, :, :-1]).mean((1, 2, 3))
    roughness = jnp.minimum((down + right) / (2.0 * MAX_ROUGHNESS), 1.0)
    return jnp.stack([gray.mean((1, 2, 3)), roughness], axis=-1)


def bin_of(images: jax.Array, bins: tuple[int, int]) -> jax.Array:
    """Returns the bin of each image, numbered row by row, int32 [n]."""
    if bins == (1, 1):
        return jnp.zeros(len(images), jnp.int32)
    place = (descriptors(images) * jnp.asarray(bins)[None]).astype(jnp.int32)
    row, column = jnp.minimum(place, jnp.asarray(bins)[None] - 1).T
    return row * bins[1] + column
