"""What looks at a run: records, samples, metrics, checkpoints. None changes the state."""

import bisect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import images, keys, train_state
from imggen.method import Batch, Method, Phase
from imggen.progress import Progress
from imggen.training.dispatch import NotFiniteError, Record
from imggen.training.loop import StateHook
from imggen.training.signals import Signals
from imggen.workdir.checkpoint import Checkpoints
from imggen.workdir.writer import Writer


def write_records(
    writer: Writer,
    progress: Progress,
    phases: Sequence[Phase],
    *,
    images_per_step: int,
    streamed: bool = False,
) -> Callable[[Record], None]:
    """Returns an observer that stores every record and shows it in the progress line.

    With `streamed`, `waiting` is the share of the time in which the device waited for images.
    """
    seconds = writer.info.get('seconds', 0.0)
    ends = [0, *itertools.accumulate(phase.num_steps for phase in phases)]

    def observe(record: Record) -> None:
        nonlocal seconds
        seconds += record.seconds
        speed = {'steps_per_second': record.num_steps / record.seconds}
        if images_per_step:
            speed = {'images_per_second': images_per_step * record.num_steps / record.seconds}
        speed = {name: round(value, 2) for name, value in speed.items()}
        if streamed:
            speed['waiting'] = round(record.waiting, 4)
        elapsed = round(seconds, 3)
        writer.scalars(record.step, record.phase, {'seconds': elapsed, **speed, **record.metrics})
        index = bisect.bisect_left(ends, record.step, lo=1)
        phase = {'name': record.phase, 'begin': ends[index - 1], 'end': ends[index]}
        writer.status('running', step=record.step, seconds=elapsed, phase=phase)
        progress.advance(
            record.step,
            label=record.phase,
            scalars={**speed, **record.metrics},
            seconds=record.seconds / record.num_steps,
            until=ends[index],
        )

    return observe


def save_checkpoints(
    checkpoints: Checkpoints,
    *,
    every_steps: int,
    unfinished: Mapping[str, Any],
    signals: Signals,
) -> StateHook:
    """Saves the state, with the metrics that an earlier hook measured at the same step.

    Beside it lies the record that the stop cut, if there is one.
    """
    is_finite = jax.jit(_all_finite)

    def save(step, phase, state, metrics):
        del phase
        if not is_finite(state):
            raise NotFiniteError(step, [_first_broken(state)])
        signals.saving = True
        checkpoints.save(step, state, metrics, record=unfinished)
        signals.saving = bool(signals.came)

    return StateHook(every_steps, save, on_stop=True)


def write_samples(
    writer: Writer,
    method: Method,
    batch: Batch,
    *,
    seed: int,
    mesh: Mesh,
    num_samples: int,
    every_steps: int,
    postprocess: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None,
    inspect: Callable[[int, np.ndarray, np.ndarray], None],
) -> StateHook:
    """Writes a sheet of samples, with the same keys each time, so that sheets are comparable.

    If the method has classes, they follow in the order of their numbers; see `class_columns`.

    Args:
      writer: where sheets go.
      method: what samples.
      batch: a whole batch on every device: the shapes, inputs and targets of the samples.
      seed: of the run.
      mesh: the devices.
      num_samples: images on a sheet, at most.
      every_steps: the period of the hook.
      postprocess: as in `Source`; what it returns is also written, one file per image.
      inspect: sees (step, generated images, real images) if the method draws images and the phase
        moves them.
    """
    count, columns = min(num_samples, method.num_images or num_samples), None
    if method.reconstruct is not None:  # A reconstruction of the batch lies beside each sample.
        count = min(count, len(batch['image']))
    inputs = {name: leaf for name, leaf in batch.items() if name != 'label'}
    if method.num_classes is not None:
        each = max(1, count // method.num_classes)
        labels = np.arange(method.num_classes, dtype=np.int32)[:count].repeat(each)
        columns = class_columns(len(labels), each)
        inputs['label'], count = labels, len(labels)
    image_keys = keys.per_image(keys.stream(seed, 'sample'), count)
    if method.num_images is not None:
        inputs['index'] = np.arange(count)
    replicated = NamedSharding(mesh, P())
    frozen = jax.device_put(method.frozen, replicated)
    sample = jax.jit(train_state.sees_whole(method.sample), out_shardings=replicated)
    real = np.asarray(batch['image'])[:num_samples] if 'image' in batch else None
    if real is not None:
        writer.sample('real', sheet({'real': real}))
    draws = method.output is not None and method.translation is None and method.num_images is None

    moving = {phase.name for phase in method.phases if phase.moves_samples}

    def write(step, phase, state, metrics):
        del metrics
        samples = jax.device_get(sample(image_keys, state, frozen, inputs))
        writer.sample(f'{step:06d}', sheet(samples, columns=columns), step=step)
        if len(samples) > 1 and writer.info.get('sets') != list(samples):
            writer.status('running', sets=list(samples))  # The report names them.
        if postprocess is not None:
            for name, image in postprocess(samples[method.output]).items():
                writer.result(step, name, image)
        elif method.num_images == 1:  # The only image is the result.
            writer.result(step, method.output, images.to_uint8(samples[method.output][0]))
        elif draws and real is not None and phase in moving:
            inspect(step, samples[method.output], real)

    return StateHook(every_steps, write)


def class_columns(count: int, each: int) -> int:
    """Returns how many of `count` images, `each` of a class, make a row of a sheet.

    A row holds whole classes, or a class whole rows, so that the sheet is about as wide as high.
    """
    side = math.sqrt(count)
    if each <= side:
        return each * max(1, round(side / each))
    divisors = [columns for columns in range(1, each + 1) if each % columns == 0]
    return min(divisors, key=lambda columns: abs(math.log(columns / side)))


def sheet(sets: Mapping[str, np.ndarray], *, columns: int | None = None) -> np.ndarray:
    """Lays sets of images on one sheet, side by side image by image.

    Args:
      sets: float [n, height, width, channels] in [-1, 1] by name; the smallest n counts.
      columns: number of images of each set in a row; by default the square root of n, rounded up.

    Returns:
      uint8 [sheet height, sheet width, 1 or 3].
    """
    sides = [images.to_uint8(batch) for batch in sets.values()]
    channels = max(batch.shape[-1] for batch in sides)
    sides = [np.broadcast_to(batch, (*batch.shape[:-1], channels)) for batch in sides]
    count = min(len(batch) for batch in sides)
    together = np.concatenate([batch[:count] for batch in sides], axis=2)
    return images.grid(together, columns=columns)


def write_metrics(
    writer: Writer, measure: Callable[[int, Any], dict[str, float]], *, every_steps: int
) -> StateHook:
    """Stores what `measure` finds: it maps (step, state) to scalars by name."""

    def run(step, phase, state, metrics):
        metrics.update(measure(step, state))
        writer.scalars(step, phase, metrics)

    return StateHook(every_steps, run)


def _all_finite(tree):
    # One reduction over all leaves: one for each took XLA seconds to compile.
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.isfinite(jnp.concatenate([leaf.ravel() for leaf in leaves])))


def _first_broken(tree) -> str:
    """Names the first leaf that is not finite, and how many there are."""
    names = [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not jnp.isfinite(leaf).all()
    ]
    others = f' and {len(names) - 1} other parts' if len(names) > 1 else ''
    return f'the state ({names[0]}{others})'
