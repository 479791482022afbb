"""Sources without a data set: nothing at all, or the same images at every step."""

import pathlib
from collections.abc import Sequence

import numpy as np

from imggen.data import decode
from imggen.data.dataset import Dataset, from_arrays
from imggen.errors import UserError


def nothing() -> Dataset:
    """Returns a set whose batches are {}, for methods that need no data, such as evolution."""
    return Dataset(lambda rows: {}, (0, 0, 0, 0), 'no data', fixed=True)


def load(
    *,
    files: tuple[str, ...],
    size: tuple[int, int] | None = None,
    fit: str = 'crop',
    channels: int | None = None,
    alpha: bool = False,
    matte: tuple[int, int, int] = decode.WHITE,
) -> Dataset:
    """Decodes pictures once; together, in this order, they are the batch of every step.

    Args:
      files: paths of the pictures.
      size: (height, width) in pixels; None keeps the size of the pictures, which must be equal.
      fit: 'crop', 'pad' or 'stretch'; see `decode.resize`.
      channels: 1 or 3; None for 1 if all pictures are gray, and 3 otherwise.
      alpha: whether pictures keep their opacity, as a fourth channel.
      matte: RGB in [0, 255] behind transparent pictures, if they do not keep their opacity.

    Raises:
      UserError: a picture cannot be read, or sizes differ.
    """
    decode.check_options(size=size, fit=fit, channels=channels, matte=matte)
    if not files:
        raise UserError('config.data.files is empty; name at least one picture.')
    images = read(files, size=size, fit=fit, channels=channels, alpha=alpha, matte=matte)
    description = f'{len(files)} fixed pictures of {images.shape[1]} x {images.shape[2]}'
    return from_arrays(images, description=description, fixed=True)


def read(
    files: Sequence[str],
    *,
    size: tuple[int, int] | None,
    fit: str = 'crop',
    channels: int | None = None,
    alpha: bool = False,
    matte: tuple[int, int, int] = decode.WHITE,
    option: str = 'config.data.files',
) -> np.ndarray:
    """Returns pictures as `load` takes them, uint8 [n, height, width, channels].

    Raises:
      UserError: a picture cannot be read, or sizes differ; it names the `option` of the files.
    """
    paths = [pathlib.Path(file).expanduser() for file in files]
    try:
        pictures = [
            decode.decode_alpha(path) if alpha else decode.decode(path, matte=matte)
            for path in paths
        ]
    except decode.DecodeError as error:
        raise UserError(f'{error}; name another file in {option}.') from error
    if channels is None:
        channels = 1 if all(decode.is_gray(picture) for picture in pictures) else 3
    if not alpha:
        pictures = [decode.to_channels(picture, channels) for picture in pictures]
    if size is not None:
        pictures = [decode.resize(picture, size, fit=fit, matte=matte) for picture in pictures]
    for file, picture in zip(files, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            raise UserError(
                f'{file} and {files[0]} differ in size; set config.data.size to (height, width).'
            )
    return np.stack(pictures)
