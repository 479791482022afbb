"""Devices: one mesh axis named 'data', over every device of every process."""

import math
import os
import pathlib

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen.errors import UserError


def join_processes(
    *, address: str | None = None, count: int | None = None, index: int | None = None
) -> None:
    """Joins this process with the others of a run; call it before any other use of JAX.

    SLURM, Open MPI, Cloud TPU and Kubernetes are detected by JAX; elsewhere all
    three arguments are needed.

    Args:
      address: 'host:port' of process 0.
      count: number of processes.
      index: number of this process, from 0.
    """
    try:
        jax.distributed.initialize(address, count, index)
    except ValueError as error:
        raise UserError(
            f'--distributed found no cluster ({error}): start it under SLURM or Kubernetes, or '
            'give --coordinator=HOST:PORT, --num_processes and --process_id.'
        ) from error


def cache_compilations() -> None:
    """Keeps compiled programs on disk, so that the second start of a run is quick."""
    if jax.config.jax_compilation_cache_dir is None:
        cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME', '~/.cache')).expanduser()
        jax.config.update('jax_compilation_cache_dir', str(cache / 'imggen' / 'jax'))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.5)


def make_mesh(*, devices=None) -> Mesh:
    """Returns the mesh over `devices`, by default all, with the one axis 'data'.

    Its axis is Auto: XLA propagates shardings through the linen modules.
    """
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), ('data',), axis_types=(AxisType.Auto,), devices=devices)


def mesh_over(count: int) -> Mesh:
    """Returns the mesh over as many devices as `count` images divide by, of those there are."""
    return make_mesh(devices=jax.devices()[: math.gcd(count, jax.device_count())])


def compiler_options(mesh: Mesh) -> dict[str, str]:
    """Returns the options that training steps are compiled with on this mesh.

    On a CPU the fusions of the YNNPACK library, on by default, halve the speed of
    batched convolutions; an empty list of fusion types turns them off.
    """
    return {'xla_cpu_experimental_ynn_fusion_type': ''} if _on_cpu(mesh) else {}


def quick_options(mesh: Mesh) -> dict[str, int]:
    """Returns the options for a program that runs once, such as the first parameters'.

    On a CPU LLVM takes seconds over each draw of random numbers at its usual level
    of optimization; at level 1 it takes a twentieth.
    """
    return {'xla_backend_optimization_level': 1} if _on_cpu(mesh) else {}


def check_batch_size(mesh: Mesh, batch_size: int) -> None:
    """Raises UserError where a batch does not divide by the devices."""
    if batch_size % mesh.size:
        raise UserError(
            f'config.data.batch_size={batch_size} does not divide by the {mesh.size} devices: '
            f'take {max(1, batch_size // mesh.size) * mesh.size}, or fewer devices.'
        )


def check_population(mesh: Mesh, spec: P, state) -> None:
    """Raises UserError where a state that is cut along its leading axis does not divide.

    `state` is a pytree of anything with shapes, `spec` the method's state_spec.
    """
    if spec == P():
        return
    for count in {leaf.shape[0] for leaf in jax.tree.leaves(state)}:
        if count % mesh.size:
            raise UserError(
                f'a population of {count} does not divide by the {mesh.size} devices: take a '
                f'multiple of {mesh.size}, or fewer devices.'
            )


def replicate(mesh: Mesh, tree):
    """Puts a whole copy of `tree` on every device."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def shard_window(mesh: Mesh, window):
    """Puts a streamed window on the mesh: [steps, batch, ...] is cut along the batch.

    Each process brings its own part of the batch.
    """

    def place(leaf):
        spec = P(None, 'data') if np.ndim(leaf) > 1 else P()
        return jax.make_array_from_process_local_data(NamedSharding(mesh, spec), np.asarray(leaf))

    return jax.tree.map(place, window)


def hardware() -> str:
    """Returns one line that names what computes, for example '1 x NVIDIA H100 80GB HBM3'."""
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
