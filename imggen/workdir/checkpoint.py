"""Checkpoints: the whole state of a run at one step, saved atomically by Orbax.

Orbax writes a checkpoint under a temporary name and renames it when it is complete, so a
killed process leaves no partial checkpoint. The newest few are kept, and on request the one
with the smallest Fréchet distance.
"""

import logging
import operator
import pathlib

import jax
import orbax.checkpoint as ocp

from imggen.errors import UserError


def _is_wanted(record: logging.LogRecord) -> bool:
    # Orbax logs every save, warns that a read-only manager does not write, and prints the traceback
    # of an error in its threads before it raises that error here.
    by_orbax = 'orbax' in pathlib.Path(record.pathname).parts
    return not by_orbax or (record.levelno >= logging.ERROR and not record.exc_info)


logging.getLogger('absl').addFilter(_is_wanted)

_SCORE = 'frechet'  # The metric that ranks checkpoints. Smaller is better.


class Checkpoints:
    """The checkpoints of one run.

    Args:
      folder: made if it does not exist.
      keep_newest: how many of the newest checkpoints are kept.
      keep_best: whether the checkpoint with the smallest Fréchet distance is kept too.
      read_only: whether this process only reads, for example while another one still trains.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        *,
        keep_newest: int = 2,
        keep_best: bool = False,
        read_only: bool = False,
    ):
        self._folder = pathlib.Path(folder).absolute()
        self._keep_best = keep_best
        managers = ocp.checkpoint_managers
        policies = [managers.LatestN(keep_newest)]
        ranking = {}
        if keep_best:
            score = operator.itemgetter(_SCORE)
            ranking = {'best_fn': score, 'best_mode': 'min'}
            policies.append(
                managers.BestN(
                    get_metric_fn=score,
                    reverse=True,
                    n=1,
                    keep_checkpoints_without_metrics=False,
                )
            )
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                create=not read_only,
                cleanup_tmp_directories=not read_only,
                # The next step donates the buffers that a background save would read.
                enable_async_checkpointing=False,
                preservation_policy=managers.AnyPreservationPolicy(policies),
                **ranking,
            ),
        )

    def save(self, step: int, state, metrics=None) -> None:
        """Saves a pytree of arrays, unless there is a checkpoint of this step already.

        `keep_best` reads 'frechet' of the metrics.

        Raises:
          UserError: the checkpoint could not be written, for example to a full disk.
        """
        if step in self._manager.all_steps():
            return
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(state=ocp.args.StandardSave(state)),
                metrics=metrics if self._keep_best and metrics and _SCORE in metrics else None,
            )
            self._manager.wait_until_finished()
        except (OSError, ValueError, RuntimeError) as error:
            newest = self.newest
            kept = f'step {newest} is kept' if newest is not None else 'there is no earlier one'
            raise UserError(
                f'the checkpoint of step {step} could not be written to {self._folder} '
                f'({_first_line(error)}): make room there and run the same command again; {kept}.'
            ) from error

    @property
    def newest(self) -> int | None:
        """The newest step, or None."""
        return self._manager.latest_step()

    @property
    def best(self) -> int | None:
        """The step with the smallest Fréchet distance; the newest if none was measured."""
        return self._manager.best_step() if self._keep_best else self.newest

    def steps(self) -> list[int]:
        """Returns the steps that have a checkpoint, in order."""
        return sorted(self._manager.all_steps())

    def restore(self, like, *, step: int | None = None):
        """Returns the state of a checkpoint, of the newest one by default.

        `like` is a pytree of arrays or ShapeDtypeStructs with shardings. The result has its
        structure and its shardings, on any number of devices.

        Raises:
          UserError: the checkpoint is damaged, or holds another structure.
        """
        step = self.newest if step is None else step
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like
        )
        try:
            restored = self._manager.restore(
                step, args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f'checkpoint {self._folder / str(step)} cannot be read ({_first_line(error)}): '
                'it is damaged, or another version of the code wrote it; delete that folder to '
                'continue from the checkpoint before it.'
            ) from error
        return restored['state']


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 160 else f'{line[:60]} ... {line[-100:]}'
