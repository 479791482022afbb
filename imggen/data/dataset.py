"""Decoded images, before a pipeline turns them into batches.

Every loader (`idx`, `folder`, `tfds`, ...) returns a `Dataset`. `pipeline` decides whether its
images are kept on the device or streamed.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Rows = Any  # An int array [k] or a slice: which examples to read.


class Pairing(NamedTuple):
    """How the images of a set of pairs become inputs and targets.

    Attributes:
      pair: (key, images) -> {'input': ..., 'target': ...}; traceable. The images are float32
        [k, height, width, channels] in [-1, 1] and augmented. They hold both sides along the
        channels, or the target alone.
      partner: (key, rows) -> rows, both int32 [k]; traceable. If it is set, each image is read
        together with its partner, whose channels follow its own.
    """

    pair: Callable[[jax.Array, jax.Array], dict[str, jax.Array]]
    partner: Callable[[jax.Array, jax.Array], jax.Array] | None = None


class Dataset(NamedTuple):
    """A set of images of one size that can be read in any order.

    Attributes:
      read: rows -> {'image': uint8 [k, height, width, channels]} and, if the set has labels,
        'label': int32 [k]. `slice(None)` reads everything.
      shape: (number of examples, height, width, channels).
      description: one line for the log: what was found and where.
      class_names: names of the classes in the order of their labels; () without names.
      class_counts: number of examples of each class; () without labels, or if they are unknown.
      fixed: whether the whole set, in this order, is the batch of every step.
      files: the file of each example, relative to the folder; () without files.
      pairing: how images become pairs; None for a set of single images.
      postprocess: see `Source`.
      skipped: a sentence for each file of the folder that gave no example.
    """

    read: Callable[[Rows], dict[str, np.ndarray]]
    shape: tuple[int, int, int, int]
    description: str
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    fixed: bool = False
    files: tuple[str, ...] = ()
    pairing: Pairing | None = None
    postprocess: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None
    skipped: tuple[str, ...] = ()

    @property
    def num_bytes(self) -> int:
        """Size of the decoded images in bytes."""
        return int(np.prod(self.shape, dtype=np.int64))


def from_arrays(
    images: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    description: str,
    names: tuple[str, ...] = (),
    fixed: bool = False,
) -> Dataset:
    """Returns a set of images in memory; see `Dataset` for the other arguments.

    Args:
      images: uint8 [n, height, width, channels]. A memory map is read only where it is needed.
      labels: integers [n], or None.
    """
    arrays, counts = {'image': images}, ()
    if labels is not None:
        arrays['label'] = np.asarray(labels, np.int32)
        counts = count_classes(labels, names)

    def read(rows: Rows) -> dict[str, np.ndarray]:
        return {name: np.asarray(array[rows]) for name, array in arrays.items()}

    return Dataset(read, images.shape, description, names, counts, fixed)


def count_classes(labels: np.ndarray, names: tuple[str, ...]) -> tuple[int, ...]:
    """Returns the number of labels, integers [n], of each class."""
    return tuple(np.bincount(labels, minlength=len(names)).tolist())
