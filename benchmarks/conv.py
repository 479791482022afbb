r"""Times convolutions and their gradients: ours, XLA's own and PyTorch's.

  python -m benchmarks.conv
  python -m benchmarks.conv --layers='64x14' --seconds_per_cell=2

A row is one map of one layer: F (forward), D (input gradient) or W (weight gradient). Cells are
GFLOP/s of the fastest of many calls, counting two operations for each multiplication in the
definition of the convolution. "loop" means inside a compiled `lax.fori_loop`, where training steps
run; "call" means one jit-compiled call. The forms take turns, so that a busy machine slows down all
of them. PyTorch runs in its channels_last layout, and is left out if it is not installed.
"""

import itertools
import re
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from absl import app, flags
from jax import lax

from imggen import devices
from imggen.networks.conv.layers import conv

_LAYERS = flags.DEFINE_string('layers', '', 'Regular expression: time only layers that match it.')
_SECONDS = flags.DEFINE_float(
    'seconds_per_cell', 0.5, 'Time spent on each cell, after compilation and three calls.'
)
_TURNS = flags.DEFINE_integer('turns', 8, 'Repetitions inside one compiled loop.', lower_bound=1)
_STOCK_LOOP = flags.DEFINE_bool(
    'stock_loop', True, 'Also time stock gradients inside a loop, which takes seconds per layer.'
)


class Layer(NamedTuple):
    """A square convolution on square images, with the same padding on every side."""

    batch: int
    size: int
    channels: int
    features: int
    kernel_size: int
    stride: int
    padding: int
    groups: int = 1

    def __str__(self) -> str:
        text = f'{self.batch}x{self.size} {self.channels}->{self.features} '
        text += f'{self.kernel_size}x{self.kernel_size}'
        text += f' s{self.stride}' if self.stride > 1 else ''
        return text + (f' g{self.groups}' if self.groups > 1 else '')

    @property
    def output_size(self) -> int:
        return (self.size + 2 * self.padding - self.kernel_size) // self.stride + 1

    @property
    def flops(self) -> int:
        outputs = self.batch * self.output_size**2 * self.features
        return 2 * outputs * self.kernel_size**2 * self.channels // self.groups


LAYERS = (
    # DCGAN on 28x28 images: the discriminator; its mirror is the generator.
    Layer(64, 28, 1, 64, 4, 2, 1),
    Layer(64, 14, 64, 128, 4, 2, 1),
    # Residual GAN and classifier.
    Layer(64, 28, 1, 32, 3, 1, 1),
    Layer(64, 28, 32, 32, 3, 1, 1),
    Layer(64, 28, 64, 1, 3, 1, 1),
    Layer(64, 14, 64, 64, 3, 1, 1),
    Layer(64, 7, 128, 128, 3, 1, 1),
    Layer(64, 14, 64, 128, 3, 2, 1),
    Layer(64, 14, 64, 64, 1, 1, 0),
    Layer(64, 28, 32, 64, 1, 2, 0),
    # 16 channels per group.
    Layer(64, 28, 32, 32, 3, 1, 1, groups=2),
    Layer(64, 14, 64, 64, 3, 1, 1, groups=4),
    Layer(64, 7, 128, 128, 3, 1, 1, groups=8),
    # Translation of single images.
    Layer(1, 256, 3, 64, 4, 2, 1),
    Layer(1, 128, 64, 128, 4, 2, 1),
    Layer(1, 64, 128, 256, 4, 2, 1),
    Layer(1, 16, 512, 512, 4, 2, 1),
    Layer(1, 32, 256, 512, 4, 1, 1),
    # Super-resolution.
    Layer(16, 24, 64, 64, 3, 1, 1),
)


def _ours(layer: Layer):
    return lambda x, kernel: conv(
        x, kernel, stride=layer.stride, padding=layer.padding, groups=layer.groups
    )


def _stock(layer: Layer):
    return lambda x, kernel: lax.conv_general_dilated(
        x,
        kernel,
        (layer.stride, layer.stride),
        [(layer.padding, layer.padding)] * 2,
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=layer.groups,
    )


