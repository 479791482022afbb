"""Hooks: what watches a run. Each on its own period; none changes the state."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import images, keys
from imggen.errors import UserError
from imggen.method import Batch, Method
from imggen.progress import Progress
from imggen.training.loop import Record, StateHook
from imggen.workdir.checkpoint import Checkpoints
from imggen.workdir.writer import Writer


def records(writer: Writer, progress: Progress, *, images_per_step: int):
    """Returns an observer that writes every record and shows it in the progress line."""
    seconds = writer.info.get('seconds', 0.0)

    def observe(record: Record) -> None:
        nonlocal seconds
        seconds += record.seconds
        speed = {'steps_per_second': record.num_steps / record.seconds}
        if images_per_step:
            speed = {'images_per_second': images_per_step * record.num_steps / record.seconds}
        values = {'seconds': round(seconds, 3), **_rounded(speed), **record.metrics}
        writer.scalars(record.step, record.phase, values)
        writer.status('running', step=record.step, seconds=round(seconds, 3))
        progress.advance(record.step, label=record.phase, scalars={**speed, **record.metrics})

    return observe


def checkpoints(checkpoints: Checkpoints, *, every_steps: int) -> StateHook:
    """Saves the state, with the measures taken at the same step."""
    finite = jax.jit(_all_finite)

    def save(step, phase, state, metrics):
        if not finite(state):
            newest = checkpoints.newest
            raise UserError(
                f'the state at step {step} of phase {phase} holds NaN or infinity and was not '
                f'saved; the last good checkpoint is step {newest}: lower the learning rate, or '
                'go on from there with another seed.'
            )
        checkpoints.save(step, state, metrics)

    return StateHook(every_steps, save, on_stop=True)


def sample_sheets(
    writer: Writer,
    method: Method,
    batch: Batch,
    seed: int,
    mesh: Mesh,
    watch,
    *,
    deliver=None,
    inspect=None,
) -> StateHook:
    """Writes a sheet of samples; the same keys every time, so that one sees what training does.

    `batch` is what methods sample for: a whole batch on every device of `mesh`. Where the
    source can `deliver`, what is generated is also written at its pictures' own sizes.
    `inspect` takes (step, generated images, real images) where a method has both.
    """
    count = min(watch.num_samples, method.num_images or watch.num_samples)
    image_keys = keys.per_image(keys.stream(seed, 'sample'), count)
    inputs = {name: leaf for name, leaf in batch.items() if name != 'label'}
    if method.num_images is not None:
        inputs['index'] = np.arange(count)
    replicated = NamedSharding(mesh, P())
    frozen = jax.device_put(method.frozen, replicated)
    sample = jax.jit(method.sample, out_shardings=replicated)

    def write(step, phase, state, metrics):
        del phase, metrics
        sheets = jax.device_get(sample(image_keys, state, frozen, inputs))
        writer.sample(f'{step:06d}', sheet(sheets))
        if deliver is not None:
            for name, picture in deliver(sheets['generated']).items():
                writer.result(step, name, picture)
        if inspect is not None and real is not None and 'generated' in sheets:
            inspect(step, sheets['generated'], real)

    real = None
    if 'image' in batch:
        real = np.asarray(batch['image'])[: watch.num_samples]
        writer.sample('real', sheet({'real': real}))
    return StateHook(watch.sample_every_steps, write)


def sheet(named: dict[str, np.ndarray]) -> np.ndarray:
    """Lays named sets of images [n, height, width, channels] in [-1, 1] on one sheet.

    Several sets stand side by side, image by image. Returns uint8.
    """
    sets = [images.to_uint8(batch) for batch in named.values()]
    channels = max(batch.shape[-1] for batch in sets)
    sets = [np.broadcast_to(batch, (*batch.shape[:-1], channels)) for batch in sets]
    count = min(len(batch) for batch in sets)
    together = np.concatenate([batch[:count] for batch in sets], axis=2)
    return images.grid(together)


def metrics(
    writer: Writer, measure: Callable[[int, Any], dict[str, float]], *, every_steps: int
) -> StateHook:
    """Measures the state: `measure` maps (step, state) to scalars by name."""

    def take(step, phase, state, metrics):
        metrics.update(measure(step, state))
        writer.scalars(step, phase, metrics)

    return StateHook(every_steps, take)


def _all_finite(tree):
    # One reduction over all leaves: one for each took XLA seconds to compile.
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.isfinite(jnp.concatenate([leaf.ravel() for leaf in leaves])))


def _rounded(values):
    return {name: round(value, 2) for name, value in values.items()}
