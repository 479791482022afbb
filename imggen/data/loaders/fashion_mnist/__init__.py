"""Fashion-MNIST: 60,000 and 10,000 gray images of clothes, 28 x 28, in ten classes.

The four IDX files are read from the configured folder. If none is configured, the loader searches
the folder of Debian's package `dataset-fashion-mnist` and then the user's cache. If they are in
neither, it downloads that package and unpacks it into the cache, which needs no root. The last
resort is a copy that tensorflow-datasets has already prepared.

The contents are checked against the published set, because the compressed files differ between
distributors.

    python -m imggen.data.loaders.fashion_mnist        fetches, checks and prints where they are
"""

import hashlib
import pathlib
import shutil
import tempfile

import numpy as np
from absl import logging

from imggen import files
from imggen.data.dataset import Dataset
from imggen.data.download import apt
from imggen.data.loaders import idx, tfds
from imggen.errors import UserError

NAMES = (
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
)
SYSTEM_FOLDER = pathlib.Path('/usr/share/datasets/fashion-mnist')

PACKAGE = 'dataset-fashion-mnist'
SHA256 = {  # Digests of the decompressed contents.
    'train-images-idx3-ubyte': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    'train-labels-idx1-ubyte': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    't10k-images-idx3-ubyte': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    't10k-labels-idx1-ubyte': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
}


def load(
    *,
    path: str | None = None,
    split: str = 'train',
    class_names: tuple[int | str, ...] = (),
    max_examples: int | None = None,
    pad_pixels: int = 0,
) -> Dataset:
    """Loads Fashion-MNIST. `path` replaces the search; for the other options, see `idx.select`."""
    images, labels, origin = find(path=path, split=split)
    return idx.select(
        images,
        labels,
        NAMES,
        origin=f'Fashion-MNIST {split} from {origin}',
        class_names=class_names,
        max_examples=max_examples,
        pad_pixels=pad_pixels,
    )


def find(*, path: str | None = None, split: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns images uint8 [n, 28, 28], labels uint8 [n] and where they came from."""
    idx.check_split(split)
    if path is not None:
        return _read(pathlib.Path(path).expanduser(), split)
    for folder in (SYSTEM_FOLDER, cache_folder()):
        if not folder.is_dir():
            continue
        try:
            return _read(folder, split)
        except UserError as error:
            logging.info('%s', error)
    try:
        fetch(cache_folder())
        return _read(cache_folder(), split)
    except OSError as error:
        logging.warning('Fetching %s failed: %s', PACKAGE, error)
    try:
        arrays = tfds.load(dataset='fashion_mnist', split=split).read(slice(None))
        return arrays['image'][..., 0], arrays['label'].astype(np.uint8), 'tensorflow-datasets'
    except UserError as error:
        raise UserError(
            f'Fashion-MNIST is not on this machine and could not be fetched: install the Debian '
            f'package {PACKAGE}, or put its four *-ubyte.gz files into {cache_folder()}, or set '
            'config.data.path to the folder that holds them.'
        ) from error


def cache_folder() -> pathlib.Path:
    """Returns the folder of fetched files, in the user's cache."""
    return files.cache('fashion-mnist')


def fetch(folder: pathlib.Path) -> None:
    """Downloads the Debian package and moves its four IDX files into `folder`.

    It needs apt-get and dpkg-deb, but not root.

    Raises:
      OSError: the package cannot be downloaded or unpacked.
    """
    logging.info('Fetching Fashion-MNIST (31 MB) from the Debian package %s.', PACKAGE)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix='.fetch-') as scratch:
        place = SYSTEM_FOLDER.relative_to('/')
        apt.unpack(PACKAGE, pathlib.Path(scratch), (f'{place}/*.gz',))
        unpacked = pathlib.Path(scratch) / place
        for name in SHA256:
            # A rename within one file system, so that other processes never see half a file.
            shutil.move(unpacked / f'{name}.gz', folder / f'{name}.gz')


def _read(folder: pathlib.Path, split: str) -> tuple[np.ndarray, np.ndarray, str]:
    arrays = []
    for path in idx.split_files(folder, split):
        content = idx.read_bytes(path)
        if hashlib.sha256(content).hexdigest() != SHA256[path.name.removesuffix('.gz')]:
            raise UserError(
                f'{path} is not the published file of Fashion-MNIST; remove it to have it fetched '
                "again, or read another set of the same format with config.data.name='idx'."
            )
        arrays.append(idx.parse(content, path))
    return *arrays, str(folder)
