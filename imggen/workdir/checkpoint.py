"""Checkpoints: the whole state of a run at a step, saved atomically by Orbax.

A save is written beside the others under a temporary name and renamed when it
is complete, so a killed process leaves no half checkpoint. The newest few are
kept, and the best by a named measure.
"""

import logging
import operator
import pathlib

import jax
import orbax.checkpoint as ocp

from imggen.errors import UserError

# Orbax narrates every save and warns that a reader will only read.
logging.getLogger('absl').setLevel(logging.ERROR)
# It also prints the traceback of an error in its threads, before it raises that error here.
logging.getLogger('absl').addFilter(
    lambda record: not (record.exc_info and 'orbax' in pathlib.Path(record.pathname).parts)
)


class Checkpoints:
    """The checkpoints of one run.

    Args:
      folder: where they lie; made if missing.
      keep_newest: how many of the newest are kept.
      best_measure: name of a measure whose best checkpoint is kept too; '' for none.
      largest_is_best: whether a larger measure is better.
      read_only: for readers beside a running trainer.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        *,
        keep_newest: int = 2,
        best_measure: str = '',
        largest_is_best: bool = False,
        read_only: bool = False,
    ):
        self._folder = pathlib.Path(folder).absolute()
        self._best_measure = best_measure
        managers = ocp.checkpoint_managers
        policies = [managers.LatestN(keep_newest)]
        best = {}
        if best_measure:
            score = operator.itemgetter(best_measure)
            best = {'best_fn': score, 'best_mode': 'max' if largest_is_best else 'min'}
            policies.append(
                managers.BestN(
                    get_metric_fn=score,
                    reverse=not largest_is_best,
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
                **best,
            ),
        )

    def save(self, step: int, state, metrics=None) -> None:
        """Saves `state` as of `step`, with the measures taken of it."""
        if step in self._manager.all_steps():
            return
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(state=ocp.args.StandardSave(state)),
                metrics=metrics if metrics and self._best_measure in metrics else None,
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
        """The step with the best measure; the newest where none was measured."""
        return self._manager.best_step() if self._best_measure else self.newest

    def steps(self) -> list[int]:
        """Every step that is kept, in order."""
        return sorted(self._manager.all_steps())

    def restore(self, like, *, step: int | None = None):
        """Returns the state of `step`, by default the newest.

        Args:
          like: pytree of arrays or ShapeDtypeStructs with shardings; the result has
            its structure and lies where it says, on whatever number of devices.
          step: which checkpoint.
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
                'it is damaged or belongs to other code; delete that folder to go on from the '
                'one before it.'
            ) from error
        return restored['state']


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 160 else f'{line[:60]} ... {line[-100:]}'
