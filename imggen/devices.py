"""Devices: a mesh with one axis, 'data', over all devices of all processes."""

import math
import os
import pathlib
import warnings

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import files
from imggen.errors import UserError

_SMALL = 2**16  # Elements. At 90 GB/s they take as long as the hop to the next device.


def join_processes(
    *, address: str | None = None, count: int | None = None, index: int | None = None
) -> None:
    """Joins this process with the others of a run. Call it before any other use of JAX.

    JAX detects SLURM, Open MPI, Cloud TPU and Kubernetes; elsewhere all three arguments are
    needed.

    Args:
      address: 'host:port' of process 0.
      count: number of processes.
      index: number of this process, from 0.

    Raises:
      UserError: arguments are missing and JAX detected no cluster.
    """
    try:
        jax.distributed.initialize(address, count, index)
    except ValueError as error:
        raise UserError(
            f'--distributed found no cluster ({error}): start it under SLURM or Kubernetes, or '
            'give --coordinator=HOST:PORT, --num_processes and --process_id.'
        ) from error


def cache_compilations() -> None:
    """Keeps compiled programs on disk, so that a second start of a run is fast."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update('jax_compilation_cache_dir', str(files.cache('jax')))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.05)
    # JAX writes entries in place. Another process may be writing one, or was killed while it wrote;
    # the program is then compiled as if there were no entry.
    warnings.filterwarnings('ignore', 'Error reading persistent compilation cache entry')


def make_mesh(*, devices=None) -> Mesh:
    """Returns a mesh over `devices`, all of them by default, with the one axis 'data'.

    The type of the axis is Auto: XLA propagates shardings through linen modules.
    """
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), ('data',), axis_types=(AxisType.Auto,), devices=devices)


def mesh_over(count: int) -> Mesh:
    """Returns a mesh over gcd(count, number of devices) devices, which divides `count` images."""
    return make_mesh(devices=jax.devices()[: math.gcd(count, jax.device_count())])


def compiler_options(mesh: Mesh) -> dict[str, str]:
    """Returns the options that training steps are compiled with on this mesh.

    On a CPU the fusions of the YNNPACK library are on by default, and batched convolutions are
    half as fast with them. An empty list of fusion types turns them off.
    """
    return {'xla_cpu_experimental_ynn_fusion_type': ''} if _on_cpu(mesh) else {}


def quick_options(mesh: Mesh) -> dict[str, int]:
    """Returns the options for a program that runs once, such as the one that draws parameters.

    On a CPU, LLVM at its usual level of optimization takes seconds to compile each draw of random
    numbers; at level 1 it takes a twentieth of that.
    """
    return {'xla_backend_optimization_level': 1} if _on_cpu(mesh) else {}


def check_batch_size(mesh: Mesh, batch_size: int) -> None:
    """Raises UserError unless the number of devices divides the batch size."""
    if batch_size % mesh.size:
        raise UserError(
            f'config.data.batch_size={batch_size} is not a multiple of the {mesh.size} devices: '
            f'take {max(1, batch_size // mesh.size) * mesh.size}, or fewer devices.'
        )


def check_population(mesh: Mesh, spec: P, state) -> None:
    """Raises UserError unless the number of devices divides a state split by its leading axis.

    `spec` is the method's `state_spec`, and `state` is a pytree of arrays or shapes.
    """
    if spec == P():
        return
    for count in {leaf.shape[0] for leaf in jax.tree.leaves(state)}:
        if count % mesh.size:
            raise UserError(
                f'a population of {count} is not a multiple of the {mesh.size} devices: take a '
                f'multiple of {mesh.size}, or fewer devices.'
            )


def with_shardings(mesh: Mesh, spec: P, state, *, shard_params: bool = False):
    """Says how each array of a state lies on the mesh.

    With `shard_params`, a replicated state is split (FSDP, ZeRO): an array of 65,536 elements or
    more along its largest axis that the number of devices divides.

    Args:
      mesh: the devices.
      spec: the method's `state_spec`.
      state: a pytree of arrays or shapes.
      shard_params: has no effect on a state that `spec` splits by images.

    Returns:
      A pytree of ShapeDtypeStructs with shardings.
    """

    def sharding(shape):
        axes = [axis for axis, size in enumerate(shape) if size % mesh.size == 0]
        if not shard_params or spec != P() or not axes or math.prod(shape) < _SMALL:
            return NamedSharding(mesh, spec)
        axis = max(axes, key=lambda axis: shape[axis])
        return NamedSharding(mesh, P(*[None] * axis, 'data'))

    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding(leaf.shape)),
        state,
    )


def replicate(mesh: Mesh, tree):
    """Puts a copy of `tree` on every device."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def shard_window(mesh: Mesh, window):
    """Puts a streamed window on the mesh; [steps, batch, ...] is split along the batch.

    Each process passes its own part of the batch.
    """

    def place(leaf):
        spec = P(None, 'data') if np.ndim(leaf) > 1 else P()
        return jax.make_array_from_process_local_data(NamedSharding(mesh, spec), np.asarray(leaf))

    return jax.tree.map(place, window)


def hardware() -> str:
    """Names the hardware in one line, for example '1 x NVIDIA H100 80GB HBM3'."""
    device = jax.devices()[0]
    if device.platform != 'cpu':
        return f'{jax.device_count()} x {device.device_kind}'
    names = [
        line.split(':', 1)[1].strip()
        for line in _lines('/proc/cpuinfo')
        if line.startswith('model name')
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    plural = 's' * (cores != 1)
    return f'{cores} core{plural} of {names[0] if names else "a CPU"}'


def _on_cpu(mesh: Mesh) -> bool:
    return mesh.devices.flat[0].platform == 'cpu'


def _lines(path: str) -> list[str]:
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []
