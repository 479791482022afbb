"""What measures see of an image: a frozen network with a name and a hash."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np


class Extractor(NamedTuple):
    """A frozen feature extractor.

    Attributes:
      name: what figures are labeled with, for example 'fashion_classifier'.
      params: pytree of arrays, an argument of `apply` so that it is never baked into a program.
      apply: (params, images float32 [n, height, width, channels] in [-1, 1]) ->
        {'features': float32 [n, d]} and, where the network classifies,
        {'logits': float32 [n, classes]}. Pure and traceable; it resizes and
        normalizes as the network wants.
      digest: 12 hexadecimal digits of the SHA-256 of `params`, printed beside every figure.
      note: what `apply` does to an image before the network sees it, one line.
    """

    name: str
    params: Any
    apply: Callable[[Any, jax.Array], Mapping[str, jax.Array]]
    digest: str
    note: str = ''


def digest(params) -> str:
    """Returns 12 hexadecimal digits of the SHA-256 over names, shapes and values of `params`."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        leaf = np.asarray(leaf)
        sha.update(f'{jax.tree_util.keystr(path)}:{leaf.dtype}:{leaf.shape}'.encode())
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()[:12]
