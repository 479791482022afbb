"""From a config and a workdir to a run: source, method, hooks, loop."""

import contextlib
import dataclasses
import functools
import math
import pathlib
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from imggen import data, devices, features, files, keys, methods, options, skipped
from imggen.data.source import Source
from imggen.errors import UserError
from imggen.evaluation import distribution, evaluate, translation
from imggen.method import Batch, Method
from imggen.progress import Progress
from imggen.training import (
    collapse,
    dispatch,
    hooks,
    labels,
    loop,
    memory,
    microbatches,
    parent,
    precision,
    profile,
    signals,
)
from imggen.training.dispatch import NotFiniteError
from imggen.workdir import boards, lock
from imggen.workdir.checkpoint import Checkpoints
from imggen.workdir.writer import Writer

MAX_RESTARTS = 3  # After NaN, in one run.


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Options of `config.run`. None changes what is computed, but for rounding.

    Attributes:
      log_every_steps: steps in one record of the metrics.
      sample_every_steps: steps between two sheets of samples; 0 for one at the end.
      checkpoint_every_steps: steps between two checkpoints; 0 for one at the end.
      measure_every_steps: steps between two measurements; 0 for none.
      num_samples: images on a sheet. Sheets of pairs show held-out pairs if there are any.
      num_measured: images that a measurement generates.
      extractor: the feature extractor with which samples are compared with real images; ''
        for no comparison.
      scores: what else an evaluation measures: names of `evaluate.SCORES`.
      keep_newest: number of newest checkpoints that are kept.
      keep_best: whether the checkpoint with the smallest Fréchet distance is kept, too; of a
        method that translates, the one with the smallest LPIPS on held-out images.
      tensorboard: whether TensorBoard event files are written, too.
      wandb: whether a run of Weights & Biases is written, too, on this machine.
      shard_params: whether parameters, optimizer and EMA are split over the devices, so that each
        holds a part; otherwise each holds a copy. The results agree up to rounding.
      profile_steps: 'FIRST..LAST', such as '100..110', writes a trace of these steps, without the
        last, to the folder `profile` of the run; '' for none.
      on_nan: what follows NaN or infinity. 'stop' ends the run; 'restart' goes back to the last
        checkpoint and on with other random numbers, three times at most in a run.
      precision: one of `precision.PRECISIONS`, the types in which a step computes.
      microbatch_size: images that a network sees at once, so that a large batch needs less memory
        and more time; 0 for the whole batch.
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
    wandb: bool = False
    shard_params: bool = False
    profile_steps: str = ''
    on_nan: str = 'stop'
    precision: str = 'tensorfloat32'
    microbatch_size: int = 0

    def __post_init__(self):
        some = ('log_every_steps', 'num_samples', 'num_measured', 'keep_newest')
        others = ('sample_every_steps', 'checkpoint_every_steps', 'measure_every_steps')
        for name in some + others:
            given, least = getattr(self, name), int(name in some)
            if given < least:
                raise UserError(f'config.run.{name} is {given}; set it to {least} or more.')
        profile.parse(self.profile_steps)
        if self.on_nan not in ('stop', 'restart'):
            raise UserError(f"config.run.on_nan={self.on_nan!r} is not 'stop' or 'restart'.")
        options.choose(precision.PRECISIONS, self.precision, where='config.run.precision')
        for score in self.scores:
            options.choose(evaluate.SCORES, score, where='config.run.scores')
        if self.extractor and self.extractor not in features.EXTRACTORS:
            hint = options.suggestion(self.extractor, features.EXTRACTORS)
            raise UserError(f'config.run.extractor={self.extractor!r} is no extractor: {hint}')
        measured = self.measure_every_steps
        if self.keep_best and (not measured or self.checkpoint_every_steps % measured):
            raise UserError(
                'config.run.keep_best needs a measurement of every checkpoint: set '
                'config.run.measure_every_steps to a divisor of config.run.checkpoint_every_steps.'
            )


