"""From a config and a workdir to a run: source, method, hooks, loop."""

import contextlib
import dataclasses
import pathlib
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, devices, images, methods, options
from imggen.errors import UserError
from imggen.evaluation import distribution
from imggen.progress import Progress
from imggen.training import collapse, hooks, loop
from imggen.workdir.checkpoint import Checkpoints
from imggen.workdir.writer import Writer


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Options of `config.run`: how a run is watched. None changes what is computed.

    Attributes:
      log_every_steps: steps in one dispatch to the device, and in one record.
      sample_every_steps: between two sheets of samples; 0 for one at the end.
      checkpoint_every_steps: between two checkpoints; 0 for one at the end.
      measure_every_steps: between two measurements; 0 for none.
      num_samples: images on a sheet; of pairs, held-out ones where the set holds some out.
      num_measured: images that a measurement generates.
      extractor: in whose features samples are compared with real images; '' for none.
      scores: what else an evaluation measures, of evaluating.SCORES.
      keep_newest: how many checkpoints are kept.
      best_measure: 'frechet' to keep the checkpoint with the smallest distance too.
      tensorboard: also write TensorBoard event files.
    """

    log_every_steps: int = 50
    sample_every_steps: int = 500
    checkpoint_every_steps: int = 1000
    measure_every_steps: int = 0
    num_samples: int = 64
    num_measured: int = 5000
    extractor: str = 'fashion_classifier'
    scores: tuple[str, ...] = ()
    keep_newest: int = 2
    best_measure: str = ''
    tensorboard: bool = False

    def __post_init__(self):
        periods = ('log', 'sample', 'checkpoint', 'measure')
        for name in (f'{period}_every_steps' for period in periods):
            steps, least = getattr(self, name), int(name == 'log_every_steps')
            if steps < least:
                raise UserError(f'config.run.{name} is {steps}; set it to {least} or more.')
        if self.measure_every_steps and not self.extractor:
            raise UserError('config.run.measure_every_steps needs config.run.extractor.')
        if not self.best_measure:
            return
        if self.best_measure != 'frechet':
            raise UserError(
                f"config.run.best_measure is {self.best_measure!r}; set it to 'frechet'."
            )
        if not self.measure_every_steps or self.checkpoint_every_steps % self.measure_every_steps:
            raise UserError(
                'config.run.best_measure needs a measure of every checkpoint: set '
                'config.run.measure_every_steps to a divisor of config.run.checkpoint_every_steps.'
            )


def train(
    config: Mapping[str, Any], workdir: str | pathlib.Path, *, command: str = ''
) -> loop.Result:
    """Runs what `config` describes in `workdir`, from where it stands there.

    Args:
      config: nested dicts with `seed`, `method`, `data` and `run`.
      workdir: the folder of the run.
      command: the command line, for the record.

    Returns:
      The step and the state at the end, or where a SIGTERM stopped it.

    Raises:
      UserError: bad input, another config's workdir, a full disk, NaN.
    """
    watch = options.build(RunConfig, config['run'], where='config.run')
    leads = jax.process_index() == 0
    mesh = devices.make_mesh()
    batch_size = config['data'].get('batch_size', 0)
    devices.check_batch_size(mesh, batch_size)
    method = methods.make(config['method'])
    process = (jax.process_index(), jax.process_count())
    source = data.make(config['data'], seed=config['seed'], process=process)
    if source.deliver:  # One image's work a picture, which no second device can share.
        mesh = devices.mesh_over(source.num_examples)
    writer = Writer(workdir, config, command=command, active=leads, tensorboard=watch.tensorboard)
    checkpoints = Checkpoints(
        writer.workdir / 'checkpoints',
        keep_newest=watch.keep_newest,
        best_measure=watch.best_measure,
    )
    total = loop.num_steps(method)
    done = checkpoints.newest or 0
    progress = Progress(total, initial=done, active=leads)
    if done >= total:
        progress.say(f'{writer.workdir} is finished: step {done} of {total}.')
        writer.status('finished')
        return loop.Result(done, None, True)
    writer.resume_at(done)
    batch = loop.first_batch(source, mesh)
    writer.status(
        'running',
        num_steps=total,
        step=done,
        source=source.description,
        batch={name: (leaf.shape, leaf.dtype.name) for name, leaf in batch.items()},
    )
    progress.say(f'{source.description}; {devices.hardware()}; step {done} of {total}')

    def restore(like):
        return (done, checkpoints.restore(like, step=done)) if done else None

    def warn(sentence):
        progress.say(sentence)
        writer.status('running', warning=sentence)

    # Wasserstein logits have no scale by which to tell.
    unbounded = config['method'].get('loss', '') == 'wasserstein'
    detector = collapse.Detector(warn, unbounded=unbounded)
    watchers = [
        hooks.sample_sheets(
            writer,
            method,
            _held_out_pairs(config['data'], watch.num_samples) or batch,
            config['seed'],
            mesh,
            watch,
            deliver=source.deliver,
            inspect=detector.samples,
        ),
        hooks.checkpoints(checkpoints, every_steps=watch.checkpoint_every_steps),
    ]
    if watch.measure_every_steps:
        measure = distribution.during_training(
            method,
            config,
            jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), batch),
            extractor=watch.extractor,
            mesh=mesh,
            num_images=watch.num_measured,
        )
        # Before the checkpoint, which is kept for its measure.
        watchers.insert(1, hooks.metrics(writer, measure, every_steps=watch.measure_every_steps))

    try:
        with _preemption() as stop:
            result = loop.run(
                method,
                source,
                seed=config['seed'],
                mesh=mesh,
                log_every_steps=watch.log_every_steps,
                hooks=watchers,
                observers=[
                    hooks.records(writer, progress, images_per_step=batch_size),
                    lambda record: detector.record(record.step, record.metrics),
                ],
                restore=restore,
                stop=stop,
            )
    except UserError as error:
        message = str(error)
        if isinstance(error, loop.NotFiniteError):
            message += f'; {_last_good(checkpoints)}: lower the learning rate or take another seed.'
        writer.status('failed', error=message)
        raise UserError(message) from error
    except KeyboardInterrupt:
        writer.status('stopped')
        raise
    finally:
        progress.close()
    writer.status('finished' if result.finished else 'stopped', step=result.step)
    return result


def _held_out_pairs(section: Mapping[str, Any], count: int) -> dict[str, np.ndarray] | None:
    """Returns pairs from all over the test split, for the sheets; None where there are none."""
    if section['name'] != 'pairs' or not section.get('test_fraction'):
        return None
    try:
        pairs = data.held_out(section)
    except UserError:  # Of a few files none may fall to the test split: a run needs none.
        return None
    rows = np.linspace(0, len(pairs['target']) - 1, min(count, len(pairs['target'])), dtype=int)
    return {side: images.from_uint8(pictures[rows]) for side, pictures in pairs.items()}


def _last_good(checkpoints: Checkpoints) -> str:
    if checkpoints.newest is None:
        return 'there is no checkpoint before it'
    return f'the last good checkpoint is step {checkpoints.newest}'


@contextlib.contextmanager
def _preemption() -> Iterator:
    """Yields a function that says whether SIGTERM has come: the run then saves and ends."""
    came = False

    def note(signum, frame):
        nonlocal came
        came = True
        print('SIGTERM: saving, then stopping', file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)
