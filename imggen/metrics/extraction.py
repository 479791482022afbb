"""Features of images: streamed through a frozen extractor, and remembered for references.

Every image is rounded to uint8 first, so that a generated array and the PNG written
from it have the same features.
"""

import functools
import hashlib
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen.errors import UserError
from imggen.features.extractor import Extractor
from imggen.images import from_uint8, to_uint8
from imggen.metrics.frechet import Moments


class Features(NamedTuple):
    """What an extractor saw of a set of images.

    Attributes:
      features: float32 [n, d].
      logits: float32 [n, classes], or None where the extractor does not classify.
      extractor: name and digest; figures of different extractors are never compared.
    """

    features: np.ndarray
    logits: np.ndarray | None
    extractor: str

    def rows(self, rows) -> 'Features':
        """Returns the rows of a slice or an index array."""
        logits = None if self.logits is None else self.logits[rows]
        return Features(self.features[rows], logits, self.extractor)


def label(extractor: Extractor) -> str:
    """Returns what figures are labeled with: name and digest."""
    return f'{extractor.name}-{extractor.digest}'


@functools.partial(jax.jit, static_argnames=('apply', 'mesh'))
def _apply(apply, params, images, *, mesh):
    outputs = apply(params, from_uint8(images))
    if mesh is None:
        return outputs
    return jax.lax.with_sharding_constraint(outputs, NamedSharding(mesh, P()))


def _as_uint8(chunk) -> np.ndarray:
    chunk = np.asarray(chunk)
    if chunk.ndim != 4:
        raise UserError(f'Images must be [n, height, width, channels], not {chunk.shape}.')
    if chunk.dtype == np.uint8:
        return chunk
    if not np.issubdtype(chunk.dtype, np.floating):
        raise UserError(f'Images must be uint8, or float in [-1, 1], not {chunk.dtype}.')
    if not np.isfinite(chunk).all():
        raise UserError(
            'Images hold NaN or infinity: the run diverged; take an earlier checkpoint.'
        )
    return to_uint8(chunk)


def _rebatch(chunks: Iterable, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Cuts chunks of any size into batches of one size; yields them with how many are images."""
    held, count = [], 0
    for chunk in chunks:
        chunk = _as_uint8(chunk)
        if held and chunk.shape[1:] != held[0].shape[1:]:
            raise UserError(
                f'Images of shapes {held[0].shape[1:]} and {chunk.shape[1:]} are in one set: '
                'resize them to one size.'
            )
        while len(chunk):
            part, chunk = chunk[: batch_size - count], chunk[batch_size - count :]
            held.append(part)
            count += len(part)
            if count == batch_size:
                yield np.concatenate(held), count
                # An empty part remembers the shape.
                held, count = [part[:0]], 0
    if count:
        held.append(np.zeros((batch_size - count, *held[0].shape[1:]), np.uint8))
        yield np.concatenate(held), count


def _stream(extractor: Extractor, images, batch_size: int, mesh: Mesh | None) -> Iterator[dict]:
    """Yields {'features': [b, d], 'logits': [b, classes]} on the host, batch by batch."""
    if hasattr(images, 'ndim'):
        images = [images]
    params, put = extractor.params, jax.numpy.asarray
    if mesh is not None:
        batch_size += -batch_size % mesh.shape['data']
        params = jax.device_put(params, NamedSharding(mesh, P()))
        put = functools.partial(jax.device_put, device=NamedSharding(mesh, P('data')))
    pending = None
    for batch, count in _rebatch(images, batch_size):
        outputs = _apply(extractor.apply, params, put(batch), mesh=mesh)
        # Read one batch late, so that the device works while the host decodes.
        if pending is not None:
            yield {name: np.asarray(value) for name, value in pending.items()}
        pending = {name: value[:count] for name, value in outputs.items()}
    if pending is None:
        raise UserError('There are no images to measure.')
    yield {name: np.asarray(value) for name, value in pending.items()}


def extract(
    extractor: Extractor, images, *, batch_size: int = 256, mesh: Mesh | None = None
) -> Features:
    """Returns the features of all images.

    Args:
      extractor: the frozen network; compiled once, for one batch size.
      images: one array, or an iterable of arrays of any length: uint8, or float in
        [-1, 1], [n, height, width, channels].
      batch_size: images at a time; rounded up to divide by the devices.
      mesh: a mesh with an axis 'data' to spread a batch over; None for one device.
    """
    outputs = list(_stream(extractor, images, batch_size, mesh))
    features = np.concatenate([output['features'] for output in outputs])
    logits = None
    if 'logits' in outputs[0]:
        logits = np.concatenate([output['logits'] for output in outputs])
    return Features(features, logits, label(extractor))


def extract_moments(
    extractor: Extractor, images, *, batch_size: int = 256, mesh: Mesh | None = None
) -> Moments:
    """Returns the moments of all images' features, which are not kept: for sets of any size.

    Arguments are those of `extract`.
    """
    total = None
    for outputs in _stream(extractor, images, batch_size, mesh):
        part = Moments.of(outputs['features'])
        total = part if total is None else total.merge(part)
    return total


def _cache_folder() -> pathlib.Path:
    cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache')
    return cache.expanduser() / 'imggen' / 'features'


def _checksum(features: np.ndarray, logits: np.ndarray) -> str:
    return hashlib.sha256(features.tobytes() + logits.tobytes()).hexdigest()


def _read(path: pathlib.Path, count: int, name: str) -> Features | None:
    try:
        # Opened here, for np.load leaves a truncated archive open.
        with open(path, 'rb') as file, np.load(file, allow_pickle=False) as stored:
            features, logits = stored['features'], stored['logits']
            sound = str(stored['checksum']) == _checksum(features, logits)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        sound = False
    if not sound or len(features) != count:
        logging.warning('Cached features %s are damaged; they are computed again.', path)
        return None
    return Features(features, logits if logits.shape[1] else None, name)


def _write(path: pathlib.Path, measured: Features) -> None:
    features, logits = measured.features, measured.logits
    if logits is None:
        logits = np.zeros((len(features), 0), np.float32)
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix='.partial', delete=False) as file:
            partial = pathlib.Path(file.name)
            np.savez(file, features=features, logits=logits, checksum=_checksum(features, logits))
        partial.replace(path)
    except OSError as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        logging.warning('Features are not cached: %s', error)


def reference_features(
    extractor: Extractor,
    images: np.ndarray,
    *,
    cache_folder: str | os.PathLike | None = None,
    batch_size: int = 256,
    mesh: Mesh | None = None,
) -> Features:
    """Returns the features of a reference set, from the cache where they were computed before.

    The file name is a hash of the extractor and of every pixel, so that neither
    can change unnoticed; a damaged file is computed again, a folder that cannot be
    written is a warning.

    Args:
      extractor: the frozen network.
      images: uint8 or float in [-1, 1], [n, height, width, channels].
      cache_folder: $XDG_CACHE_HOME/imggen/features by default.
      batch_size: as for `extract`.
      mesh: as for `extract`.
    """
    images = _as_uint8(images)
    sha = hashlib.sha256(f'{label(extractor)} {extractor.note} {images.shape} '.encode())
    sha.update(np.ascontiguousarray(images))
    folder = _cache_folder() if cache_folder is None else pathlib.Path(cache_folder)
    path = folder / f'{extractor.name}-{sha.hexdigest()[:32]}.npz'
    measured = _read(path, len(images), label(extractor))
    if measured is None:
        measured = extract(extractor, images, batch_size=batch_size, mesh=mesh)
        _write(path, measured)
    return measured
