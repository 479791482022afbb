"""Restores a method and its state, without the data it was trained on.

They come from a workdir, or from the folder of an exported model, which holds the weights of one
step in place of checkpoints.
"""

import functools
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from imggen import devices
from imggen.errors import UserError
from imggen.method import Batch, Method
from imggen.workdir import reader, weights
from imggen.workdir.checkpoint import Checkpoints


class Restored(NamedTuple):
    """A trained method.

    Attributes:
      config: the whole config of its run.
      state: its state at `step`, on `mesh`.
      step: the step of the checkpoint.
      batch: zeros in the shapes of a training batch, for `sample`. It has no 'label', so that
        `sample` draws labels unless the caller adds them.
      class_names: names of the classes of the data set, in the order of their labels; () without.
      class_counts: number of training images of each class; () if they are unknown.
    """

    config: Mapping[str, Any]
    method: Method
    state: Any
    step: int
    batch: Batch
    mesh: Mesh
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()


def restore(
    workdir: str | pathlib.Path,
    make: Callable[[Mapping[str, Any]], Method],
    *,
    which: str | int = 'newest',
    mesh: Mesh | None = None,
) -> Restored:
    """Restores a checkpoint of a run.

    Args:
      workdir: the folder of the run.
      make: builds a method from the `method` section of a config. It is an argument, so that
        methods can restore runs of other methods; `imggen.inference.load` passes
        `methods.make`.
      which: 'newest', 'best' or the number of a step (12 or '12').
      mesh: by default all devices, or as many as divide the images of the state.

    Raises:
      UserError: there is no run, no checkpoint, or no checkpoint of this step.
    """
    run = reader.read(workdir)
    for name in ('method', 'data', 'run'):
        if not isinstance(run.config.get(name), Mapping):
            raise UserError(f'{run.path}/config.json has no section {name!r}: restore the file.')
    step, read = _saved(run, which)
    method, batch, shapes = _made(run, make)
    if mesh is None:
        # A state whose leaves have a leading image axis is split by images.
        is_spread = method.state_spec != P()
        counts = {leaf.shape[0] for leaf in jax.tree.leaves(shapes)} if is_spread else ()
        mesh = devices.mesh_over(math.gcd(*counts)) if is_spread else devices.make_mesh()
    devices.check_population(mesh, method.state_spec, shapes)
    like = devices.with_shardings(mesh, method.state_spec, shapes)
    batch.pop('label', None)
    names, counts = (tuple(run.info.get(name, ())) for name in ('class_names', 'class_counts'))
    if len(counts) > (method.num_classes or len(counts)):
        raise UserError(
            f'{run.path}/run.json has class_counts of {len(counts)} classes, and the method has '
            f'{method.num_classes}: restore the file.'
        )
    return Restored(run.config, method, read(like), step, batch, mesh, names, counts)


def _made(run: reader.Run, make: Callable) -> tuple[Method, Batch, Any]:
    """Returns the method of a run, zeros of a batch, and the shapes of the state."""
    if 'batch' not in run.info:
        raise UserError(f'{run.path}/run.json does not describe a batch: restore it or train anew.')
    try:
        method = make(run.config['method'])
        batch = {name: jnp.zeros(*leaf) for name, leaf in run.info['batch'].items()}
        return method, batch, jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch)
    except UserError:
        raise
    except Exception as error:  # The files come from anywhere, and JAX refuses values in its way.
        reason = ' '.join(str(error).split())
        raise UserError(
            f'{run.path} cannot be restored: config.json or run.json has a wrong value '
            f'({reason:.200}).'
        ) from error


def _saved(run: reader.Run, which: str | int) -> tuple[int, Callable[[Any], Any]]:
    """Returns the chosen step, and a function from the structure of the state to the state."""
    exported = run.path / weights.NAME
    if exported.is_file():
        step = weights.step(exported)
        if str(which) not in ('newest', 'best', str(step)):
            raise UserError(f'{run.path} is an exported model of step {step}: it has no {which}.')
        return step, functools.partial(weights.read, exported)
    keep_best = run.config['run'].get('keep_best', False)
    checkpoints = Checkpoints(run.path / 'checkpoints', keep_best=keep_best, read_only=True)
    step = _step(checkpoints, which, run.path)
    return step, functools.partial(checkpoints.restore, step=step)


def _step(checkpoints: Checkpoints, which: str | int, path: pathlib.Path) -> int:
    steps = checkpoints.steps()
    if not steps:
        raise UserError(
            f'{path} has no checkpoint and no {weights.NAME}: train it further, or export it again.'
        )
    if isinstance(which, str) and which.isdecimal() and len(which) < 20:
        which = int(which)
    step = {'newest': checkpoints.newest, 'best': checkpoints.best}.get(which, which)
    if step not in steps:
        raise UserError(f'{path} has no checkpoint {which}: there are {steps}.')
    return step
