"""The state of a run as one safetensors file, which other programs and frameworks read.

An array is named by its path in the state, 'generator.params.conv0.kernel'. The states of
optimizers are left out: a model is shared to be used, and to start another run from. A file may
also hold a flow's average `ema` alone, which then stands for its `network` and for `early`.
"""

import os
import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from imggen import files
from imggen.errors import UserError

NAME = 'weights.safetensors'


def write(path: str | os.PathLike, state: Any, *, step: int, half: bool = False) -> None:
    """Writes the arrays of a state, without its optimizers, atomically.

    Args:
      path: the new file.
      state: a pytree of arrays.
      step: the step that they are of.
      half: whether float32 arrays are rounded to float16.

    Raises:
      UserError: an array is too large for float16.
    """
    arrays = {
        name: np.asarray(jax.device_get(leaf), order='C')
        for name, leaf in named(state)
        if not is_of_optimizer(name)
    }
    if half:
        arrays = {name: _rounded(name, array) for name, array in arrays.items()}
    # Not `save_file`, whose files nobody else may read.
    files.write_bytes(path, safetensors.numpy.save(arrays, metadata={'step': str(step)}))


def step(path: pathlib.Path) -> int:
    """Returns the step that the weights are of.

    Raises:
      UserError: the file is damaged, or imggen did not write it.
    """
    _check_regular(path)
    try:
        with safetensors.safe_open(path, framework='numpy') as file:
            return int((file.metadata() or {})['step'])
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f'{path} cannot be read ({error}): export the run again.') from None


def read(path: pathlib.Path, like: Any) -> Any:
    """Returns the state in the structure and the shardings of `like`; optimizers are zeros.

    Args:
      path: a file of `write`. Its arrays may have been rounded to float16.
      like: a pytree of arrays or ShapeDtypeStructs with shardings.

    Raises:
      UserError: the file is damaged, or holds the weights of another network.
    """
    _check_regular(path)
    try:
        arrays = safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f'{path} cannot be read ({error}): export the run again.') from None

    def restored(name, leaf):
        average = re.sub(r'\b(network|early)\.', 'ema.', name, count=1)
        if name not in arrays and average in arrays:
            name = average
        if is_of_optimizer(name):
            array = jnp.zeros(leaf.shape, leaf.dtype)
        elif name not in arrays:
            raise UserError(
                f'{path} has no array {name!r}: it does not belong to its config.json; export the '
                'run again.'
            )
        elif arrays[name].shape != leaf.shape or not _is_kind(arrays[name].dtype, leaf.dtype):
            held = f'{arrays[name].dtype}{list(arrays[name].shape)}'
            raise UserError(
                f'{path} holds {name!r} as {held} and not as {leaf.dtype}{list(leaf.shape)}: it '
                'does not belong to its config.json; export the run again.'
            )
        else:
            array = arrays[name].astype(leaf.dtype)
        return jax.device_put(array, leaf.sharding)

    leaves = [restored(name, leaf) for name, leaf in named(like)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _rounded(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float32:
        return array
    if np.abs(array).max(initial=0.0) > np.finfo(np.float16).max:
        raise UserError(f'{name} is too large for float16: leave --half out.')
    return array.astype(np.float16)


def _is_kind(held: np.dtype, wanted: np.dtype) -> bool:
    """Whether an array may be read as `wanted`: it has this type, or half of its bits."""
    return held == wanted or (held, wanted) == (np.float16, np.float32)


def _check_regular(path: pathlib.Path) -> None:
    """Refuses a missing file, and a pipe, which could wait for ever."""
    if not path.is_file():
        raise UserError(f'{path} is not a regular file: export the run again.')


def named(tree: Any) -> list[tuple[str, Any]]:
    """Returns the leaves of a state with their names, in the order of `jax.tree.leaves`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator='.'), leaf) for path, leaf in leaves]


def is_of_optimizer(name: str) -> bool:
    """Whether an array of this name belongs to the state of an optimizer."""
    return 'opt_state' in name.split('.')
