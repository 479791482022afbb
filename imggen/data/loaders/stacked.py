"""Stacked pictures: three random pictures of Fashion-MNIST as the channels of one, 1,000 modes.

The test of mode collapse of Metz et al. (2017), on clothes instead of digits. The mode
of a stack is 100 red + 10 green + blue, of the three classes; it is the label.
"""

import jax
import numpy as np

from imggen.data.dataset import Dataset
from imggen.data.loaders import fashion_mnist
from imggen.errors import UserError

_SEEDS = {'train': 0, 'test': 1}


def load(*, path: str | None = None, split: str = 'train', num_examples: int = 128_000) -> Dataset:
    """Stacks pictures of one split.

    Args:
      path: where Fashion-MNIST lies; searched for by default.
      split: 'train' or 'test'.
      num_examples: how many stacks are drawn, each three times uniformly, with
        replacement; the same ones in every run.
    """
    if num_examples < 1:
        raise UserError(f'config.data.num_examples is {num_examples}; set it to 1 or more.')
    images, labels, origin = fashion_mnist.find(path=path, split=split)
    key = jax.random.key(_SEEDS[split])
    rows = np.asarray(jax.random.randint(key, (num_examples, 3), 0, len(images)))

    def read(selection):
        selected = rows[selection]
        return {
            'image': np.stack([images[selected[:, channel]] for channel in range(3)], axis=-1),
            'label': stacked_classes(labels[selected].astype(np.int32)),
        }

    description = (
        f'{num_examples:,} stacks of three from Fashion-MNIST {split} in {origin}: '
        f'{images.shape[1]} x {images.shape[2]} x 3, 1,000 modes'
    )
    return Dataset(read, (num_examples, *images.shape[1:], 3), description)


def stacked_classes(digits) -> np.ndarray:
    """Numbers the modes of stacked images: 100 r + 10 g + b of the digits [n, 3], int [n]."""
    digits = np.asarray(digits)
    return digits[:, 0] * 100 + digits[:, 1] * 10 + digits[:, 2]
