"""Modes of stacked images: how many of the 1,000 a generator reaches, and how evenly.

The Fashion-MNIST classifier names the class of each channel; `data/loaders/stacked.py` makes
the real images. A perfect sampler of n images has a KL divergence of 999 / (2 n) on average, which
is reported beside the KL. The classifier makes errors, so real images are classified as well.
"""

from collections.abc import Iterable

import numpy as np
from jax.sharding import Mesh

from imggen import data, features
from imggen.data.loaders.stacked import stacked_classes
from imggen.errors import UserError
from imggen.evaluation.distribution import samples
from imggen.inference import sampling
from imggen.metrics.class_score import class_counts, histogram_kl, mode_coverage
from imggen.metrics.extraction import extract
from imggen.workdir.restore import Restored

_NUM_MODES = 1000
NUM_IMAGES = 26_000  # As in the published protocol.


def check(restored: Restored) -> None:
    """Raises UserError if a run does not generate images of three channels."""
    sampling.check(restored)
    image = restored.batch.get('image')
    if image is None or image.shape[-1] != 3:
        raise UserError("modes need stacked images: train with config.data.name='stacked'.")


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures a run on the data set 'stacked'.

    Returns:
      modes_reached, of 1,000; modes_kl, KL(generated || uniform) in nats; modes_kl_real,
      KL(generated || real images by the same classifier); modes_kl_floor, the expected
      modes_kl of a perfect sampler; channels_kl, the sum over channels of KL(classes ||
      uniform), which equals modes_kl if the channels are independent.

    Raises:
      UserError: the run does not generate stacked images.
    """
    check(restored)
    generated = samples(restored, num_images=num_images, seed=seed)
    modes = channel_modes(generated, mesh=restored.mesh)
    real, _ = data.examples({**restored.config['data'], 'num_examples': num_images}, split='train')
    real = channel_modes([real], mesh=restored.mesh)
    found = mode_coverage(modes, _NUM_MODES)
    # A mode without a real image counts as half an image.
    real_counts = np.maximum(class_counts(real, _NUM_MODES), 0.5)
    return {
        'modes_reached': found.reached,
        'modes_kl': found.kl_uniform,
        'modes_kl_real': histogram_kl(class_counts(modes, _NUM_MODES), reference=real_counts),
        'modes_kl_floor': found.kl_floor,
        'channels_kl': sum(
            histogram_kl(class_counts(modes // place % 10, 10)) for place in (100, 10, 1)
        ),
    }


def channel_modes(chunks: Iterable[np.ndarray], *, mesh: Mesh | None = None) -> np.ndarray:
    """Returns the modes, int [n], of stacked images in chunks [k, 28, 28, 3]."""
    classifier = features.make('fashion_classifier')

    def channels():
        for chunk in chunks:
            # The channels of one image come one after the other.
            yield np.moveaxis(np.asarray(chunk), -1, 1).reshape(-1, *chunk.shape[1:3], 1)

    logits = extract(classifier, channels(), mesh=mesh).logits
    return stacked_classes(logits.argmax(-1).reshape(-1, 3))
