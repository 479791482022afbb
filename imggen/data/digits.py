"""The 8 x 8 digits of scikit-learn: 1,797 grey pictures in its package, the smallest real set.

They come without a split; the last fifth, by other writers, is 'test'.
"""

import numpy as np

from imggen.data import idx
from imggen.data.dataset import Dataset
from imggen.errors import UserError

NAMES = tuple(str(digit) for digit in range(10))
_BRIGHTEST = 16
_NUM_TRAIN = 1437


def load(
    *,
    split: str = 'train',
    classes: tuple[int | str, ...] = (),
    max_examples: int | None = None,
    pad_pixels: int = 0,
) -> Dataset:
    """Loads the digits. Options: see `idx.select`."""
    idx.check_split(split)
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            "config.data.name='digits' reads scikit-learn's digits, and scikit-learn is not "
            "installed: pip install 'imggen[dev]', or choose another data set."
        ) from error
    images, labels = load_digits().images, load_digits().target
    rows = slice(_NUM_TRAIN) if split == 'train' else slice(_NUM_TRAIN, None)
    return idx.select(
        np.rint(images[rows] * (255 / _BRIGHTEST)).astype(np.uint8),
        labels[rows].astype(np.uint8),
        NAMES,
        origin=f"scikit-learn's digits, {split}",
        classes=classes,
        max_examples=max_examples,
        pad_pixels=pad_pixels,
    )
