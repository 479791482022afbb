"""Turns decoded images into batches. The images are kept on the device, or streamed.

A set within the memory budget is one window that stays on the device as uint8, where a step
gathers its batch. A larger set streams: a window then holds the uint8 batches of a few steps,
read ahead by threads. Both give the same batches, bit for bit, because the order
(`order.indices`) and the augmentation are functions of (key, step) alone.

Batches are {'image': float32 [batch, height, width, channels] in [-1, 1]} and, if the set has
labels, 'label': int32 [batch]. The images of a set of pairs hold both sides along the channels
until they are augmented; its batches have 'input' and 'target' in place of 'image'.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from imggen import images, keys
from imggen.augmentation import dataset as augment
from imggen.data import order
from imggen.data.dataset import Dataset
from imggen.data.source import Source
from imggen.data.stream import Stream
from imggen.errors import UserError

Finish = Callable[[Mapping[str, jax.Array], jax.Array], dict[str, jax.Array]]

_WINDOW_BYTES = 64 * 2**20
_MAX_WINDOW_STEPS = 64


def fixed(dataset: Dataset) -> Source:
    """Returns the source whose every batch is the whole set, in its order."""
    window = dataset.read(slice(None))

    def gather(window, step):
        del step
        return {
            name: images.from_uint8(array) if name == 'image' else jnp.asarray(array)
            for name, array in window.items()
        }

    return Source(
        window=lambda first_step, num_steps: window,
        gather=gather,
        num_examples=dataset.shape[0] or None,
        description=dataset.description,
        class_names=dataset.class_names,
        class_counts=dataset.class_counts,
        skipped=dataset.skipped,
        postprocess=dataset.postprocess,
    )


def shuffled(
    dataset: Dataset,
    *,
    seed: int,
    batch_size: int,
    augmentation: Mapping[str, Any],
    memory_budget_mib: float,
    process: tuple[int, int] = (0, 1),
) -> Source:
    """Returns the source that reads a set in random order, each example once an epoch.

    A resident window is {'image': uint8 [n, height, width, channels], 'label': int32 [n]}, the
    same object for all steps: place it once, replicated. Its source has no `max_window_steps`.

    A streamed window is {'image': uint8 [steps, batch, height, width, channels], 'label': int32
    [steps, batch], 'first_step': int32 []} in host memory: shard the arrays along axis 1 and
    replicate the scalar.

    Args:
      dataset: the images.
      seed: the seed of the run, which decides order and augmentation.
      batch_size: the global batch size, over all devices and processes.
      augmentation: keyword arguments of `augment.augment`.
      memory_budget_mib: a set larger than this many MiB streams.
      process: (index, count) of this process. A streamed window holds the rows
        [index * batch_size / count, (index + 1) * batch_size / count) of each batch.

    Raises:
      UserError: the augmentation does not fit the images, or the batch size is not a multiple
        of the number of processes.
    """
    order_key, augment_key, pair_key = jax.random.split(keys.stream(seed, 'data'), 3)
    finish = _finisher(dataset, augmentation, augment_key, pair_key)
    if dataset.num_bytes <= memory_budget_mib * 2**20:
        return _resident(dataset, finish, order_key, pair_key, batch_size)
    return _streamed(dataset, finish, order_key, pair_key, batch_size, process)


def _finisher(
    dataset: Dataset, augmentation: Mapping[str, Any], augment_key: jax.Array, pair_key: jax.Array
) -> Finish:
    """Returns (rows of uint8, step) -> the batch: scaled to [-1, 1], augmented and paired."""

    def finish(rows, step):
        rows = dict(rows)
        batch = images.from_uint8(rows.pop('image'))
        if augmentation:
            batch = augment.augment(jax.random.fold_in(augment_key, step), batch, **augmentation)
        if dataset.pairing is None:
            return {**rows, 'image': batch}
        return {**rows, **dataset.pairing.pair(jax.random.fold_in(pair_key, step), batch)}

    # Raises the errors of an impossible augmentation before anything is read.
    _, height, width, channels = dataset.shape
    one = jax.ShapeDtypeStruct((1, height, width, _sides(dataset) * channels), jnp.uint8)
    jax.eval_shape(finish, {'image': one}, 0)
    return finish


def _resident(
    dataset: Dataset, finish: Finish, order_key: jax.Array, pair_key: jax.Array, batch_size: int
) -> Source:
    num_examples, everything = dataset.shape[0], dataset.read(slice(None))

    def gather(window, step):
        rows = order.indices(order_key, step, batch_size=batch_size, num_examples=num_examples)

        def take(array, rows):
            return jnp.asarray(array).at[rows].get(mode='promise_in_bounds')

        batch = {name: take(array, rows) for name, array in window.items()}
        if _sides(dataset) == 2:
            others = dataset.pairing.partner(jax.random.fold_in(pair_key, step), rows)
            together = [batch['image'], take(window['image'], others)]
            batch['image'] = jnp.concatenate(together, axis=-1)
        return finish(batch, step)

    return Source(
        window=lambda first_step, num_steps: everything,
        gather=gather,
        num_examples=num_examples,
        description=dataset.description,
        class_names=dataset.class_names,
        class_counts=dataset.class_counts,
        skipped=dataset.skipped,
    )


def _streamed(
    dataset: Dataset,
    finish: Finish,
    order_key: jax.Array,
    pair_key: jax.Array,
    batch_size: int,
    process: tuple[int, int],
) -> Source:
    index, count = process
    if batch_size % count:
        raise UserError(
            f'config.data.batch_size={batch_size} is not a multiple of the {count} processes; '
            'change it.'
        )
    example_bytes = _sides(dataset) * dataset.num_bytes // dataset.shape[0]
    window_steps = _WINDOW_BYTES // (batch_size // count * example_bytes)
    window_steps = max(1, min(_MAX_WINDOW_STEPS, window_steps))
    stream = Stream(
        dataset,
        (order_key, pair_key),
        batch_size=batch_size,
        rows=slice(index * batch_size // count, (index + 1) * batch_size // count),
        batches_ahead=window_steps,
    )

    def gather(window, step):
        rows = {
            name: jax.lax.dynamic_index_in_dim(
                jnp.asarray(array), step - window['first_step'], keepdims=False
            )
            for name, array in window.items()
            if name != 'first_step'
        }
        return finish(rows, step)

    return Source(
        window=stream.window,
        gather=gather,
        max_window_steps=window_steps,
        num_examples=dataset.shape[0],
        description=f'{dataset.description}, streamed',
        class_names=dataset.class_names,
        class_counts=dataset.class_counts,
        skipped=dataset.skipped,
    )


def _sides(dataset: Dataset) -> int:
    """Returns how many images of the set make one image of a batch."""
    return 2 if dataset.pairing is not None and dataset.pairing.partner is not None else 1
