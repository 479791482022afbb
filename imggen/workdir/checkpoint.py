"""Checkpoints: the whole state of a run at one step, saved atomically by Orbax.

Orbax writes a checkpoint under a temporary name and renames it when it is complete, so a
killed process leaves no partial checkpoint. The newest few are kept, and on request the one
with the smallest Fréchet distance. Each has checksums of its files, which are compared before it
is restored; what is damaged is moved to the folder `damaged` of the run.

A save copies the state to the host, and one thread writes the copy while training goes on.
"""

import contextlib
import itertools
import logging
import pathlib
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from imggen.errors import UserError
from imggen.workdir import checksums, weights


def _is_wanted(record: logging.LogRecord) -> bool:
    # Orbax logs every save, warns that a read-only manager does not write, and prints the traceback
    # of an error in its threads before it raises that error here.
    by_orbax = 'orbax' in pathlib.Path(record.pathname).parts
    return not by_orbax or (record.levelno >= logging.ERROR and not record.exc_info)


def _is_no_straggler(record: logging.LogRecord) -> bool:
    # Orbax raises the error of the first write that fails and leaves those of the others, which
    # asyncio prints with their tracebacks when it finds them.
    message = record.getMessage()
    return not (message.startswith('Task exception was never retrieved') and 'orbax' in message)


logging.getLogger('absl').addFilter(_is_wanted)
logging.getLogger('asyncio').addFilter(_is_no_straggler)

_SCORES = ('frechet', 'lpips')  # The metrics that rank checkpoints; a run has one of them.


def _score(metrics: Mapping[str, float]) -> float:
    return next(metrics[name] for name in _SCORES if name in metrics)