def train(
    config: Mapping[str, Any],
    workdir: str | pathlib.Path,
    *,
    command: str = '',
    seconds_to_stop: float | None = None,
) -> loop.Result:
    """Runs what `config` describes in `workdir`, from where it stands there.

    A run of one phase may be given more steps than it had. It goes on with the schedules of the
    longer run.

    Args:
      config: nested dicts with `seed`, `method`, `data` and `run`. `init_from`, if it is not '',
        is a workdir or the folder of an exported model: a new run starts from its networks.
      workdir: the folder of the run.
      command: the command line, for the record.
      seconds_to_stop: how long after SIGTERM or Ctrl-C the process may go on without saving, for
        example because XLA compiles. Then it ends; the last checkpoint is where it continues.

    Returns:
      The step and the state at the end, or where SIGTERM stopped the run. The state is None
      if the run was finished already.

    Raises:
      UserError: bad input, a workdir of another config or in use, a full disk, NaN.
      KeyboardInterrupt: Ctrl-C stopped the run, which has saved its state.
    """
    run_config = _check(config)
    files.refuse_address(workdir)
    method, source, batch, mesh = _prepared(config, run_config)
    leads = jax.process_index() == 0
    wanted = [name for name in boards.BOARDS if getattr(run_config, name)]
    adopted = None
    if not any(pathlib.Path(workdir).glob('checkpoints/[0-9]*')):
        adopted = _adopt(method, config, batch)  # Refused before files appear.
    # A second phase would begin at another step of a longer run.
    may_grow = sum(phase.num_steps > 0 for phase in method.phases) == 1
    writer = Writer(
        workdir, config, command=command, active=leads, boards=wanted, may_grow=may_grow
    )
    with lock.held(writer.workdir, say=_say) if leads else contextlib.nullcontext():
        checkpoints = Checkpoints(
            writer.workdir / 'checkpoints',
            keep_newest=run_config.keep_newest,
            keep_best=run_config.keep_best,
            say=_say,
        )
        total, done = loop.num_steps(method), checkpoints.newest_sound() or 0
        if done >= total:
            if leads:
                length = 'total_images' if 'total_images' in config else 'method.num_steps'
                cure = f' Raise config.{length} to train it longer.' if may_grow else ''
                _say(f'{writer.workdir} is finished: step {done} of {total}.{cure}')
            writer.status('finished')
            return loop.Result(done, None, True)
        start = None
        if not done:
            method, start = adopted or _adopt(method, config, batch)
        training = _Training(
            config, run_config, method, source, batch, mesh, writer, checkpoints, start
        )
        return training.run(done, total, seconds_to_stop)


def _prepared(
    config: Mapping[str, Any], run_config: RunConfig
) -> tuple[Method, Source, Batch, jax.sharding.Mesh]:
    """Returns the method as it will run, its source, a whole batch and the devices.

    An option that the method, its networks or the data do not have is refused here, before
    anything is written.
    """
    method = methods.make(config['method'])
    source, mesh = _source(config)
    labels.check(config, method, source)
    batch = loop.first_batch(source, mesh)
    with _too_large():
        method, shapes = loop.traced(method, batch, mesh)
    check_fit(config, run_config, method, shapes, num_devices=mesh.size)
    method = precision.stepping_in(run_config.precision, method)
    platform = mesh.devices.flat[0].platform
    method = microbatches.stepping_in(run_config.microbatch_size, method, platform=platform)
    return method, source, batch, mesh


def _adopt(
    method: Method, config: Mapping[str, Any], batch: Batch
) -> tuple[Method, dict[str, Any] | None]:
    """Returns `parent.adopt` of the parent; without one, the method as it is and None."""
    if config.get('init_from'):
        return parent.adopt(method, config['init_from'], batch)
    if method.untrained:
        raise UserError(
            f'this config takes its {method.untrained[0]} from another run: set config.init_from '
            'to a run or a model that has one.'
        )
    return method, None


def check_fit(
    config: Mapping[str, Any], run_config: RunConfig, method: Method, shapes, *, num_devices: int
) -> None:
    """Checks options of the run against its method and the `shapes` of its state.

    Raises:
      UserError: a phase has less than 0 steps, or all have none; a measurement has no extractor;
        the trace ends after the run; or the method cannot have the precision or the microbatches.
    """
    for phase in method.phases:
        if phase.num_steps < 0:
            raise UserError(
                f'phase {phase.name!r} has {phase.num_steps:,} steps: set config.total_images, or '
                'its steps in config.method, to 0 or more.'
            )
    if not loop.num_steps(method):
        raise UserError(
            'the run has no step: raise config.total_images to one batch or more '
            '(config.data.batch_size), or config.method.num_steps to 1 or more.'
        )
    measures = run_config.measure_every_steps and not method.translation
    if measures and not run_config.extractor:
        raise UserError('config.run.measure_every_steps needs config.run.extractor.')
    profile.check(run_config.profile_steps, loop.num_steps(method))
    precision.check(run_config.precision, shapes)
    microbatches.check(
        run_config.microbatch_size,
        shapes,
        batch_size=config['data'].get('batch_size', 0),
        num_devices=num_devices,
    )


