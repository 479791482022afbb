r"""Lists what a compiled training step sends between devices, and what that costs.

  python -m benchmarks.collectives
  python -m benchmarks.collectives --config=configs/r3gan_fashion_mnist.py
  python -m benchmarks.collectives --platform=tpu
  python -m benchmarks.collectives --shard_params

A step of the config's method is compiled, but not run, for several numbers of devices, with the
same number of images on each device. `cpu` splits this machine into virtual devices, with one
process for each number. `tpu` compiles for slices of TPU v5e, which needs their compiler but no
TPU: pip install libtpu.

Prints three Markdown tables:

1. One row per number of devices: the collectives of a step, those that carry gradients of kernels,
   the bytes that a device sends in them, the memory of one device and the seconds of compilation.
2. One row per collective for the first number of devices, in the order of the program: how many
   kernels or their gradients, vectors (gradients of scales and biases, statistics of batch
   normalization) and scalars (metrics) it carries. XLA merges whatever is ready at the same time.
3. The milliseconds of a step: of the computation, and of its collectives over links of a given
   bandwidth, without overlap. Bandwidth, latency and speed are assumptions, which the flags
   --links, --hop_microseconds and --teraflops set.
"""

import json
import os
import subprocess
import sys
import time

import jax
import numpy as np
from absl import app, flags
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import config_flags

from benchmarks import hlo
from imggen import devices, methods, train_state
from imggen.method import Method

_CONFIG = config_flags.DEFINE_config_file(
    'config', 'configs/gan_fashion_mnist.py:published', 'The config whose method is compiled.'
)
_DEVICES = flags.DEFINE_list('devices', ['8', '64', '256'], 'Numbers of devices.')
_IMAGES = flags.DEFINE_integer('images_per_device', 64, 'Number of images on each device.')
_SHAPE = flags.DEFINE_list('shape', ['28', '28', '1'], 'Height, width and channels of an image.')
_PLATFORM = flags.DEFINE_enum('platform', 'cpu', ['cpu', 'tpu'], 'The platform to compile for.')
_LINKS = flags.DEFINE_list(
    'links',
    ['NVLink=450', 'ICI=90', 'InfiniBand=50'],
    'Name=GB/s that a device can send while it receives as much.',
)
_HOP = flags.DEFINE_float('hop_microseconds', 2.0, 'Latency from one device to the next.')
_SPEED = flags.DEFINE_float('teraflops', 20.0, 'Sustained speed of a device.')
_SHARD = flags.DEFINE_bool('shard_params', False, 'As config.run.shard_params.')
_JSON = flags.DEFINE_bool('json', False, 'Compile for one number in this process; print JSON.')

_TPU_SLICES = {4: '2x2', 8: '2x4', 16: '4x4', 32: '4x8', 64: '8x8', 128: '8x16', 256: '16x16'}


def compile_step(method: Method, mesh: Mesh, batch, *, shard_params: bool = False) -> dict:
    """Compiles the step of the first phase for a mesh; returns what the tables show."""
    replicated, sharded = NamedSharding(mesh, P()), NamedSharding(mesh, P('data'))
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(method.init, key, method.frozen, batch)
    state = devices.with_shardings(mesh, method.state_spec, state, shard_params=shard_params)
    state_shardings = jax.tree.map(lambda leaf: leaf.sharding, state)

    def gathered_step(key, state, frozen, batch):
        return method.phases[0].step(key, train_state.gathered(state), frozen, batch)

    step = jax.jit(
        gathered_step,
        in_shardings=(replicated, state_shardings, replicated, sharded),
        out_shardings=(state_shardings, replicated),
        donate_argnums=1,
    )
    started = time.perf_counter()
    with jax.set_mesh(mesh), train_state.sharded(shard_params):
        lowered = step.lower(key, state, method.frozen, batch)
    compiled = lowered.compile(compiler_options=devices.compiler_options(mesh))
    seconds = time.perf_counter() - started
    parameters = jax.tree.leaves([state.generator.params, state.discriminator.params])
    memory = compiled.memory_analysis()
    return {
        'devices': mesh.size,
        'collectives': hlo.collectives(
            compiled.as_text(), [leaf.shape for leaf in parameters if leaf.ndim > 1]
        ),
        'parameter_bytes': sum(leaf.size * leaf.dtype.itemsize for leaf in parameters),
        'state_bytes': sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)),
        'argument_bytes': memory.argument_size_in_bytes,
        'temporary_bytes': memory.temp_size_in_bytes,
        'flops': compiled.cost_analysis()['flops'],
        'seconds': seconds,
    }


