"""Modes of stacked images: how many of the 1,000 a generator reaches, and how evenly.

The Fashion-MNIST classifier says the class of each channel (data/stacked.py has the images). A perfect
sampler of n images has KL 999 / (2 n) on average, which stands beside the figure; and
the classifier errs, so that real images show what it makes of them.
"""

import numpy as np

from imggen import data, features, keys
from imggen.data.loaders.stacked import stacked_classes
from imggen.errors import UserError
from imggen.inference import sampling
from imggen.metrics.class_score import class_counts, histogram_kl, mode_coverage
from imggen.metrics.extraction import extract
from imggen.workdir.restore import Restored

_NUM_MODES = 1000
NUM_IMAGES = 26_000  # Of the published protocol.


def measure(restored: Restored, *, num_images: int = NUM_IMAGES, seed: int = 0) -> dict[str, float]:
    """Measures a run on the source 'stacked'.

    Args:
      restored: the trained method.
      num_images: generated.
      seed: of the samples.

    Returns:
      modes_reached, of 1,000; modes_kl, KL(generated || uniform) in nats; modes_kl_real,
      KL(generated || real images by the same classifier); modes_kl_floor, the expected
      modes_kl of a perfect sampler; channels_kl, the sum over channels of KL(classes ||
      uniform), which is all of modes_kl if the channels do not know of each other.
    """
    if restored.batch['image'].shape[-1] != 3:
        raise UserError("modes are those of stacked images: train with config.data.name='stacked'.")
    chunks = sampling.generate(keys.stream(seed, 'measure'), restored, num_images)
    modes = channel_modes((chunk[restored.method.output] for chunk in chunks), mesh=restored.mesh)
    real, _ = data.examples({**restored.config['data'], 'num_examples': num_images}, split='train')
    real = channel_modes(iter([real]), mesh=restored.mesh)
    found = mode_coverage(modes, _NUM_MODES)
    # A mode that no real image has counts half an image.
    reference = np.maximum(class_counts(real, _NUM_MODES), 0.5)
    return {
        'modes_reached': found.reached,
        'modes_kl': found.kl_uniform,
        'modes_kl_real': histogram_kl(class_counts(modes, _NUM_MODES), reference=reference),
        'modes_kl_floor': found.kl_floor,
        'channels_kl': sum(
            histogram_kl(class_counts(modes // place % 10, 10)) for place in (100, 10, 1)
        ),
    }


def channel_modes(chunks, *, mesh=None) -> np.ndarray:
    """Returns the modes int [n] of stacked images, from chunks [k, 28, 28, 3]."""
    classifier = features.make('fashion_classifier')

    def channels():
        for chunk in chunks:
            # One image's channels one after the other.
            yield np.moveaxis(np.asarray(chunk), -1, 1).reshape(-1, *chunk.shape[1:3], 1)

    logits = extract(classifier, channels(), mesh=mesh).logits
    return stacked_classes(logits.argmax(-1).reshape(-1, 3))
