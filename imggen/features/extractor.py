"""A feature extractor: a frozen network with a name and a hash."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np


class Extractor(NamedTuple):
    """A frozen feature extractor.

    Attributes:
      name: the label of all numbers that are measured with it, for example 'fashion_classifier'.
      params: pytree of arrays. It is an argument of `apply`, so that it is not a constant of the
        compiled program.
      apply: (params, images float32 [n, height, width, channels] in [-1, 1]) -> {'features':
        float32 [n, d]} and, if the network classifies, 'logits': float32 [n, classes]. It is
        pure and traceable, and resizes and normalizes images as the network needs them.
      digest: 12 hexadecimal digits of the SHA-256 of `params`, printed beside every number.
      note: how `apply` prepares an image for the network, in one sentence.
      size: the side of the square images that the network sees; None if it sees them at any size.
    """

    name: str
    params: Any
    apply: Callable[[Any, jax.Array], Mapping[str, jax.Array]]
    digest: str
    note: str = ''
    size: int | None = None


def digest(params: Any) -> str:
    """Returns 12 hexadecimal digits of the SHA-256 over names, shapes and values of `params`."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        leaf = np.asarray(leaf)
        sha.update(f'{jax.tree_util.keystr(path)}:{leaf.dtype}:{leaf.shape}'.encode())
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()[:12]
