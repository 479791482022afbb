"""Features of images: a frozen extractor computes them in batches; real images' are cached.

Every image is rounded to uint8 first, so that a generated array and the PNG written from it
have the same features. A thumbnail is kept beside the features: it shows copies that are blurred,
which a network takes for other images.
"""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import files
from imggen.errors import UserError
from imggen.features import archive
from imggen.features.extractor import Extractor
from imggen.images import from_uint8, to_uint8
from imggen.metrics import batching
from imggen.metrics.frechet import Moments
from imggen.progress import Progress

_BATCH_SIZE, _SMALLEST_BATCH = 256, 32
# Of the square images that a network sees, on a CPU: more of them are not faster there, take room,
# and show progress rarely. VGG16 takes 0.2 s for an image on a core.
_CPU_PIXELS = 32 * 128 * 128
_THUMBNAIL = 8  # Pixels a side.


class Features(NamedTuple):
    """The features of a set of images.

    Attributes:
      features: float32 [n, d].
      logits: float32 [n, classes]; None if the extractor does not classify.
      extractor: name and digest. Features of different extractors are never compared.
      thumbnails: uint8 [n, 8, 8, channels], the images made small; None if they are not known.
    """

    features: np.ndarray
    logits: np.ndarray | None
    extractor: str
    thumbnails: np.ndarray | None = None

    def rows(self, rows: slice | np.ndarray) -> 'Features':
        """Returns the rows that a slice or an index array selects."""
        logits = None if self.logits is None else self.logits[rows]
        thumbnails = None if self.thumbnails is None else self.thumbnails[rows]
        return Features(self.features[rows], logits, self.extractor, thumbnails)


def label(extractor: Extractor) -> str:
    """Returns the name and digest of an extractor, the label of all that is measured with it."""
    return f'{extractor.name}-{extractor.digest}'


def extract(
    extractor: Extractor,
    images: np.ndarray | Iterable[np.ndarray],
    *,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    advance: Callable[[int], None] | None = None,
) -> Features:
    """Returns the features of all images.

    Args:
      extractor: the frozen network. It is compiled once, for one batch size.
      images: [n, height, width, channels], uint8, or float in [-1, 1]; or an iterable of such
        arrays of any length.
      batch_size: images in a batch; rounded up to a multiple of the number of devices. By
        default 256, and fewer for a large network on a CPU.
      mesh: a mesh with an axis 'data' to spread a batch over; None for one device.
      advance: is told, after every batch, how many images are done.

    Raises:
      UserError: there are no images, or they differ in size, hold NaN or have another dtype.
    """
    outputs = batching.concatenate(_stream(extractor, images, batch_size, mesh, advance))
    return Features(
        outputs['features'], outputs.get('logits'), label(extractor), outputs['thumbnails']
    )


def extract_moments(
    extractor: Extractor,
    images: np.ndarray | Iterable[np.ndarray],
    *,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    advance: Callable[[int], None] | None = None,
) -> Moments:
    """Returns the moments of all images' features without keeping them: for sets of any size.

    The arguments are those of `extract`.
    """
    total = None
    for outputs in _stream(extractor, images, batch_size, mesh, advance):
        part = Moments.of(outputs['features'])
        total = part if total is None else total.merge(part)
    return total


def cached_features(
    extractor: Extractor,
    read: Callable[[], Iterable[np.ndarray]],
    *,
    mesh: Mesh | None = None,
    shown: str = '',
) -> Features:
    """Returns the features of a set, from the cache if it holds them.

    The cache is the folder $XDG_CACHE_HOME/imggen/features. The name of a file is a hash of
    the extractor and of every pixel, so that neither can change unnoticed. A damaged file is
    computed again; a folder that cannot be written gives a warning. Nothing else is ever read or
    lost with the folder: it may be removed at any time.

    Args:
      read: returns an iterable over chunks of the images, as `extract` takes them. It is called
        once to hash them and, if the cache lacks their features, once more.
      extractor, mesh: as for `extract`.
      shown: the name of the set in the progress line.
    """
    digest, count = _hash(extractor, read())
    path = files.cache('features', f'{extractor.name}-{digest}.npz')
    found = _read(path, count, label(extractor))
    if found is None:
        # A few images are not padded to a whole batch; few batch sizes are compiled.
        batch_size = max(_SMALLEST_BATCH, 2 ** (count - 1).bit_length())
        batch_size = min(_largest_batch(extractor, mesh), batch_size)
        progress = Progress(count, unit='image', active=jax.process_index() == 0)
        advance = functools.partial(progress.advance, label=shown)
        found = extract(extractor, read(), batch_size=batch_size, mesh=mesh, advance=advance)
        progress.close()
        _write(path, found)
    return found


