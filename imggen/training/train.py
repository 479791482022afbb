"""From a config and a workdir to a run: source, method, hooks, loop."""

import contextlib
import dataclasses
import pathlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from imggen import data, devices, methods, options
from imggen.data.source import Source
from imggen.errors import UserError
from imggen.evaluation import distribution
from imggen.method import Batch, Method
from imggen.progress import Progress
from imggen.training import collapse, hooks, labels, loop
from imggen.training.dispatch import NotFiniteError
from imggen.workdir.checkpoint import Checkpoints
from imggen.workdir.writer import Writer


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Options of `config.run`. None changes what is computed.

    Attributes:
      log_every_steps: steps in one dispatch to the device, and in one record.
      sample_every_steps: steps between two sheets of samples; 0 for one at the end.
      checkpoint_every_steps: steps between two checkpoints; 0 for one at the end.
      measure_every_steps: steps between two measurements; 0 for none.
      num_samples: images on a sheet. Sheets of pairs show held-out pairs if there are any.
      num_measured: images that a measurement generates.
      extractor: the feature extractor with which samples are compared with real images; ''
        for no comparison.
      scores: what else an evaluation measures: names of `evaluate.SCORES`.
      keep_newest: number of newest checkpoints that are kept.
      keep_best: whether the checkpoint with the smallest Fréchet distance is kept, too.
      tensorboard: whether TensorBoard event files are written, too.
    """

    log_every_steps: int = 50
    sample_every_steps: int = 500
    checkpoint_every_steps: int = 1000
    measure_every_steps: int = 0
    num_samples: int = 64
    num_measured: int = 5000
    extractor: str = ''
    scores: tuple[str, ...] = ()
    keep_newest: int = 2
    keep_best: bool = False
    tensorboard: bool = False

    def __post_init__(self):
        periods = ('log', 'sample', 'checkpoint', 'measure')
        for name in (f'{period}_every_steps' for period in periods):
            steps, least = getattr(self, name), int(name == 'log_every_steps')
            if steps < least:
                raise UserError(f'config.run.{name} is {steps}; set it to {least} or more.')
        if self.measure_every_steps and not self.extractor:
            raise UserError('config.run.measure_every_steps needs config.run.extractor.')
        measured = self.measure_every_steps
        if self.keep_best and (not measured or self.checkpoint_every_steps % measured):
            raise UserError(
                'config.run.keep_best needs a measurement of every checkpoint: set '
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
      The step and the state at the end, or where SIGTERM stopped the run. The state is None
      if the run was finished already.

    Raises:
      UserError: bad input, a workdir of another config, a full disk, NaN.
      KeyboardInterrupt: Ctrl-C stopped the run, which has saved its state.
    """
    run_config = _check(config)
    method = methods.make(config['method'])
    source, mesh = _source(config)
    batch = loop.first_batch(source, mesh)
    # An option that a network does not have is refused before anything is written.
    jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch)
    labels.check(config, method, source)
    leads = jax.process_index() == 0
    writer = Writer(
        workdir, config, command=command, active=leads, tensorboard=run_config.tensorboard
    )
    checkpoints = Checkpoints(
        writer.workdir / 'checkpoints',
        keep_newest=run_config.keep_newest,
        keep_best=run_config.keep_best,
    )
    total, done = loop.num_steps(method), checkpoints.newest or 0
    progress = Progress(total, initial=done, active=leads)
    if done >= total:
        progress.say(f'{writer.workdir} is finished: step {done} of {total}.')
        writer.status('finished')
        return loop.Result(done, None, True)
    _announce(writer, progress, source, batch, done, total)
    detector = collapse.Detector(
        _warner(progress, writer), logits_have_scale=method.logits_have_scale
    )
    arguments = (config, run_config, method, source, batch, mesh, writer, checkpoints, detector)
    images_per_step = config['data'].get('batch_size', 0)
    try:
        with _signals() as signals, _failures_recorded(writer, checkpoints):
            result = loop.run(
                method,
                source,
                seed=config['seed'],
                mesh=mesh,
                log_every_steps=run_config.log_every_steps,
                hooks=_hooks(*arguments),
                observers=[
                    hooks.write_records(writer, progress, images_per_step=images_per_step),
                    lambda record: detector.record(record.step, record.metrics),
                ],
                restore=lambda shapes: done and (done, checkpoints.restore(shapes, step=done)),
                stop=lambda: bool(signals),
            )
        made = writer.workdir / 'results'
        if result.finished and made.is_dir():
            progress.say(f'the result is in {made}')
    finally:
        progress.close()
        writer.close()
    writer.status('finished' if result.finished else 'stopped', step=result.step)
    if not result.finished and signals[:1] == [signal.SIGINT]:
        raise KeyboardInterrupt
    return result


