"""Copying: are generated images closer to the training images than unseen real ones are?

Images of a generator that learned the distribution are as far from the training images as
held-out real images are. Images of a generator that stores training images are closer.
Distances are Euclidean in a feature space; the space decides what counts as a copy.
"""

from typing import NamedTuple

import numpy as np

from imggen.errors import UserError
from imggen.metrics.pairwise import nearest


class Copying(NamedTuple):
    """Distances to the nearest training image.

    Attributes:
      median_ratio: median over generated images divided by the median over held-out images;
        about 1 without copying, 0 if all are copies.
      fraction_closer: share of generated images that are closer than `threshold`; about
        percentile / 100 without copying.
      threshold: the percentile of the held-out images' distances.
      distances: float32 [n], the distance of each generated image.
      indices: int32 [n], the nearest training image of each generated image.
      held_out_distances: float32 [m].
    """

    median_ratio: float
    fraction_closer: float
    threshold: float
    distances: np.ndarray
    indices: np.ndarray
    held_out_distances: np.ndarray


def copying(
    training: np.ndarray, held_out: np.ndarray, generated: np.ndarray, *, percentile: float = 5.0
) -> Copying:
    """Compares generated with held-out images by their distance to the training images.

    Args:
      training: float32 [t, d], the images that the generator was trained on.
      held_out: float32 [m, d], real images that it was not trained on. Those that equal a
        training image are left out.
      generated: float32 [n, d].
      percentile: in (0, 100); closer than this percentile of the held-out images' distances
        counts as suspiciously close.

    Raises:
      UserError: at least half of the held-out images are training images, or they are too few
        for the percentile.
    """
    distances, indices = nearest(generated, training)
    held_out_distances, _ = nearest(held_out, training)
    median = float(np.median(held_out_distances))
    if median == 0:
        raise UserError(
            'At least half of the held-out images equal training images: hold out other ones.'
        )
    held_out_distances = held_out_distances[held_out_distances > 0]
    if len(held_out_distances) < 100.0 / percentile:
        raise UserError(
            f'Copying needs {100.0 / percentile:.0f} held-out images that are no training images, '
            f'not {len(held_out_distances)}: train with more held out '
            '(config.data.test_fraction), or with more pictures.'
        )
    median = float(np.median(held_out_distances))
    threshold = float(np.percentile(held_out_distances, percentile))
    return Copying(
        median_ratio=float(np.median(distances)) / median,
        fraction_closer=float(np.mean(distances < threshold)),
        threshold=threshold,
        distances=distances,
        indices=indices,
        held_out_distances=held_out_distances,
    )
