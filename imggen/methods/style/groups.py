"""Contents of several shapes in one run: each group of one shape is optimized on its own.

The loader puts contents of one shape side by side. 'image' holds all of them, padded to one shape;
'group0', 'group1', ... hold each group at its own shape, [k, height, width, channels].
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from imggen.method import Batch, Method, StepFn


@struct.dataclass
class Groups:
    """The states of all groups."""

    states: tuple[Any, ...]


def over(method: Method) -> Method:
    """Lifts a method for contents of one shape to batches of several groups.

    A batch without groups is left to the method as it is.
    """

    def init(key, frozen, batch):
        if 'group0' not in batch:
            return method.init(key, frozen, batch)
        parts = enumerate(_parts(batch))
        return Groups(
            tuple(method.init(jax.random.fold_in(key, i), frozen, part) for i, part in parts)
        )

    def sample(image_keys, state, frozen, batch):
        if 'group0' not in batch:
            return method.sample(image_keys, state, frozen, batch)
        parts = zip(state.states, _parts(batch), strict=True)
        sets = [method.sample(None, one, frozen, part) for one, part in parts]
        shape = batch['image'].shape[1:3]
        return jax.tree.map(
            lambda *leaves: jnp.concatenate([_pad(x, shape) for x in leaves]), *sets
        )

    phases = tuple(phase._replace(step=_lift(phase.step)) for phase in method.phases)
    return method._replace(init=init, phases=phases, sample=sample)


def _lift(step: StepFn) -> StepFn:
    def lifted(key, state, frozen, batch):
        if 'group0' not in batch:
            return step(key, state, frozen, batch)
        states, means = [], {}
        for index, part in enumerate(_parts(batch)):
            one, metrics = step(jax.random.fold_in(key, index), state.states[index], frozen, part)
            states.append(one)
            share = len(part['image']) / len(batch['image'])
            means = {name: means.get(name, 0.0) + share * metrics[name] for name in metrics}
        return Groups(tuple(states)), means

    return lifted


def _parts(batch: Batch) -> list[Batch]:
    """Cuts a batch into one batch for each group."""
    parts, start = [], 0
    while f'group{len(parts)}' in batch:
        images = batch[f'group{len(parts)}']
        end = start + len(images)
        others = {
            name: leaf[start:end] for name, leaf in batch.items() if not name.startswith('group')
        }
        parts.append({**others, 'image': images})
        start = end
    return parts


def _pad(images: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Surrounds images with their mirror image, up to `shape`; the loader pads contents so, too."""
    sides = []
    for have, want in zip(images.shape[1:3], shape, strict=True):
        sides.append(((want - have) // 2, want - have - (want - have) // 2))
    return jnp.pad(images, ((0, 0), *sides, (0, 0)), mode='symmetric')