@functools.partial(jax.jit, static_argnames=('apply', 'mesh'))
def _apply(apply, params, images, *, mesh):
    size = (len(images), _THUMBNAIL, _THUMBNAIL, images.shape[-1])
    visible = images.astype(np.float32)
    if images.shape[-1] == 4:  # What is transparent has no color.
        visible = visible.at[..., :3].multiply(visible[..., 3:] / 255.0)
    thumbnails = jax.image.resize(visible, size, 'linear')
    outputs = apply(params, from_uint8(images))
    outputs = {**outputs, 'thumbnails': jax.numpy.round(thumbnails).astype(np.uint8)}
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


def _hash(extractor: Extractor, chunks: Iterable[np.ndarray]) -> tuple[str, int]:
    """Returns a hash of the extractor and of all images, however they are cut, and their number."""
    content = f'{label(extractor)} {extractor.note} {_THUMBNAIL} '
    sha, count = hashlib.sha256(content.encode()), 0
    for chunk in chunks:
        chunk = _as_uint8(chunk)
        if not count:
            sha.update(f'{chunk.shape[1:]} '.encode())
        sha.update(np.ascontiguousarray(chunk))
        count += len(chunk)
    return sha.hexdigest()[:32], count


def _stream(
    extractor: Extractor,
    images,
    batch_size: int | None,
    mesh: Mesh | None,
    advance: Callable[[int], None] | None = None,
) -> Iterator[dict]:
    """Yields features, logits and thumbnails of every batch by name, on the host."""
    if hasattr(images, 'ndim'):
        images = [images]
    if batch_size is None:
        batch_size = _largest_batch(extractor, mesh)
    params, put = extractor.params, jax.numpy.asarray
    if mesh is not None:
        batch_size += -batch_size % mesh.shape['data']
        params = jax.device_put(params, NamedSharding(mesh, P()))
        put = functools.partial(jax.device_put, device=NamedSharding(mesh, P('data')))

    def apply(batch):
        return _apply(extractor.apply, params, put(batch), mesh=mesh)

    done = 0
    for outputs in batching.stream_batches(apply, map(_as_uint8, images), batch_size=batch_size):
        done += len(outputs['features'])
        if advance is not None:
            advance(done)
        yield outputs


def _largest_batch(extractor: Extractor, mesh: Mesh | None) -> int:
    platform = jax.default_backend() if mesh is None else mesh.devices.flat[0].platform
    if platform != 'cpu' or extractor.size is None:
        return _BATCH_SIZE
    return min(_BATCH_SIZE, max(_SMALLEST_BATCH, _CPU_PIXELS // extractor.size**2))


def _checksum(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b''.join(array.tobytes() for array in arrays)).hexdigest()


def _read(path: pathlib.Path, count: int, extractor: str) -> Features | None:
    if not path.exists():
        return None
    try:
        stored = archive.read(path)
        features, logits, thumbnails = (
            stored[name] for name in ('features', 'logits', 'thumbnails')
        )
        is_sound = str(stored['checksum']) == _checksum(features, logits, thumbnails)
    except (UserError, KeyError):
        is_sound = False
    dimensions = is_sound and (features.ndim, logits.ndim, thumbnails.ndim)
    if dimensions != (2, 2, 4) or not len(features) == len(thumbnails) == count:
        logging.warning('Cached features %s are damaged; they are computed again.', path)
        return None
    return Features(features, logits if logits.shape[1] else None, extractor, thumbnails)


def _write(path: pathlib.Path, found: Features) -> None:
    arrays = {
        'features': found.features,
        'logits': np.zeros((len(found.features), 0)) if found.logits is None else found.logits,
        'thumbnails': found.thumbnails,
    }
    try:
        with files.writing(path) as partial, open(partial, 'wb') as file:
            np.savez(file, **arrays, checksum=_checksum(*arrays.values()))
    except OSError as error:
        logging.warning('Features are not cached: %s', error)