@dataclasses.dataclass(frozen=True)
class _Training:
    """A run whose input is good, in a workdir that is locked.

    `start` is the record of `parent.adopt`; None if the run does not start from a parent.
    """

    config: Mapping[str, Any]
    run_config: RunConfig
    method: Method
    source: Source
    batch: Batch
    mesh: jax.sharding.Mesh
    writer: Writer
    checkpoints: Checkpoints
    start: Mapping[str, Any] | None

    def run(self, done: int, total: int, seconds_to_stop: float | None) -> loop.Result:
        """Runs from step `done` and records how it ended."""
        measure = self._measure(done)  # Its options are checked before anything is written.
        progress = Progress(total, initial=done, active=jax.process_index() == 0)
        # One process of several cannot leave: the others would wait for it.
        seconds = seconds_to_stop if jax.process_count() == 1 else None
        try:
            with signals.caught(seconds=seconds, leave=self._leave) as caught, self._failures():
                self._announce(progress, done, total)
                result = self._run(progress, done, caught, measure)
                self.checkpoints.wait()
            for name, what in (('results', 'the result is'), ('samples', 'samples are')):
                made = self.writer.workdir / name
                if result.finished and made.is_dir():
                    progress.say(f'{what} in {made}')
        finally:
            self.checkpoints.close()
            progress.close()
            self.writer.close()
        self.writer.status('finished' if result.finished else 'stopped', step=result.step)
        if not result.finished and caught.came[:1] == [signal.SIGINT]:
            raise KeyboardInterrupt
        return result

    def _class_counts(self, done: int) -> tuple[int, ...]:
        """Returns the counts that the run began with, so that its samples keep their labels."""
        if done:
            return tuple(self.writer.info.get('class_counts', ()))
        return self.source.class_counts

    def _measure(self, done: int):
        """Returns what measures the state, or None."""
        if not self.run_config.measure_every_steps:
            return None
        run = (self.method, self.config, self.batch)
        how = {'mesh': self.mesh, 'num_images': self.run_config.num_measured}
        if self.method.translation:
            return translation.during_training(*run, **how)
        how |= {'extractor': self.run_config.extractor, 'class_counts': self._class_counts(done)}
        return distribution.during_training(*run, **how)

    def _announce(self, progress: Progress, done: int, total: int) -> None:
        """Records what the run starts from, and says it."""
        self.writer.resume_at(done)
        self.writer.skipped(self.source.skipped)
        self.writer.status(
            'running',
            num_steps=total,
            step=done,
            source=self.source.description,
            class_names=list(self.source.class_names),
            class_counts=list(self._class_counts(done)),
            batch={name: (leaf.shape, leaf.dtype.name) for name, leaf in self.batch.items()},
        )
        if self.start:
            self.writer.status('running', init_from=self.start)
            progress.say(parent.sentence(self.start))
        hardware, steps = devices.hardware(), f'step {done} of {total}{self._passes(total)}'
        progress.say(f'{self.source.description}; {hardware}; {steps}; compiling')
        if self.source.skipped:
            listed = self.writer.workdir / skipped.NAME
            number = len(self.source.skipped)
            are = 'file was' if number == 1 else 'files were'
            progress.say(f'{number:,} {are} skipped: {listed}')

    def _passes(self, total: int) -> str:
        """Says how often a run sees each image, which tells whether it may learn them by heart."""
        size, count = self.config['data'].get('batch_size', 0), self.source.num_examples or 0
        passes = round(total * size / count) if size < count else 0
        return f' ({passes:,} passes over the images)' if passes > 1 else ''

    def _run(self, progress: Progress, done: int, caught: signals.Signals, measure) -> loop.Result:
        """Runs the loop; after NaN again, from the last checkpoint, if it may."""

        def warn(sentence: str) -> None:
            progress.say(sentence)
            self.writer.status('running', warning=sentence)

        detector = collapse.Detector(warn, logits_have_scale=self.method.logits_have_scale)
        while True:
            restarts = self.writer.info.get('restarts', [])
            try:
                return self._loop(progress, done, caught, measure, detector, restarts)
            except NotFiniteError as error:
                data = loop.broken_data(self.source, self.mesh, error.step)
                error = NotFiniteError(error.step, [*data, *error.names])
                done = self.checkpoints.newest_sound() or 0
                tried = len(restarts)
                if data or self.run_config.on_nan == 'stop' or tried == MAX_RESTARTS:
                    raise UserError(_advice(error, done, tried, in_data=bool(data))) from None
                progress.say(f'{error}; continuing from step {done} with other random numbers.')
                restart = {'step': error.step, 'names': error.names, 'from': done}
            self.writer.resume_at(done)
            self.writer.status('running', step=done, restarts=[*restarts, restart])

    def _loop(self, progress, done, caught, measure, detector, restarts) -> loop.Result:
        unfinished = dispatch.Unfinished(self.checkpoints.record(done) if done else {})
        images_per_step = self.config['data'].get('batch_size', 0)
        folder = self.writer.workdir / 'profile' if jax.process_index() == 0 else None
        traced = profile.parse(self.run_config.profile_steps)
        if traced and traced.start < done:
            progress.say(f'step {traced.start} has passed: config.run.profile_steps traces nothing')
        with profile.Profile(steps=traced, folder=folder, say=progress.say) as tracing:
            return loop.run(
                self.method,
                self.source,
                seed=self.config['seed'],
                mesh=self.mesh,
                log_every_steps=self.run_config.log_every_steps,
                hooks=self._hooks(measure, detector, unfinished, caught),
                observers=[
                    hooks.write_records(
                        self.writer,
                        progress,
                        self.method.phases,
                        images_per_step=images_per_step,
                        streamed=self.source.max_window_steps is not None,
                    ),
                    lambda record: detector.record(record.step, record.metrics),
                ],
                restore=lambda shapes: done and (done, self.checkpoints.restore(shapes, step=done)),
                stop=lambda: bool(caught.came),
                unfinished=unfinished,
                restarts=[restart['from'] for restart in restarts],
                shard_params=self.run_config.shard_params,
                profile=tracing,
                check=functools.partial(memory.check, mesh=self.mesh, say=progress.say),
            )

    def _hooks(self, measure, detector, unfinished, caught) -> list[loop.StateHook]:
        """Returns the hooks of a run, in the order in which they run."""
        options = self.run_config
        found = [
            hooks.write_samples(
                self.writer,
                self.method,
                self.source.preview(options.num_samples) or self.batch,
                seed=self.config['seed'],
                mesh=self.mesh,
                num_samples=options.num_samples,
                every_steps=options.sample_every_steps,
                postprocess=self.source.postprocess,
                inspect=detector.samples,
            )
        ]
        if measure:
            every_steps = options.measure_every_steps
            found.append(hooks.write_metrics(self.writer, measure, every_steps=every_steps))
        # After the measurement, which decides which checkpoint is the best.
        save = hooks.save_checkpoints(
            self.checkpoints,
            every_steps=options.checkpoint_every_steps,
            unfinished=unfinished,
            signals=caught,
        )
        return [*found, save]

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Records how a run ended if it fails."""
        try:
            with _too_large():
                yield
        except KeyboardInterrupt:
            self.writer.status('stopped')
            raise
        except Exception as error:
            with contextlib.suppress(UserError):  # The disk may be what failed.
                message = str(error) if isinstance(error, UserError) else repr(error)
                self.writer.status('failed', error=message)
            raise

    def _leave(self, signum: int) -> None:
        """Records a run that could not be stopped in time."""
        with contextlib.suppress(UserError):
            self.writer.status('stopped')
        done = max(self.checkpoints.written(), default=0)
        where = f'continues from step {done}' if done else 'begins again, for nothing was saved yet'
        _say(f'{signal.Signals(signum).name}: left; the same command {where}')


@contextlib.contextmanager
def _too_large() -> Iterator[None]:
    """Says in a sentence that options make an array of more than 2^31 rows."""
    try:
        yield
    except OverflowError as error:
        raise UserError(
            f'options of config.method or config.data are too large together ({error}): give '
            'smaller numbers.'
        ) from error


def _advice(error: NotFiniteError, done: int, num_restarts: int, *, in_data: bool) -> str:
    """Says what became NaN, where the last good checkpoint is, and what can be done."""
    good = f'the last good checkpoint is step {done}' if done else 'there is no checkpoint yet'
    again = 'train with other options of config.method in a new workdir'
    if in_data:
        again = 'correct the data and train in a new workdir'
    elif num_restarts < MAX_RESTARTS:
        again = (
            'run the same command with --config.run.on_nan=restart, which continues from there '
            f'with other random numbers, or {again}'
        )
    else:
        good = f'the run was continued with other random numbers {num_restarts} times and {good}'
    return f'{error}; {good}: {again}.'


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _check(config: Mapping[str, Any]) -> RunConfig:
    for name in ('seed', 'method', 'data', 'run'):
        if name not in config:
            raise UserError(f'config.{name} is missing: set it in the config.')
    keys.stream(config['seed'], 'init')  # Raises if it is no seed.
    return options.build(RunConfig, config['run'], where='config.run')


def _source(config: Mapping[str, Any]) -> tuple[Source, jax.sharding.Mesh]:
    mesh = devices.make_mesh()
    devices.check_batch_size(mesh, config['data'].get('batch_size', 0))
    process = (jax.process_index(), jax.process_count())
    source = data.make(config['data'], seed=config['seed'], process=process)
    if source.postprocess:  # Each image is one device's work: more devices would idle.
        lengths = {len(leaf) for leaf in jax.tree.leaves(source.window(0, 1))}
        mesh = devices.mesh_over(math.gcd(*lengths))
    return source, mesh