def _bilinear(forward: Callable, name: str) -> Callable:
    """Returns F, D or W of `forward` as a function of (x, kernel, g)."""
    return {
        'F': lambda x, kernel, g: forward(x, kernel),
        'D': lambda x, kernel, g: jax.vjp(lambda x: forward(x, kernel), x)[1](g)[0],
        'W': lambda x, kernel, g: jax.vjp(lambda kernel: forward(x, kernel), kernel)[1](g)[0],
    }[name]


def _looped(function: Callable, turns: int) -> Callable:
    """Repeats `function` in a compiled loop in which each turn depends on the turn before."""

    def turn(index, operands):
        result = function(*operands).reshape(-1)
        element = lax.dynamic_index_in_dim(result, index, keepdims=False)
        return [operand.at[(0,) * 4].add(1e-12 * element) for operand in operands]

    return lambda *operands: lax.fori_loop(0, turns, turn, list(operands))


def _jax_call(function: Callable, operands, options) -> Callable[[], None]:
    compiled = jax.jit(function, compiler_options=options).lower(*operands).compile()
    return lambda: jax.block_until_ready(compiled(*operands))


def _torch_call(layer: Layer, name: str, operands) -> Callable[[], None] | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_grad_enabled(False)
    axes = {'x': (0, 3, 1, 2), 'kernel': (3, 2, 0, 1), 'g': (0, 3, 1, 2)}
    x, kernel, g = (
        torch.tensor(jax.device_get(operand.transpose(order))).to(memory_format=torch.channels_last)
        for operand, order in zip(operands, axes.values(), strict=True)
    )
    stride, padding = [layer.stride] * 2, [layer.padding] * 2
    if name == 'F':
        return lambda: torch.nn.functional.conv2d(
            x, kernel, None, stride, padding, groups=layer.groups
        )
    wanted = [name == 'D', name == 'W', False]
    return lambda: torch.ops.aten.convolution_backward(
        g, x, kernel, None, stride, padding, [1, 1], False, [0, 0], layer.groups, wanted
    )


def _fastest(calls: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    """Returns the shortest time of each call; they take turns until time is up."""
    for call in calls.values():
        call()
    best, spent = dict.fromkeys(calls, float('inf')), dict.fromkeys(calls, 0.0)
    for turn in itertools.count():
        waiting = [name for name in calls if turn < 3 or spent[name] < seconds]
        if not waiting:
            return best
        for name in waiting:
            start = time.perf_counter()
            calls[name]()
            duration = time.perf_counter() - start
            spent[name] += duration
            best[name] = min(best[name], duration)
    return best


def _row(layer: Layer, name: str, operands, options) -> dict[str, float]:
    """Returns GFLOP/s of one map of one layer, by column."""
    ours, stock = (_bilinear(form(layer), name) for form in (_ours, _stock))
    turns = _TURNS.value
    calls = {
        'stock call': _jax_call(stock, operands, options),
        'ours call': _jax_call(ours, operands, options),
        'ours loop': _jax_call(_looped(ours, turns), operands, options),
    }
    if _STOCK_LOOP.value:
        calls['stock loop'] = _jax_call(_looped(stock, turns), operands, options)
    if torch_call := _torch_call(layer, name, operands):
        calls['PyTorch'] = torch_call
    seconds = _fastest(calls, _SECONDS.value)
    return {
        column: layer.flops * (turns if column.endswith('loop') else 1) / duration / 1e9
        for column, duration in seconds.items()
    }


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    options = devices.compiler_options(devices.make_mesh())
    columns = ('stock call', 'stock loop', 'ours call', 'ours loop', 'PyTorch')
    print('| layer | map | ' + ' | '.join(columns) + ' |')
    print('| --- | --- |' + ' ---: |' * len(columns))
    for layer in LAYERS:
        if not re.search(_LAYERS.value, str(layer)):
            continue
        keys = jax.random.split(jax.random.key(0), 3)
        shapes = (
            (layer.batch, layer.size, layer.size, layer.channels),
            (
                layer.kernel_size,
                layer.kernel_size,
                layer.channels // layer.groups,
                layer.features,
            ),
            (layer.batch, layer.output_size, layer.output_size, layer.features),
        )
        operands = [
            jax.random.normal(key, shape, jnp.float32)
            for key, shape in zip(keys, shapes, strict=True)
        ]
        for name in 'FDW':
            row = _row(layer, name, operands, options)
            cells = [f'{row[column]:.0f}' if column in row else '-' for column in columns]
            print(f'| {layer} | {name} | ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
    app.run(main)
