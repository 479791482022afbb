"""Starts a run from the weights of another run, its parent."""

import pathlib
from typing import Any, NamedTuple

import jax

from imggen.errors import UserError
from imggen.inference import load
from imggen.method import Batch, Method

# Weights lie below fields of these names. The state of an optimizer, which has trees of the same
# form, and counters start anew.
_WEIGHTS = ('params', 'batch_stats', 'ema')
_NEW = 'opt_state'


class Start(NamedTuple):
    """What a run took from its parent.

    Attributes:
      workdir, step: the parent, and the step of its checkpoint.
      taken: the names of the arrays that were taken.
      drawn: the names of those that the parent does not have in this shape.
    """

    workdir: str
    step: int
    taken: tuple[str, ...]
    drawn: tuple[str, ...]

    def sentence(self) -> str:
        """Says which weights were taken, for the progress line."""
        text = f'{len(self.taken)} of {len(self.taken + self.drawn)} arrays of weights come from '
        text += f'{self.workdir}, step {self.step}'
        return f'{text}; not {", ".join(self.drawn)}' if self.drawn else text


def adopt(method: Method, workdir: str | pathlib.Path, batch: Batch) -> tuple[Method, Start]:
    """Returns the method with an `init` that takes weights from the newest checkpoint of a run.

    An array is taken if the run has one of the same name, shape and type. All others are drawn, as
    without a parent.

    Raises:
      UserError: there is no run or no checkpoint, or none of its weights fits.
    """
    restored = load.load(workdir)
    given = _weights(restored.state)
    shapes = _weights(jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch))

    def fits(name):
        found, wanted = given.get(name), shapes[name]
        return found is not None and (found.shape, found.dtype) == (wanted.shape, wanted.dtype)

    taken = tuple(name for name in shapes if fits(name))
    if not taken:
        raise UserError(
            f'config.init_from={workdir} has no weights that fit this method: name the run of a '
            'method with the same networks.'
        )

    def init(key, frozen, batch):
        def take(path, leaf):
            name = jax.tree_util.keystr(path)
            return given[name] if name in taken else leaf

        return jax.tree_util.tree_map_with_path(take, method.init(key, frozen, batch))

    drawn = tuple(name for name in shapes if name not in taken)
    return method._replace(init=init), Start(str(workdir), restored.step, taken, drawn)


def _weights(state: Any) -> dict[str, Any]:
    """Returns the weights in a state by their path."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        parts = {getattr(part, 'name', getattr(part, 'key', None)) for part in path}
        if parts & set(_WEIGHTS) and _NEW not in parts:
            found[jax.tree_util.keystr(path)] = leaf
    return found
