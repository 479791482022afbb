r"""Compares the programs of a training step in float32 and in bfloat16.

  pip install libtpu
  python -m benchmarks.precision
  python -m benchmarks.precision --config=configs/flow_fashion_mnist.py --platform=cpu

The first step of a config's method is compiled, but not run, for four TPU v5e or for this CPU.
Prints a Markdown table with a row for each precision: the convolutions by the type of their
operands (a TPU multiplies matrices by convolutions, too), and the memory of one device.
"""

import re
from collections import Counter

import jax
import numpy as np
from absl import app, flags
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import config_flags

from imggen import devices, methods
from imggen.training import precision

_CONFIG = config_flags.DEFINE_config_file(
    'config', 'configs/gan_fashion_mnist.py:published', 'The config whose method is compiled.'
)
_IMAGES = flags.DEFINE_integer('images', 1024, 'Number of images of a step.')
_SHAPE = flags.DEFINE_list('shape', ['28', '28', '1'], 'Height, width and channels of an image.')
_PLATFORM = flags.DEFINE_enum('platform', 'tpu', ['cpu', 'tpu'], 'The platform to compile for.')
_PRECISIONS = flags.DEFINE_list('precisions', ['float32', 'bfloat16'], 'What to compile.')

_DEFINED = re.compile(r'^\s*(?:ROOT )?(%?[\w.-]+) = (\w+)\[', re.MULTILINE)
_CONVOLUTION = re.compile(r' convolution\((?:\w+\[[\d,]*\]\S* )?(%?[\w.-]+)')


def compiled(name: str):
    """Returns the compiled first step of --config in a precision."""
    mesh = devices.make_mesh(devices=_tpus() if _PLATFORM.value == 'tpu' else None)
    method = precision.stepping_in(name, methods.make(_CONFIG.value.to_dict()['method']))
    batch = {'image': jax.ShapeDtypeStruct((_IMAGES.value, *map(int, _SHAPE.value)), np.float32)}
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(method.init, key, method.frozen, batch)
    replicated, sharded = NamedSharding(mesh, P()), NamedSharding(mesh, P('data'))
    step = jax.jit(
        method.phases[0].step,
        in_shardings=(replicated, replicated, replicated, sharded),
        out_shardings=replicated,
        donate_argnums=1,
    )
    lowered = step.lower(key, state, method.frozen, batch)
    return lowered.compile(compiler_options=devices.compiler_options(mesh))


def convolutions(program: str) -> Counter:
    """Counts the convolutions of HLO text by the type of their first operand."""
    types = dict(_DEFINED.findall(program))
    return Counter(types[operand] for operand in _CONVOLUTION.findall(program))


def _tpus():
    from jax.experimental import topologies

    return topologies.get_topology_desc(platform='tpu', topology_name='v5e:2x2').devices


def main(argv):
    del argv
    print('| precision | bfloat16 convolutions | float32 convolutions | temporary MB |')
    print('| --- | ---: | ---: | ---: |')
    for name in _PRECISIONS.value:
        program = compiled(name)
        found = convolutions(program.as_text())
        temporary = program.memory_analysis().temp_size_in_bytes / 1e6
        print(f'| {name} | {found["bf16"]} | {found["f32"]} | {temporary:.1f} |', flush=True)


if __name__ == '__main__':
    app.run(main)