def _report(num_devices: int) -> dict:
    """Compiles the step of --config for one number of devices."""
    mesh = devices.make_mesh(devices=_tpus(num_devices) if _PLATFORM.value == 'tpu' else None)
    shape = (num_devices * _IMAGES.value, *map(int, _SHAPE.value))
    batch = {'image': jax.ShapeDtypeStruct(shape, np.float32)}
    method = methods.make(_CONFIG.value.to_dict()['method'])
    return compile_step(method, mesh, batch, shard_params=_SHARD.value)


def _tpus(num_devices: int):
    from jax.experimental import topologies

    name = f'v5e:{_TPU_SLICES[num_devices]}'
    return topologies.get_topology_desc(platform='tpu', topology_name=name).devices


def _in_a_process(num_devices: str) -> dict:
    """Returns `_report` from a process that has this many virtual devices."""
    command = [sys.executable, '-m', 'benchmarks.collectives', *sys.argv[1:]]
    done = subprocess.run(
        [*command, '--json', f'--devices={num_devices}'],
        env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'JAX_NUM_CPU_DEVICES': num_devices},
        stdout=subprocess.PIPE,
        check=True,
    )
    report = json.loads(done.stdout)
    return {**report, 'collectives': [hlo.Collective(*one) for one in report['collectives']]}


def _table(rows: list[dict]) -> str:
    cells = [list(rows[0]), *(map(str, row.values()) for row in rows)]
    lines = ['| ' + ' | '.join(row) + ' |' for row in cells]
    return '\n'.join([lines[0], '|' + ' ---: |' * len(rows[0]), *lines[1:]]) + '\n'


def _summary(reports: list[dict]) -> str:
    rows = []
    for report in reports:
        carrying = [one for one in report['collectives'] if _carries_gradients(one)]
        others = [one for one in report['collectives'] if not _carries_gradients(one)]
        row = {'devices': report['devices']}
        row['images'] = report['devices'] * _IMAGES.value
        row['parameters KB'] = _kilobytes(report['parameter_bytes'])
        row['with kernel gradients'] = len(carrying)
        row['gradients KB'] = _kilobytes(sum(one.kernel_bytes for one in carrying))
        row['others'] = len(others)
        row['others KB'] = _kilobytes(sum(one.bytes for one in others))
        row['state MB'] = f'{report["state_bytes"] / 1e6:.1f}'
        row['temporary MB'] = f'{report["temporary_bytes"] / 1e6:.1f}'
        row['compilation s'] = f'{report["seconds"]:.0f}'
        rows.append(row)
    return _table(rows)


def _carries_gradients(one: hlo.Collective) -> bool:
    return one.kernels > 0 and one.kind != 'all-gather'  # Which carries the parameters themselves.


def _listing(report: dict) -> str:
    rows = []
    for number, one in enumerate(report['collectives'], start=1):
        counts = {'kernels': one.kernels, 'vectors': one.vectors, 'scalars': one.scalars}
        rows.append({'': number, 'kind': one.kind, **counts, 'KB': _kilobytes(one.bytes)})
    return _table(rows)


def _times(reports: list[dict]) -> str:
    links = dict(link.split('=') for link in _LINKS.value)
    rows = []
    for report in reports:
        row = {'devices': report['devices'], 'GFLOP per device': f'{report["flops"] / 1e9:.2f}'}
        row['computing ms'] = _milliseconds(report['flops'] / _SPEED.value / 1e12)
        for name, gigabytes in links.items():
            bandwidth, hop = float(gigabytes) * 1e9, _HOP.value * 1e-6
            row[f'{name} ms'] = _milliseconds(
                sum(
                    hlo.seconds(one.kind, one.bytes, report['devices'], bandwidth, hop)
                    for one in report['collectives']
                )
            )
        rows.append(row)
    return _table(rows)


def _milliseconds(seconds: float) -> str:
    return f'{seconds * 1e3:.2f}'


def _kilobytes(size: float) -> str:
    return f'{size / 1e3:.1f}'


def main(argv):
    del argv
    if _JSON.value:
        print(json.dumps(_report(int(_DEVICES.value[0]))))
        return
    reports = [_in_a_process(number) for number in _DEVICES.value]
    print(_summary(reports), _listing(reports[0]), _times(reports), sep='\n')


if __name__ == '__main__':
    app.run(main)
