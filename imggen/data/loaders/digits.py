"""The 8 x 8 digits of scikit-learn: 1,797 gray images in its package, the smallest real set.

They come without a split. The last fifth, which other people wrote, is 'test'.
"""

import importlib.util
import pathlib

import numpy as np

from imggen.data.dataset import Dataset
from imggen.data.loaders import idx
from imggen.errors import UserError

NAMES = tuple(str(digit) for digit in range(10))
_BRIGHTEST = 16
_NUM_TRAIN = 1437


def load(
    *,
    split: str = 'train',
    class_names: tuple[int | str, ...] = (),
    max_examples: int | None = None,
    pad_pixels: int = 0,
) -> Dataset:
    """Loads the digits; for the options, see `idx.select`."""
    idx.check_split(split)
    package = importlib.util.find_spec('sklearn')
    if package is None:
        raise UserError(
            "config.data.name='digits' reads scikit-learn's digits, and scikit-learn is not "
            "installed: pip install 'imggen[dev]', or choose another data set."
        )
    # The package's own loader imports most of SciPy, two seconds for one small file.
    file = pathlib.Path(package.origin).parent / 'datasets' / 'data' / 'digits.csv.gz'
    table = np.loadtxt(file, delimiter=',', dtype=np.float32)
    images, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    rows = slice(_NUM_TRAIN) if split == 'train' else slice(_NUM_TRAIN, None)
    return idx.select(
        np.rint(images[rows] * (255 / _BRIGHTEST)).astype(np.uint8),
        labels[rows].astype(np.uint8),
        NAMES,
        origin=f"scikit-learn's digits, {split}",
        class_names=class_names,
        max_examples=max_examples,
        pad_pixels=pad_pixels,
    )
