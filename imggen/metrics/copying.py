"""Copying: are generated images closer to the training images than unseen real ones are?

A generator that learned the distribution is as far from its training images as held
out real images are; one that stores them is closer. Distances are Euclidean in a
feature space, which is what decides what counts as a copy.
"""

from typing import NamedTuple

import numpy as np

from imggen.errors import UserError
from imggen.metrics.pairwise import nearest


class Copying(NamedTuple):
    """Distances to the nearest training image.

    Attributes:
      median_ratio: median over generated divided by median over held-out images;
        about 1 without copying, 0 for copies.
      fraction_closer: share of generated images closer than the percentile of the
        held-out distances; about percentile / 100 without copying.
      threshold: that percentile as a distance.
      percentile: in (0, 100).
      distances: float32 [n], of every generated image.
      indices: int32 [n], of its nearest training image, to show the two side by side.
      held_out_distances: float32 [m].
    """

    median_ratio: float
    fraction_closer: float
    threshold: float
    percentile: float
    distances: np.ndarray
    indices: np.ndarray
    held_out_distances: np.ndarray


def copying(training, held_out, generated, *, percentile: float = 5.0) -> Copying:
    """Compares generated with held-out images by their distance to the training images.

    Args:
      training: float32 [t, d], the images the generator was trained on.
      held_out: float32 [m, d], real images that it was not.
      generated: float32 [n, d].
      percentile: of the held-out distances, below which an image counts as close.
    """
    distances, indices = nearest(generated, training)
    held_out_distances, _ = nearest(held_out, training)
    median = float(np.median(held_out_distances))
    if median == 0:
        raise UserError(
            'At least half of the held-out images equal training images: hold out other ones.'
        )
    threshold = float(np.percentile(held_out_distances, percentile))
    return Copying(
        median_ratio=float(np.median(distances)) / median,
        fraction_closer=float(np.mean(distances < threshold)),
        threshold=threshold,
        percentile=percentile,
        distances=distances,
        indices=indices,
        held_out_distances=held_out_distances,
    )
