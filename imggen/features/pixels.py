"""Raw pixels as features: an extractor without weights, to compare others with."""

import math

import jax.numpy as jnp
import numpy as np

from imggen.features import layers
from imggen.features.extractor import Extractor, digest


def make(*, max_features: int = 1024) -> Extractor:
    """Makes the extractor: pixels in [-1, 1], row by row.

    Args:
      max_features: a larger image is shrunk by area averaging to at most as many values. It
        keeps its aspect ratio.
    """

    def apply(params, images):
        del params
        if images.shape[-1] == 4:
            images = layers.rgb(images)
        count, height, width, channels = images.shape
        scale = min(1.0, math.sqrt(max_features / (height * width * channels)))
        rows = _area(height, max(1, int(height * scale)))
        columns = _area(width, max(1, int(width * scale)))
        small = jnp.einsum('ih,jw,nhwc->nijc', rows, columns, images, precision='highest')
        return {'features': small.reshape(count, -1)}

    note = f'Larger images are shrunk by area averaging to at most {max_features} values.'
    return Extractor('pixels', {}, apply, digest({}), note)


def _area(size: int, new_size: int) -> np.ndarray:
    """Returns [new_size, size]: the share of each old pixel in each new pixel. Rows sum to 1."""
    edges = np.linspace(0, size, new_size + 1)
    old = np.arange(size)[None]
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return np.float32(np.maximum(overlap, 0) * new_size / size)
