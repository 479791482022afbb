"""Compares two folders of images as distributions, by the features of an extractor."""

import collections
import functools
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from imggen import data, devices
from imggen.data import decode
from imggen.data.loaders import folder
from imggen.errors import UserError
from imggen.evaluation import distribution
from imggen.features.extractor import Extractor
from imggen.metrics import extraction
from imggen.metrics.distribution import METRICS, moments_metrics
from imggen.metrics.extraction import Features, cached_features
from imggen.metrics.frechet import Moments
from imggen.metrics.statistics import Statistics

_NEARLY_ALL = 0.95
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width.


class Folders(NamedTuple):
    """Two folders, and how their images are resized.

    Attributes:
      generated, reference: the two folders.
      size: (height, width) of all images. By default, pairs keep the size of each file; for
        `distributions` it is the size that nearly all images have, or that of the extractor.
      fit: 'crop', 'pad' or 'stretch'; see `decode.resize`.
    """

    generated: str
    reference: str
    size: tuple[int, int] | None = None
    fit: str = 'crop'


def distributions(
    folders: Folders, extractor: Extractor, *, only: Iterable[str] = (), seed: int = 0
) -> dict[str, Any]:
    """Compares the folders as `distribution.compare` does.

    The features of both folders are cached, by the contents of the images.

    Raises:
      UserError: a measure is unknown, a folder holds no images, or none that can be read, or
        there are several sizes and nothing says which to take.
    """
    distribution.check_names(only, METRICS)
    size, note = _common_size(folders, extractor, ('reference', 'generated'))
    channels = _channels(folders, size)
    features = functools.partial(_features, folders, extractor, size, channels, devices.make_mesh())
    reference = features('reference')
    same = _root(folders, 'generated').resolve() == _root(folders, 'reference').resolve()
    generated = reference if same else features('generated')
    real = distribution.Reference(folders.reference, reference, None)
    found = distribution.compare(real, generated, extractor, only=only, seed=seed)
    return {**found, 'note': f'{note} {found["note"]}'}


def statistics(folders: Folders, extractor: Extractor) -> Statistics:
    """Returns the statistics of the reference folder, which `against` compares others with.

    Raises:
      UserError: the folder holds no images, or none that can be read, or there are several sizes
        and nothing says which to take.
    """
    size, _ = _common_size(folders, extractor, ('reference',))
    mesh = devices.make_mesh()
    features = _features(folders, extractor, size, None, mesh, 'reference')
    return Statistics(Moments.of(features.features), features.extractor, size, folders.fit)


def against(
    folders: Folders, stored: Statistics, extractor: Extractor, *, only: Iterable[str] = ()
) -> dict[str, Any]:
    """Compares the generated folder with stored statistics, by the Fréchet distance.

    The images are resized as those of the statistics were.

    Raises:
      UserError: another measure is asked for, the statistics are of another extractor or size, or
        the folder holds no images.
    """
    if lacking := sorted(set(only) - {'frechet'}):
        raise UserError(
            f'--measure={lacking[0]} needs pictures, and {folders.reference} holds the moments of '
            'their features: name the folder of the pictures.'
        )
    stored.check(extraction.label(extractor), folders.size, where=folders.reference)
    folders = folders._replace(size=stored.size or folders.size, fit=stored.fit or folders.fit)
    size, note = _common_size(folders, extractor, ('generated',))
    generated = _features(folders, extractor, size, None, devices.make_mesh(), 'generated')
    found = moments_metrics(stored.moments, Moments.of(generated.features))
    line = distribution.line(folders.reference, found, extractor)
    return {**line, 'note': f'{note} {line["note"]}'}


def scan(folders: Folders, option: str) -> tuple[pathlib.Path, Sequence[str]]:
    """Returns one of the folders, 'generated' or 'reference', and the names of its images.

    Raises:
      UserError: it is not a folder, or holds no images.
    """
    root = _root(folders, option)
    found = folder.scan(root, option=f'--{option}').files
    if not found:
        raise UserError(f'{root} holds no images to compare: name another --{option}.')
    return root, found


def size_of(path: pathlib.Path) -> tuple[int, int] | None:
    """Reads (height, width) from the header of a file, as it is decoded; None if it is damaged."""
    try:
        with decode.opened(path) as picture:
            width, height = picture.size
            # Where there is no EXIF, Pillow decodes the whole of a PNG to look for it.
            exif = picture.getexif() if 'exif' in picture.info else {}
            is_sideways = exif.get(0x0112) in _SIDEWAYS
    except decode.DecodeError:  # Whoever decodes the file reports the reason.
        return None
    return (width, height) if is_sideways else (height, width)


def _root(folders: Folders, option: str) -> pathlib.Path:
    return pathlib.Path(getattr(folders, option)).expanduser()


def _common_size(
    folders: Folders, extractor: Extractor, options: Sequence[str]
) -> tuple[tuple[int, int], str]:
    """Returns the size of all images, and a sentence on what is resized."""
    counts = []
    for option in options:
        root, found = scan(folders, option)
        counts.append(collections.Counter(filter(None, (size_of(root / name) for name in found))))
    total = sum(counts, collections.Counter())
    if not total:
        raise UserError(f'no image of {_root(folders, options[0])} can be read.')
    size = folders.size
    if size is None:
        size = total.most_common(1)[0][0]
        if any(each[size] < _NEARLY_ALL * each.total() for each in counts):
            size = _size_of_extractor(extractor, len(total))
    resized = total.total() - total[size]
    return size, (
        f'{resized} of {total.total()} images were resized to {size[0]} x {size[1]} '
        f'({folders.fit}, antialiased).'
    )


def _size_of_extractor(extractor: Extractor, num_sizes: int) -> tuple[int, int]:
    if extractor.size is None:
        raise UserError(
            f'the images have {num_sizes} sizes, and {extractor.name} takes any: give '
            '--size=height,width.'
        )
    return extractor.size, extractor.size


def _channels(folders: Folders, size: tuple[int, int]) -> int | None:
    """Returns 3 if one folder is gray and the other is not, so that both have equal channels."""
    shapes = {
        next(iter(_chunks(folders, option, size, None))).shape[-1]
        for option in ('generated', 'reference')
    }
    return 3 if len(shapes) > 1 else None


def _chunks(
    folders: Folders, option: str, size: tuple[int, int], channels: int | None
) -> Iterator[np.ndarray]:
    path = str(_root(folders, option))
    section = {'name': 'folder', 'path': path, 'size': size, 'fit': folders.fit}
    pictures, _ = data.examples({**section, 'channels': channels}, split='train')
    return iter([pictures] if isinstance(pictures, np.ndarray) else pictures)


def _features(
    folders: Folders,
    extractor: Extractor,
    size: tuple[int, int],
    channels: int | None,
    mesh: Mesh,
    option: str,
) -> Features:
    read = functools.partial(_chunks, folders, option, size, channels)
    return cached_features(extractor, read, mesh=mesh, shown=option)
