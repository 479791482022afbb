"""Decoded pictures, before a pipeline turns them into batches.

Every loader (`idx`, `folder`, `tfds`, ...) returns `Dataset`; `pipeline` decides
whether they lie on the device or stream.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Rows = Any  # An int array [k] or a slice: which examples to read.


class Dataset(NamedTuple):
    """A set of pictures of one size that can be read in any order.

    Attributes:
      read: (rows) -> {'image': uint8 [k, height, width, channels]} and, where the
        class is known, 'label': int32 [k]. `slice(None)` reads everything.
      shape: (num examples, height, width, channels).
      description: one line for the log: what was found and where.
      class_names: names of the classes in the order of their numbers; () without.
      fixed: whether the whole set, in this order, is the batch of every step.
      postprocess: see `Source`.
      partner: (key, rows) -> rows, both int32 [k]; traceable. Where it is set, each
        picture is read with its partner behind it, along the channels.
      pair: (key, pictures) -> {'input': ..., 'target': ...}; traceable. Where it is
        set, it makes the batch from augmented pictures, float32 [k, height, width,
        channels] in [-1, 1], which therefore hold both sides along the channels.
      files: the file of each example, relative to the folder; () where there are none.
    """

    read: Callable[[Rows], dict[str, np.ndarray]]
    shape: tuple[int, int, int, int]
    description: str
    class_names: tuple[str, ...] = ()
    fixed: bool = False
    postprocess: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None
    partner: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    pair: Callable[[jax.Array, jax.Array], dict[str, jax.Array]] | None = None
    files: tuple[str, ...] = ()

    @property
    def num_bytes(self) -> int:
        """Size of the decoded pictures in bytes."""
        return int(np.prod(self.shape, dtype=np.int64))


def from_arrays(
    images: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    description: str,
    names: tuple[str, ...] = (),
    fixed: bool = False,
) -> Dataset:
    """Returns the examples of uint8 images [n, height, width, channels] and labels [n] or None.

    A memory map does as well as an array: only the rows asked for are read.
    """
    arrays = {'image': images}
    if labels is not None:
        arrays['label'] = np.asarray(labels, np.int32)

    def read(rows: Rows) -> dict[str, np.ndarray]:
        return {name: np.asarray(array[rows]) for name, array in arrays.items()}

    return Dataset(read, images.shape, description, names, fixed)
