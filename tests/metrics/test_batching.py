"""Batches of one size from chunks of any size."""

import numpy as np
import pytest

from imggen.errors import UserError
from imggen.metrics import batching

IMAGES = np.random.default_rng(0).uniform(1, 2, (11, 3, 2, 1)).astype(np.float32)


@pytest.mark.parametrize('sizes', [[11], [1] * 11, [0, 7, 0, 4], [4, 4, 3], [3, 8]])
def test_chunks_of_any_size_make_batches_of_one_size(sizes):
    seen = []

    def function(batch):
        seen.append(batch)
        return {'sum': batch.sum((1, 2, 3)), 'images': batch}

    chunks = np.split(IMAGES, np.cumsum(sizes)[:-1])
    found = batching.concatenate(batching.stream_batches(function, iter(chunks), batch_size=4))
    np.testing.assert_array_equal(found['images'], IMAGES)
    np.testing.assert_array_equal(found['sum'], IMAGES.sum((1, 2, 3)))
    assert [batch.shape for batch in seen] == [(4, 3, 2, 1)] * 3
    assert (seen[-1][3:] == 0).all() and seen[-1].dtype == np.float32


def test_an_array_is_mapped_in_batches():
    found = batching.map_batches(lambda batch: batch * 2, IMAGES, batch_size=5)
    np.testing.assert_array_equal(found, IMAGES * 2)


def test_the_device_works_on_the_next_batch_while_one_is_read():
    calls = []
    stream = batching.stream_batches(lambda batch: calls.append(1) or batch, [IMAGES], batch_size=4)
    next(stream)
    assert len(calls) == 2


def test_no_images_and_images_of_two_sizes_are_refused():
    with pytest.raises(UserError, match='no images to measure'):
        batching.map_batches(lambda batch: batch, IMAGES[:0])
    with pytest.raises(UserError, match='resize them'):
        list(batching.stream_batches(lambda batch: batch, [IMAGES, IMAGES[:, :2]], batch_size=4))
