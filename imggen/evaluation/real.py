"""The features of the real images of a run's data set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax.sharding import Mesh

from imggen import data
from imggen.features.extractor import Extractor
from imggen.metrics.extraction import Features, cached_features

_SHOWN = {'train': 'training', 'test': 'reference'}


def features_of(
    section: Mapping[str, Any], split: str, extractor: Extractor, *, mesh: Mesh | None = None
) -> Features:
    """Returns the features of a split, from the cache if it holds them.

    Args:
      section: the `data` section of a run.
      split: 'train', the images that the run learns from, or 'test'.
      extractor: computes the features.
      mesh: the devices that share the extraction.

    Raises:
      UserError: the data set has no images to compare with.
    """

    def read():
        pictures, _ = data.examples(section, split=split)
        return [pictures] if isinstance(pictures, np.ndarray) else pictures

    return cached_features(extractor, read, mesh=mesh, shown=_SHOWN[split])
