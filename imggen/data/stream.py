"""Reads the batches of a set that does not fit in memory, ahead of the device."""

from collections.abc import Iterator

import jax
import numpy as np

from imggen.data import order
from imggen.data.dataset import Dataset

_READ_THREADS = 8
_LAST_STEP = 2**31 - 1


class Stream:
    """Windows of uint8 batches, read by threads.

    A window that starts where the last one ended uses the same iterator, which has read ahead in
    the meantime. Any other window starts a new iterator.
    """

    def __init__(
        self,
        dataset: Dataset,
        stream_keys: tuple[jax.Array, jax.Array],  # For the order, and for the partners of pairs.
        *,
        batch_size: int,
        rows: slice,
        batches_ahead: int,
    ):
        self._batches_ahead = batches_ahead
        self._batches = _Batches(dataset, stream_keys, batch_size, rows)
        self._iterator: Iterator[dict[str, np.ndarray]] | None = None
        self._next_step = 0

    def window(self, first_step: int, num_steps: int) -> dict[str, np.ndarray]:
        """Returns {'image': uint8 [steps, batch, ...], 'label': ..., 'first_step': int32 []}."""
        if self._iterator is None or first_step != self._next_step:
            self._iterator = self._start(first_step)
        batches = [next(self._iterator) for _ in range(num_steps)]
        self._next_step = first_step + num_steps
        window = {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
        return {**window, 'first_step': np.asarray(first_step, np.int32)}

    def _start(self, first_step: int) -> Iterator[dict[str, np.ndarray]]:
        import grain

        options = grain.ReadOptions(
            num_threads=_READ_THREADS, prefetch_buffer_size=self._batches_ahead
        )
        steps = grain.MapDataset.source(self._batches)[first_step:]
        return iter(steps.to_iter_dataset(options))


class _Batches:
    """All batches of a run as a random-access source; item s is the batch of step s."""

    def __init__(self, dataset, stream_keys, batch_size, rows):
        self._dataset, self._rows = dataset, rows
        self._key_data = [np.asarray(jax.random.key_data(key)) for key in stream_keys]
        impl = jax.random.key_impl(stream_keys[0])
        self._device = _host_device()  # So that reading never queues behind training.

        def indices(key_data, step):
            order_key, pair_key = (jax.random.wrap_key_data(data, impl=impl) for data in key_data)
            num_examples = dataset.shape[0]
            own = order.indices(order_key, step, batch_size=batch_size, num_examples=num_examples)
            if dataset.pairing is None or dataset.pairing.partner is None:
                return (own,)
            return own, dataset.pairing.partner(jax.random.fold_in(pair_key, step), own)

        self._indices = jax.jit(indices)

    def __len__(self) -> int:
        return _LAST_STEP

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        with jax.default_device(self._device):
            sides = jax.device_get(self._indices(self._key_data, np.int32(step)))
        batch, *others = [self._dataset.read(side[self._rows]) for side in sides]
        pictures = [batch['image'], *(other['image'] for other in others)]
        return {**batch, 'image': np.concatenate(pictures, axis=-1)}


def _host_device() -> jax.Device | None:
    try:
        return jax.local_devices(backend='cpu')[0]
    except RuntimeError:  # JAX_PLATFORMS may name the accelerator alone.
        return None
