"""IDX files, the format of MNIST and its successors.

A folder holds four files, compressed with gzip or not:

    train-images-idx3-ubyte  train-labels-idx1-ubyte
    t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte

A file consists of two zero bytes, a type code (8: unsigned bytes), the number of dimensions,
each dimension as a big-endian uint32, and the values.
"""

import gzip
import math
import pathlib
import zlib

import numpy as np

from imggen import files
from imggen.data.dataset import Dataset, from_arrays
from imggen.errors import UserError

_UNSIGNED_BYTES = 8
_PREFIXES = {'train': 'train', 'test': 't10k'}


def load(
    *,
    path: str,
    split: str = 'train',
    class_names: tuple[int | str, ...] = (),
    max_examples: int | None = None,
    pad_pixels: int = 0,
) -> Dataset:
    """Loads the folder `path` in the format of MNIST; for the other options, see `select`."""
    images, labels = (parse(read_bytes(file), file) for file in split_files(path, split))
    names = tuple(str(number) for number in range(int(labels.max(initial=0)) + 1))
    return select(
        images,
        labels,
        names,
        origin=f'{path} ({split})',
        class_names=class_names,
        max_examples=max_examples,
        pad_pixels=pad_pixels,
    )


def select(
    images: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    *,
    origin: str,
    class_names: tuple[int | str, ...] = (),
    max_examples: int | None = None,
    pad_pixels: int = 0,
) -> Dataset:
    """Checks a pair of IDX arrays and selects a part of them.

    Args:
      images: uint8 [n, height, width].
      labels: uint8 [n].
      names: names of the classes in the order of their labels.
      origin: what error messages call the set.
      class_names: labels or names of the classes to keep, which are renumbered in this order;
        () for all.
      max_examples: how many examples to keep, from the first; None for all.
      pad_pixels: width of a black border on each side (2 turns 28 x 28 into 32 x 32).

    Returns:
      A set of shape [n, height, width, 1].

    Raises:
      UserError: the arrays do not belong together, a class is unknown, or nothing is left.
    """
    if pad_pixels < 0:
        raise UserError(f'config.data.pad_pixels is {pad_pixels}; set it to 0 or more.')
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise UserError(
            f'{origin} pairs images of shape {images.shape} with labels of shape {labels.shape}; '
            'they come from different sets, so fetch both files again.'
        )
    if class_names:
        numbers = [_class_number(name, names, origin) for name in class_names]
        table = np.full(256, -1, np.int32)
        table[numbers] = np.arange(len(numbers))
        labels = table[labels]
        empty = [name for i, name in enumerate(class_names) if not np.any(labels == i)]
        if empty:
            raise UserError(f'{origin} holds no image of class {empty[0]!r}; choose another class.')
        images, labels = images[labels >= 0], labels[labels >= 0]
        names = tuple(names[number] for number in numbers)
    if max_examples is not None:
        images, labels = images[:max_examples], labels[:max_examples]
    if not len(images):
        raise UserError(f'{origin} holds no images; set config.data.path to another folder.')
    border = (pad_pixels, pad_pixels)
    images = np.pad(images, ((0, 0), border, border))[..., None]
    description = f'{origin}: {len(images):,} images of {images.shape[1]} x {images.shape[2]}'
    return from_arrays(images, labels=labels, description=description, names=names)


def split_files(path: str | pathlib.Path, split: str) -> tuple[pathlib.Path, pathlib.Path]:
    """Returns the paths of a split's images and labels; raises UserError if one is missing."""
    check_split(split)
    folder = pathlib.Path(path).expanduser()
    return tuple(
        _find(folder, f'{_PREFIXES[split]}-{kind}') for kind in ('images-idx3', 'labels-idx1')
    )


def check_split(split: str) -> None:
    """Raises UserError unless the split is 'train' or 'test'."""
    if split not in _PREFIXES:
        raise UserError(f"config.data.split is {split!r}; choose 'train' or 'test'.")


def read_bytes(path: pathlib.Path) -> bytes:
    """Returns the contents of a file, decompressed if its name ends in .gz."""
    try:
        if path.suffix == '.gz':
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f'{path} cannot be read ({error}); fetch it again.') from error


def parse(content: bytes, path: pathlib.Path) -> np.ndarray:
    """Returns the uint8 array in the content of an IDX file; errors name `path`."""
    if len(content) < 4 or content[:2] != b'\0\0' or content[2] != _UNSIGNED_BYTES:
        raise UserError(
            f'{path} starts with the bytes {content[:4].hex(" ")}, not those of an IDX file of '
            'unsigned bytes (00 00 08 ..); replace it.'
        )
    start = 4 + 4 * content[3]
    sizes = (content[place : place + 4] for place in range(4, start, 4))
    shape = tuple(int.from_bytes(size, 'big') for size in sizes)
    if len(content) - start != math.prod(shape):
        raise UserError(
            f'{path} announces shape {shape} but holds {max(len(content) - start, 0)} values; '
            'it is truncated or damaged, so fetch it again.'
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def write(folder: pathlib.Path, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Writes a split in the format that `load` reads; makes the folder if it is missing.

    Images are uint8 [n, height, width], and labels integers [n] in [0, 255].
    """
    check_split(split)
    for kind, array in (('images-idx3', images), ('labels-idx1', labels)):
        array = np.asarray(array, np.uint8)
        header = bytes([0, 0, _UNSIGNED_BYTES, array.ndim])
        sizes = b''.join(size.to_bytes(4, 'big') for size in array.shape)
        with files.writing(folder / f'{_PREFIXES[split]}-{kind}-ubyte') as partial:
            partial.write_bytes(header + sizes + array.tobytes())


def _find(folder: pathlib.Path, stem: str) -> pathlib.Path:
    for name in (f'{stem}-ubyte', f'{stem}-ubyte.gz'):
        if (folder / name).is_file():
            return folder / name
    raise UserError(
        f'{folder} holds no {stem}-ubyte or {stem}-ubyte.gz; set config.data.path to the folder '
        'of the set.'
    )


def _class_number(name: int | str, names: tuple[str, ...], origin: str) -> int:
    if isinstance(name, str) and name in names:
        return names.index(name)
    if isinstance(name, int) and 0 <= name < len(names):
        return name
    raise UserError(
        f'{origin} has no class {name!r}; config.data.class_names chooses from {", ".join(names)}.'
    )