def _check(config: Mapping[str, Any]) -> RunConfig:
    for name in ('seed', 'method', 'data', 'run'):
        if name not in config:
            raise UserError(f'config.{name} is missing: set it in the config.')
    return options.build(RunConfig, config['run'], where='config.run')


def _source(config: Mapping[str, Any]) -> tuple[Source, jax.sharding.Mesh]:
    mesh = devices.make_mesh()
    devices.check_batch_size(mesh, config['data'].get('batch_size', 0))
    process = (jax.process_index(), jax.process_count())
    source = data.make(config['data'], seed=config['seed'], process=process)
    if source.postprocess:  # Each image is one device's work: more devices would idle.
        mesh = devices.mesh_over(source.num_examples)
    return source, mesh


def _announce(
    writer: Writer, progress: Progress, source: Source, batch: Batch, done: int, total: int
) -> None:
    """Records what the run starts from, and says it."""
    writer.resume_at(done)
    writer.skipped(source.skipped)
    writer.status(
        'running',
        num_steps=total,
        step=done,
        source=source.description,
        batch={name: (leaf.shape, leaf.dtype.name) for name, leaf in batch.items()},
    )
    progress.say(f'{source.description}; {devices.hardware()}; step {done} of {total}')


def _hooks(
    config: Mapping[str, Any],
    run_config: RunConfig,
    method: Method,
    source: Source,
    batch: Batch,
    mesh: jax.sharding.Mesh,
    writer: Writer,
    checkpoints: Checkpoints,
    detector: collapse.Detector,
) -> list[loop.StateHook]:
    """Returns the hooks of a run, in the order in which they run."""
    found = [
        hooks.write_samples(
            writer,
            method,
            source.preview(run_config.num_samples) or batch,
            seed=config['seed'],
            mesh=mesh,
            num_samples=run_config.num_samples,
            every_steps=run_config.sample_every_steps,
            postprocess=source.postprocess,
            inspect=detector.samples,
        )
    ]
    if run_config.measure_every_steps:
        measure = distribution.during_training(
            method,
            config,
            batch,
            extractor=run_config.extractor,
            mesh=mesh,
            num_images=run_config.num_measured,
        )
        every_steps = run_config.measure_every_steps
        found.append(hooks.write_metrics(writer, measure, every_steps=every_steps))
    # After the measurement, which decides which checkpoint is the best.
    every_steps = run_config.checkpoint_every_steps
    return [*found, hooks.save_checkpoints(checkpoints, every_steps=every_steps)]


def _warner(progress: Progress, writer: Writer) -> Callable[[str], None]:
    def warn(sentence: str) -> None:
        progress.say(sentence)
        writer.status('running', warning=sentence)

    return warn


@contextlib.contextmanager
def _failures_recorded(writer: Writer, checkpoints: Checkpoints) -> Iterator[None]:
    """Stores how a run ended if it fails, and says where it can continue."""
    try:
        yield
    except UserError as error:
        message = str(error)
        if isinstance(error, NotFiniteError):
            newest = checkpoints.newest
            good = 'there is no checkpoint before it'
            if newest is not None:
                good = f'the last good checkpoint is step {newest}'
            message += f'; {good}: lower the learning rate or take another seed.'
        writer.status('failed', error=message)
        raise UserError(message) from error
    except KeyboardInterrupt:
        writer.status('stopped')
        raise


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Yields a list that collects SIGTERM and Ctrl-C, at which the run saves and stops.

    A second Ctrl-C ends the run at once.
    """
    came = []

    def note(signum, frame):
        if came and signum == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(signum)
        name = signal.Signals(signum).name
        print(f'{name}: saving, then stopping', file=sys.stderr, flush=True)

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
