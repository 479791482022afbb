"""Batches of one size from images that come in chunks of any size.

One batch size means one compiled program. The last batch is padded with zeros, and the results
for the padding are cut off.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from imggen.errors import UserError


def stream_batches(
    function: Callable[[np.ndarray], Any], chunks: Iterable[np.ndarray], *, batch_size: int
) -> Iterator[Any]:
    """Yields the result of `function` for every batch, as NumPy arrays.

    Args:
      function: (images [batch_size, height, width, channels]) -> a pytree of arrays that lead
        with `batch_size`.
      chunks: arrays [k, height, width, channels] of one dtype; k may differ, and may be 0.
      batch_size: the number of images in a batch.

    Yields:
      The pytrees in order. The last one may lead with fewer images.

    Raises:
      UserError: there are no images, or two chunks differ in the size of their images.
    """
    pending = None
    for batch, count in _rebatch(chunks, batch_size):
        outputs = function(batch)
        # A result is read one batch late, so that the device computes while the host decodes.
        if pending is not None:
            yield jax.tree.map(np.asarray, pending)
        pending = jax.tree.map(lambda leaf, count=count: leaf[:count], outputs)
    if pending is None:
        raise UserError('There are no images to measure.')
    yield jax.tree.map(np.asarray, pending)


def map_batches(
    function: Callable[[np.ndarray], Any], images: np.ndarray, *, batch_size: int = 256
) -> Any:
    """Applies `function` to images [n, height, width, channels] in batches.

    Returns:
      The pytree that `function` returns, as NumPy arrays that lead with n.

    Raises:
      UserError: there are no images.
    """
    return concatenate(stream_batches(function, [images], batch_size=batch_size))


def concatenate(trees: Iterable[Any]) -> Any:
    """Concatenates pytrees of arrays along their first axis."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)


def _rebatch(chunks: Iterable, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yields batches of one size, each with the number of images in it that are not padding."""
    held, count = [], 0
    for chunk in chunks:
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
                held, count = [part[:0]], 0  # An empty part remembers the shape.
    if count:
        held.append(np.zeros((batch_size - count, *held[0].shape[1:]), held[0].dtype))
        yield np.concatenate(held), count
