"""Sets that tensorflow-datasets has prepared, read in any order without TensorFlow.

They are read from the folder that `download_and_prepare` filled in the format `array_record`.
Nothing is fetched over a network: preparing is a separate step, which needs TensorFlow.
"""

import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from imggen.data import decode
from imggen.data.dataset import Dataset
from imggen.errors import UserError

_READ_TOGETHER = 256


def load(
    *,
    dataset: str,
    data_dir: str | None = None,
    split: str = 'train',
    size: tuple[int, int] | None = None,
    fit: str = 'crop',
    channels: int | None = None,
    image_feature: str = 'image',
    label_feature: str = 'label',
) -> Dataset:
    """Opens a prepared set.

    Args:
      dataset: 'name' or 'name/config', with ':1.2.3' for a version; by default the newest.
      data_dir: the folder of all sets; by default $TFDS_DATA_DIR or ~/tensorflow_datasets.
      split: in the notation of tensorflow-datasets, such as 'train' or 'test[:10%]'.
      size: (height, width) in pixels; needed if the images differ in size.
      fit: 'crop', 'pad' or 'stretch'; see `decode.resize`.
      channels: 1 or 3; None for as many as the images have.
      image_feature: name of the feature that holds the images.
      label_feature: name of the feature that holds the labels; a set without it has no labels.

    Raises:
      UserError: the set is not prepared, or it has no such feature, split or images.
    """
    decode.check_options(size=size, fit=fit, channels=channels)
    builder = _open(dataset, data_dir)
    features = builder.info.features
    height, width, stored_channels = _image_shape(dataset, features, image_feature)
    if size is None and (height is None or width is None):
        raise UserError(f'The images of {dataset} differ in size; set config.data.size.')
    size, channels = tuple(size or (height, width)), channels or min(stored_channels, 3)
    try:
        source = builder.as_data_source(split=split)
    except ValueError as error:
        raise UserError(
            f'{dataset} has no split {split!r}; it has {", ".join(builder.info.splits)}.'
        ) from error
    except NotImplementedError as error:
        raise UserError(
            f'{dataset} was prepared in a format without random access; '
            f'prepare it again: {_recipe(dataset)}.'
        ) from error
    labeled = label_feature in features
    names = getattr(features[label_feature], 'names', None) if labeled else None

    def read(rows):
        numbers = np.arange(len(source))[rows]
        images = np.empty((len(numbers), *size, channels), np.uint8)
        labels = np.empty(len(numbers), np.int32)
        for first in range(0, len(numbers), _READ_TOGETHER):
            together = numbers[first : first + _READ_TOGETHER].tolist()
            for row, example in enumerate(source.__getitems__(together), first):
                picture = decode.to_channels(_opaque(example[image_feature]), channels)
                images[row] = decode.resize(picture, size, fit=fit)
                labels[row] = example[label_feature] if labeled else 0
        return {'image': images, 'label': labels} if labeled else {'image': images}

    return Dataset(
        read,
        (len(source), *size, channels),
        f'{builder.info.full_name} ({split}): {len(source):,} images of {size[0]} x {size[1]}',
        tuple(names or ()),
    )


def _image_shape(
    dataset: str, features: Mapping[str, Any], name: str
) -> tuple[int | None, int | None, int]:
    """Returns (height, width, channels) of the images, with None for sizes that differ."""
    if name not in features:
        raise UserError(
            f'{dataset} has no feature {name!r}; set config.data.image_feature to one of '
            f'{", ".join(features)}.'
        )
    image = features[name]
    if image.np_dtype != np.uint8 or len(image.shape) != 3:
        raise UserError(f'{dataset}: {name!r} does not hold 8-bit images; choose another.')
    if image.shape[-1] not in (1, 3, 4):
        raise UserError(
            f'The images of {dataset} have {image.shape[-1]} channels; choose a set with 1, 3 or 4.'
        )
    return image.shape


def _open(dataset: str, data_dir: str | None):
    """Returns a builder that reads files on disk and never uses a network."""
    root = pathlib.Path(
        data_dir or os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets'
    ).expanduser()
    name, _, version = dataset.partition(':')
    folder = root / name
    versions = sorted(
        (
            path.name
            for path in (folder.iterdir() if folder.is_dir() else ())
            if re.fullmatch(r'\d+\.\d+\.\d+', path.name) and (path / 'dataset_info.json').is_file()
        ),
        key=lambda number: tuple(map(int, number.split('.'))),
    )
    if not versions or (version and version not in versions):
        raise UserError(f'{dataset} is not prepared in {root}; prepare it: {_recipe(dataset)}.')
    import tensorflow_datasets

    return tensorflow_datasets.builder_from_directory(folder / (version or versions[-1]))


def _recipe(dataset: str) -> str:
    return (
        f'python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{dataset}', file_format='array_record').download_and_prepare()\" "
        '(with TensorFlow installed)'
    )


def _opaque(picture: np.ndarray) -> np.ndarray:
    """Composites a fourth channel, alpha, over white."""
    if picture.shape[-1] != 4:
        return picture
    alpha = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
