"""Stacked images: three random images of Fashion-MNIST as the channels of one, 1,000 modes.

Metz et al. (2017) test for mode collapse in this way, with digits instead of clothes. The
label of a stack is its mode: 100 r + 10 g + b, where r, g and b are the classes of the channels.
"""

import jax
import numpy as np

from imggen.data.dataset import Dataset
from imggen.data.loaders import fashion_mnist
from imggen.errors import UserError

_SEEDS = {'train': 0, 'test': 1}


def load(*, path: str | None = None, split: str = 'train', num_examples: int = 128_000) -> Dataset:
    """Stacks images of one split.

    Args:
      path: the folder of Fashion-MNIST; searched for by default.
      split: 'train' or 'test'.
      num_examples: how many stacks to draw. Each consists of three images, drawn uniformly with
        replacement. The stacks are the same in every run.

    Raises:
      UserError: fewer than one example.
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


def stacked_classes(digits: np.ndarray) -> np.ndarray:
    """Returns the modes of stacked images, 100 r + 10 g + b: int [n] from digits int [n, 3]."""
    digits = np.asarray(digits)
    return digits[:, 0] * 100 + digits[:, 1] * 10 + digits[:, 2]
