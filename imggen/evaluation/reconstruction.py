"""What an autoencoder loses: the distance of reconstructed training images to the reference.

No sample that its decoder makes can be expected to come closer. With nothing lost, it is the
distance of real to real images.
"""

import jax
import numpy as np

from imggen import keys
from imggen.errors import UserError
from imggen.evaluation import detection, distribution
from imggen.features.extractor import Extractor
from imggen.metrics.batching import map_batches
from imggen.metrics.extraction import extract
from imggen.metrics.frechet import Moments, frechet_distance
from imggen.workdir.restore import Restored


def check(restored: Restored) -> None:
    """Raises UserError if the method of a run reconstructs no images."""
    if restored.method.reconstruct is None:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} reconstructs no images: name another run.')


def measure(
    restored: Restored, *, num_images: int, seed: int, extractor: Extractor
) -> dict[str, float]:
    """Returns {'frechet_reconstructed': ...}, of up to `num_images` training images.

    Args:
      restored, num_images, seed, extractor: see `evaluate.Score`.

    Raises:
      UserError: the method reconstructs no images.
    """
    check(restored)
    real = distribution.reference(restored.config['data'], extractor, mesh=restored.mesh)
    images = detection.real_images(restored, 'train')
    rows = jax.random.permutation(keys.stream(seed, 'measure'), len(images))[:num_images]
    reconstruct = jax.jit(restored.method.reconstruct)
    outputs = map_batches(
        lambda batch: reconstruct(restored.state, batch), images[np.asarray(rows)]
    )
    found = extract(extractor, outputs, mesh=restored.mesh)
    moments = Moments.of(real.features.features), Moments.of(found.features)
    return {'frechet_reconstructed': frechet_distance(*moments)}
