"""Compares two folders of images, without a run.

They are compared as distributions, by the features of an extractor, or file by file: each image
with the reference of the same name.
"""

import collections
import pathlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from imggen import data, devices
from imggen.data import decode
from imggen.data.loaders import folder
from imggen.errors import UserError
from imggen.evaluation import distribution
from imggen.features.extractor import Extractor
from imggen.images import from_uint8
from imggen.metrics import paired
from imggen.metrics.extraction import extract, reference_features
from imggen.metrics.lpips import load, lpips

_PAIRS_AT_ONCE = 16


class Folders(NamedTuple):
    """Two folders, and how their images are resized.

    Attributes:
      generated, reference: the two folders.
      size: (height, width) of all images; by default the most common size, or for pairs the
        size of each file.
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

    Raises:
      UserError: a folder holds no images, or none that can be read.
    """
    size, note = _common_size(folders)

    def read(path):
        section = {'name': 'folder', 'path': path, 'size': size, 'fit': folders.fit}
        return data.examples(section, split='train')[0]

    mesh = devices.make_mesh()
    pictures = read(folders.reference)
    whole = isinstance(pictures, np.ndarray)
    features = (reference_features if whole else extract)(extractor, pictures, mesh=mesh)
    generated = extract(extractor, read(folders.generated), mesh=mesh)
    real = distribution.Reference(folders.reference, features, None)
    line = distribution.compare(real, generated, extractor, only=only, seed=seed)
    return {**line, 'note': f'{note} {line["note"]}'}


def pairs(folders: Folders) -> dict[str, Any]:
    """Compares images of the same name: mean absolute error, PSNR, SSIM and LPIPS.

    Names match without their suffixes. Images keep their own size unless `folders.size` is
    given.

    Returns:
      A dict like that of `distribution.compare`. The spread is the standard error over images.
      The error 'l1' is for pixels in [0, 1], and PSNR is in decibels.

    Raises:
      UserError: a name has no partner, two partners differ in size, or an image cannot be
        read.
    """
    names = _matching(folders)
    networks, missing = _networks()
    values = collections.defaultdict(list)
    for images, references in _batches(folders, names):
        values['l1'].append(paired.mae(images, references) / 2)
        values['psnr'].append(paired.psnr(images, references))
        values['ssim'].append(paired.ssim(images, references))
        for name, params in networks.items():
            values[f'lpips_{name}'].append(_lpips(params, images, references))
    values = {name: np.concatenate(parts) for name, parts in values.items()}
    count = len(names)
    spread = {
        name: float(np.std(each, ddof=1) / count**0.5)
        for name, each in values.items()
        if count > 1 and np.isfinite(each).all()  # An equal pair has an infinite PSNR.
    }
    sizes = f'at {folders.size} ({folders.fit})' if folders.size else 'at their own size'
    return {
        'extractor': 'pairs',
        'digest': 'of equal names',
        'reference': folders.reference,
        'num_reference': count,
        'num_generated': count,
        'metrics': {name: float(each.mean()) for name, each in values.items()},
        'spread': spread,
        'floor': {},
        'note': ' '.join(filter(None, [f'The {count} pairs were compared {sizes}.', missing])),
    }


def _matching(folders: Folders) -> list[tuple[pathlib.Path, pathlib.Path]]:
    sides = []
    for path in (folders.generated, folders.reference):
        root = pathlib.Path(path).expanduser()
        files = folder.scan(root).files
        sides.append(
            {pathlib.PurePath(file).with_suffix('').as_posix(): root / file for file in files}
        )
    generated, reference = sides
    unmatched = sorted(generated.keys() - reference.keys())
    if unmatched or not generated:
        example = f': {unmatched[0]} has none' if unmatched else ''
        raise UserError(
            f'{len(unmatched)} of {len(generated)} images of {folders.generated} have no partner '
            f'of the same name in {folders.reference}{example}; name two folders that match.'
        )
    return [(generated[name], reference[name]) for name in sorted(generated)]


def _batches(folders: Folders, names):
    """Yields (images, references), float32 [k, height, width, 3] in [-1, 1], by image size."""
    waiting = collections.defaultdict(list)
    for files in names:
        try:
            both = [
                decode.to_channels(decode.decode(file, matte=decode.WHITE), 3) for file in files
            ]
        except decode.DecodeError as error:
            raise UserError(f'{error}; replace it or remove it from both folders.') from error
        if folders.size:
            size = folders.size
            both = [decode.resize(one, size, fit=folders.fit, matte=decode.WHITE) for one in both]
        if both[0].shape != both[1].shape:
            sizes = [f'{one.shape[1]} x {one.shape[0]}' for one in both]
            raise UserError(
                f'{files[0]} is {sizes[0]} and {files[1]} is {sizes[1]}; give --size=height,width.'
            )
        group = waiting[both[0].shape]
        group.append(both)
        if len(group) == _PAIRS_AT_ONCE:
            yield _stack(group)
            group.clear()
    yield from (_stack(group) for group in waiting.values() if group)


def _stack(group):
    return tuple(from_uint8(np.stack(side)) for side in zip(*group, strict=True))


def _networks():
    """Returns LPIPS parameters by network, or a sentence if they are not installed."""
    try:
        return {name: load(name) for name in ('alexnet', 'vgg16')}, ''
    except UserError as error:
        return {}, f'LPIPS is missing: {error}'


_lpips = jax.jit(lpips)


def _common_size(folders: Folders) -> tuple[tuple[int, int], str]:
    """Returns the size of both folders' images, and a sentence on what is resized."""
    sizes = collections.Counter()
    for path in (folders.reference, folders.generated):
        root = pathlib.Path(path).expanduser()
        for name in folder.scan(root).files:
            try:
                with decode.opened(root / name) as picture:
                    sizes[picture.size[::-1]] += 1
            except decode.DecodeError:
                continue  # The loader reports it.
    if not sizes:
        raise UserError(f'{folders.reference} and {folders.generated} hold no images to compare.')
    size = folders.size or sizes.most_common(1)[0][0]
    resized = sum(count for other, count in sizes.items() if other != size)
    return size, (
        f'{resized} of {sum(sizes.values())} images were resized to {size[0]} x {size[1]} '
        f'({folders.fit}, antialiased).'
    )
