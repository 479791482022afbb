"""From decoded pictures to batches: on the device for good, or streamed.

A set within the memory budget is one window that lies on the device as uint8; a
step gathers its batch there. A larger set streams: a window then holds the uint8
batches of a few steps, read ahead by threads. Both give the same batches, bit for
bit, because the order (`order.indices`) and the augmentation are functions of
(key, step) alone.

Batches are {'image': float32 [batch, height, width, channels] in [-1, 1]} and,
where the class is known, 'label': int32 [batch]. A set of pairs lies and streams as
pictures of both sides' channels; its batches have 'input' and 'target' for 'image',
which one draw of the augmentation has moved together.
"""

from collections.abc import Mapping
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

_WINDOW_BYTES = 64 * 2**20
_MAX_WINDOW_STEPS = 64


def fixed(dataset: Dataset) -> Source:
    """Makes the whole set, in its order, the batch of every step."""
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
    """Turns a set into a source.

    A resident window is {'image': uint8 [n, height, width, channels], 'label':
    int32 [n]}, the same object whatever the steps: place it once, replicated. It is
    told by `max_window_steps` being None.

    A streamed window is {'image': uint8 [steps, batch, height, width, channels],
    'label': int32 [steps, batch], 'first_step': int32 []} in host memory: shard the
    arrays along axis 1, replicate the scalar.

    Args:
      dataset: the set.
      seed: of the run; decides order and augmentation.
      batch_size: global: over all devices and processes.
      augmentation: keyword arguments of `augment.augment`.
      memory_budget_mib: above it, the set streams.
      process: (index, count); a streamed window then holds rows
        [index * batch_size / count, (index + 1) * batch_size / count) of each batch.
    """
    num_examples, *shape = dataset.shape
    order_key, augment_key, pair_key = jax.random.split(keys.stream(seed, 'data'), 3)
    sides = 2 if dataset.partner else 1

    def finish(rows: Mapping[str, jax.Array], step: jax.Array) -> dict[str, jax.Array]:
        rows = dict(rows)
        pictures = images.from_uint8(rows.pop('image'))
        if augmentation:
            step_key = jax.random.fold_in(augment_key, step)
            pictures = augment.augment(step_key, pictures, **augmentation)
        if dataset.pair is None:
            return {**rows, 'image': pictures}
        return {**rows, **dataset.pair(jax.random.fold_in(pair_key, step), pictures)}

    # An augmentation that makes no sense is told before anything is read.
    one = jax.ShapeDtypeStruct((1, *shape[:-1], sides * shape[-1]), jnp.uint8)
    jax.eval_shape(finish, {'image': one}, 0)

    def gather_resident(window, step):
        rows = order.indices(order_key, step, batch_size=batch_size, num_examples=num_examples)

        def take(array, rows):
            return jnp.asarray(array).at[rows].get(mode='promise_in_bounds')

        batch = {name: take(array, rows) for name, array in window.items()}
        if dataset.partner is not None:
            others = dataset.partner(jax.random.fold_in(pair_key, step), rows)
            together = [batch['image'], take(window['image'], others)]
            batch['image'] = jnp.concatenate(together, axis=-1)
        return finish(batch, step)

    def gather_streamed(window, step):
        rows = {
            name: jax.lax.dynamic_index_in_dim(
                jnp.asarray(array), step - window['first_step'], keepdims=False
            )
            for name, array in window.items()
            if name != 'first_step'
        }
        return finish(rows, step)

    if dataset.num_bytes <= memory_budget_mib * 2**20:
        everything = dataset.read(slice(None))
        return Source(
            window=lambda first_step, num_steps: everything,
            gather=gather_resident,
            num_examples=num_examples,
            description=dataset.description,
            class_names=dataset.class_names,
        )
    index, count = process
    if batch_size % count:
        raise UserError(
            f'config.data.batch_size={batch_size} does not divide by the {count} processes; '
            'change it.'
        )
    batch_bytes = batch_size // count * sides * dataset.num_bytes // num_examples
    window_steps = max(1, min(_MAX_WINDOW_STEPS, _WINDOW_BYTES // batch_bytes))
    stream = Stream(
        dataset,
        (order_key, pair_key),
        batch_size=batch_size,
        rows=slice(index * batch_size // count, (index + 1) * batch_size // count),
        batches_ahead=window_steps,
    )
    return Source(
        window=stream.window,
        gather=gather_streamed,
        max_window_steps=window_steps,
        num_examples=num_examples,
        description=f'{dataset.description}, streamed',
        class_names=dataset.class_names,
    )