@contextlib.contextmanager
def _without_stragglers():
    """Silences writes that outlive a save that fails within.

    TensorStore hands the end of each one to an event loop that Orbax has closed by then, and
    prints a traceback. They end after the failure, so that only success ends the silence.
    """
    hook = sys.unraisablehook

    def filtered(unraisable):
        if str(unraisable.exc_value) != 'Event loop is closed':
            hook(unraisable)

    sys.unraisablehook = filtered
    yield
    sys.unraisablehook = hook


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Checkpoints:
    """The checkpoints of one run.

    Args:
      folder: made if it does not exist.
      keep_newest: how many of the newest checkpoints are kept.
      keep_best: whether the checkpoint with the smallest Fréchet distance or LPIPS is kept too.
      read_only: whether this process only reads, for example while another one still trains.
        Otherwise what is no checkpoint, or has damaged metrics, is moved away first.
      say: is told what was damaged.

    Raises:
      UserError: the folder cannot be written to, or the metrics of a checkpoint are damaged and
        this process only reads.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        *,
        keep_newest: int = 2,
        keep_best: bool = False,
        read_only: bool = False,
        say: Callable[[str], None] = _say,
    ):
        self._folder = pathlib.Path(folder).absolute()
        self._keep_best = keep_best
        self._read_only = read_only
        self._leads = jax.process_index() == 0
        self._say = say
        self._writer = ThreadPoolExecutor(1, thread_name_prefix='checkpoint')
        self._writing: Future | None = None
        managers = ocp.checkpoint_managers
        policies = [managers.LatestN(keep_newest)]
        ranking = {}
        if keep_best:
            ranking = {'best_fn': _score, 'best_mode': 'min'}
            policies.append(
                managers.BestN(
                    get_metric_fn=_score,
                    reverse=True,
                    n=1,
                    keep_checkpoints_without_metrics=False,
                )
            )
        options = ocp.CheckpointManagerOptions(
            create=not read_only,
            cleanup_tmp_directories=not read_only,
            enable_async_checkpointing=False,  # `save` has a thread of its own.
            preservation_policy=managers.AnyPreservationPolicy(policies),
            **ranking,
        )
        self._open(options)

    def _open(self, options: ocp.CheckpointManagerOptions) -> None:
        """Opens Orbax's manager, which reads the metrics of every checkpoint."""
        try:
            if self._leads and not self._read_only:
                for step in self._steps_on_disk():
                    path = self._folder / str(step)
                    if not (path / 'state').is_dir():
                        self._set_aside(step, 'it holds no state')
                    elif self._keep_best and (fault := checksums.damage(path, below='metrics/')):
                        self._set_aside(step, fault)
            _wait_for_all('checkpoints')
            handlers = {
                'state': ocp.StandardCheckpointHandler(),
                'record': ocp.JsonCheckpointHandler(),
            }
            self._manager = ocp.CheckpointManager(
                self._folder, options=options, item_handlers=handlers
            )
        except OSError as error:
            raise UserError(
                f'{self._folder} cannot be used ({error.strerror}): take another folder or make '
                'room.'
            ) from error
        except ValueError as error:
            raise UserError(
                f'{self._folder} holds damaged metrics ({_first_line(error)}): run the training '
                'again, which moves damaged checkpoints away.'
            ) from error

    def save(
        self, step: int, state, metrics=None, *, record: Mapping[str, Any] | None = None
    ) -> None:
        """Saves a pytree of arrays, unless there is a checkpoint of this step already.

        It returns when the state has been copied; whatever reads checkpoints waits until they are
        written. The processes of a run write together, and return when that is done.

        Args:
          step: the number of steps that led to `state`.
          state: what is saved.
          metrics: `keep_best` reads 'frechet' or 'lpips'. Smaller is better.
          record: JSON values to store beside the state; `record` returns them.

        Raises:
          UserError: this checkpoint or the one before it could not be written, for example to a
            full disk.
        """
        self.wait()
        if step in self._manager.all_steps():
            return
        is_ranked = self._keep_best and metrics and not metrics.keys().isdisjoint(_SCORES)
        metrics = dict(metrics) if is_ranked else None
        record = dict(record or {})
        if jax.process_count() > 1:  # Barriers of a thread would mix with those of the steps.
            self._write(step, state, metrics, record)
            return
        # A copy, since the next step may reuse the buffers.
        state = jax.tree.map(np.array, jax.device_get(state))
        self._writing = self._writer.submit(self._write, step, state, metrics, record)

    def wait(self) -> None:
        """Waits until the last checkpoint is written.

        Raises:
          UserError: it could not be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Waits as `wait` does, but raises nothing. Nothing can be saved after that."""
        self._writer.shutdown()

    def _write(self, step: int, state, metrics, record: Mapping[str, Any]) -> None:
        beside = {'record': ocp.args.JsonSave(record)} if record else {}
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), **beside)
        try:
            with _without_stragglers():
                self._manager.save(step, args=args, metrics=metrics)
                self._manager.wait_until_finished()
                if self._leads:
                    checksums.write(self._folder / str(step))
        except (OSError, ValueError, RuntimeError) as error:
            newest = max((kept for kept in self._steps_on_disk() if kept != step), default=None)
            kept = f'step {newest} is kept' if newest is not None else 'there is no earlier one'
            raise UserError(
                f'the checkpoint of step {step} could not be written to {self._folder} '
                f'({_first_line(error)}): make room there and run the same command again; {kept}.'
            ) from error

    @property
    def newest(self) -> int | None:
        """The newest step, or None."""
        return max(self.steps(), default=None)

    @property
    def best(self) -> int | None:
        """The step with the smallest Fréchet distance; the newest if none was measured."""
        self.wait()
        return self._manager.best_step() if self._keep_best else self.newest

    def steps(self) -> list[int]:
        """Returns the steps that have a checkpoint, in order."""
        self.wait()
        return self.written()

    def written(self) -> list[int]:
        """Returns what `steps` does, without those that are still being written."""
        steps = self._manager.all_steps()
        return sorted(step for step in steps if (self._folder / str(step) / 'state').is_dir())

    def newest_sound(self) -> int | None:
        """Returns the newest step whose files are as they were written, or None.

        Newer checkpoints, which are damaged, are moved to the folder `damaged` beside the
        checkpoints.
        """
        self.wait()
        step = None
        if self._leads:
            for step in reversed(self.steps()):
                fault = checksums.damage(self._folder / str(step))
                if not fault:
                    break
                self._set_aside(step, fault)
            else:
                step = None
        step = _from_first(step)
        self._manager.reload()
        return step

    def record(self, step: int) -> dict[str, Any]:
        """Returns what `save` stored beside the state; {} if nothing was."""
        self.wait()
        if not (self._folder / str(step) / 'record').is_dir():
            return {}
        args = ocp.args.Composite(record=ocp.args.JsonRestore())
        return dict(self._manager.restore(step, args=args)['record'])

    def restore(self, like, *, step: int | None = None):
        """Returns the state of a checkpoint, of the newest one by default.

        `like` is a pytree of arrays or ShapeDtypeStructs with shardings. The result has its
        structure and its shardings, on any number of devices.

        Raises:
          UserError: the checkpoint is damaged, or holds another structure.
        """
        self.wait()
        step = self.newest if step is None else step
        path = self._folder / str(step)
        if fault := checksums.damage(path):
            raise UserError(
                f'checkpoint {path} is damaged ({fault}): name another step, or run the training '
                'again, which goes back to the checkpoint before it.'
            )
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like
        )
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        try:
            self._check_shapes(step, abstract)
            restored = self._manager.restore(step, args=args)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f'checkpoint {path} cannot be read ({_first_line(error)}): '
                'it is damaged, or another version of the code wrote it; delete that folder to '
                'continue from the checkpoint before it.'
            ) from error
        return restored['state']

    def _check_shapes(self, step: int, like) -> None:
        """Raises ValueError at an array of another shape, which Orbax does in the middle of reads.

        The others then go on, and print tracebacks.
        """
        held = dict(weights.named(self._manager.item_metadata(step)['state'].tree))
        for name, leaf in weights.named(like):
            if name in held and tuple(held[name].shape) != leaf.shape:
                there, here = list(held[name].shape), list(leaf.shape)
                raise ValueError(f'{name} is {there} there and {here} here')

    def _steps_on_disk(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        names = [path.name for path in self._folder.iterdir() if path.is_dir()]
        return sorted(int(name) for name in names if re.fullmatch('0|[1-9][0-9]*', name))

    def _set_aside(self, step: int, fault: str) -> None:
        """Moves a damaged checkpoint to a free name below the folder `damaged` of the run."""
        path = self._folder / str(step)
        parent = self._folder.parent / 'damaged'
        parent.mkdir(exist_ok=True)
        names = (f'{step}' if index == 0 else f'{step}-{index}' for index in itertools.count())
        target = next(parent / name for name in names if not (parent / name).exists())
        path.rename(target)
        self._say(f'checkpoint {path} is damaged ({fault}); it was moved to {target}.')


def _wait_for_all(name: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def _from_first(step: int | None) -> int | None:
    """Returns the step that process 0 passes."""
    if jax.process_count() == 1:
        return step
    found = int(multihost_utils.broadcast_one_to_all(np.int32(-1 if step is None else step)))
    return None if found < 0 else found


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 160 else f'{line[:60]} ... {line[-100:]}'
