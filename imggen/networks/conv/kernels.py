"""CPU forms of the three bilinear maps of a convolution, each fast for some shapes.

With y = conv(x, kernel), the maps are `forward` (x, kernel) -> y,
`input_gradient` (cotangent g of y, kernel) -> cotangent of x, and `weight_gradient`
(x, g) -> cotangent of kernel. All forms of a map compute the same values; they differ
only in speed.

Layout: x and y are [n, height, width, channels]; a kernel is
[kernel height, kernel width, in channels / groups, features].

Stock gradients are slow on a CPU. Inside a compiled loop XLA does not rewrite a
convolution to the layout of its fast path, so a gradient in another layout takes the
scalar path, which is tens of times slower. Weight gradients of groups, of dilated
windows and of single images miss the fast path outside a loop too. The forms below
spell out their transposes, and turn strides, groups and single images into batched
stride-1 convolutions or matrix products.
"""

import jax
import jax.numpy as jnp
from jax import lax

from imggen.networks.conv.window import Sides, Window

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')
# From this batch size a convolution over the batch axis runs at full speed.
FULL_BATCH = 16


def _pad(x: jax.Array, sides: Sides) -> jax.Array:
    """Pads height and width with zeros; a negative amount crops."""
    edges = ((0, 0), *sides, *((0, 0),) * (x.ndim - 3))
    return lax.pad(x, jnp.zeros((), x.dtype), [(low, high, 0) for low, high in edges])


def _taps(x: jax.Array, window: Window) -> list[jax.Array]:
    """The pixels that each tap of the kernel sees: [n, output height, output width, channels]."""
    x = _pad(x, window.tight_padding)
    (rows, columns), (height, width) = window.stride, window.output_size
    return [
        x[:, i : i + height * rows : rows, j : j + width * columns : columns]
        for i in range(window.kernel_size[0])
        for j in range(window.kernel_size[1])
    ]


def _space_to_depth(x: jax.Array, window: Window) -> jax.Array:
    """[n, h, w, c] -> [n, h', w', rows * columns * c]: each block of one stride becomes a pixel."""
    rows, columns = window.stride
    x = _pad(x, window.tight_padding)
    n, height, width, channels = x.shape
    x = x.reshape(n, height // rows, rows, width // columns, columns, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height // rows, width // columns, -1)


def _depth_to_space(x: jax.Array, window: Window) -> jax.Array:
    """[n, h', w', rows, columns, c] -> [n, h, w, c]: each pixel becomes a block of one stride.

    What lies in the padding of the window is cut off.
    """
    n, height, width, rows, columns, channels = x.shape
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(n, height * rows, width * columns, channels)
    (top, _), (left, _) = window.padding
    height, width = window.input_size
    return _pad(x, ((-top, height + top - x.shape[1]), (-left, width + left - x.shape[2])))


def turned(kernel: jax.Array) -> jax.Array:
    """Rotates a kernel by half a turn and exchanges its input channels and features."""
    return kernel[::-1, ::-1].transpose(0, 1, 3, 2)


# Forward: (x, kernel) -> y.


def stock_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """XLA's convolution."""
    return lax.conv_general_dilated(
        x,
        kernel,
        window.stride,
        window.padding,
        dimension_numbers=_LAYOUT,
        feature_group_count=window.groups,
    )


def unfold_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """One matrix product of all patches (im2col) with the kernel."""
    return jnp.concatenate(_taps(x, window), axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def block_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """Space to depth, then stride 1: few channels become stride^2 times as many."""
    (rows, columns), (block_rows, block_columns) = window.stride, window.blocks
    kernel = kernel.reshape(block_rows, rows, block_columns, columns, *kernel.shape[2:])
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    kernel = kernel.reshape(block_rows, block_columns, -1, kernel.shape[-1])
    x = _space_to_depth(x, window)
    return lax.conv_general_dilated(x, kernel, (1, 1), 'VALID', dimension_numbers=_LAYOUT)


def fold_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """One matrix product, then a sum over shifted pixels (stride 1, few features)."""
    return fold_input_gradient(x, turned(kernel), window.mirrored())


# Input gradient: (g, kernel) -> cotangent of x. Also the transposed convolution itself.


def stock_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """XLA's own transpose of its convolution."""
    shape = (g.shape[0], *window.input_size, kernel.shape[2] * window.groups)
    transpose = jax.linear_transpose(
        lambda x: stock_forward(x, kernel, window), jax.ShapeDtypeStruct(shape, g.dtype)
    )
    return transpose(g)[0]


def dilated_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """The convolution of g, spread out by the stride, with the turned kernel."""
    groups, (height, width, channels, features) = window.groups, kernel.shape
    kernel = kernel.reshape(height, width, channels, groups, features // groups)
    kernel = kernel[::-1, ::-1].transpose(0, 1, 4, 3, 2)
    kernel = kernel.reshape(height, width, features // groups, groups * channels)
    sides = [
        (k - 1 - a, k - 1 - b)
        for k, (a, b) in zip(window.kernel_size, window.tight_padding, strict=True)
    ]
    return lax.conv_general_dilated(
        g,
        kernel,
        (1, 1),
        sides,
        lhs_dilation=window.stride,
        dimension_numbers=_LAYOUT,
        feature_group_count=groups,
    )


def fold_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """One matrix product, then a sum over overlapping blocks (col2im).

    Output pixel (i, j) touches the blocks (i + a, j + b) of the input, where a block is one
    stride high and wide; so the sum runs over (a, b) only. Zeros complete a kernel that
    ends inside a block.
    """
    (rows, columns), (block_rows, block_columns) = window.stride, window.blocks
    (n, height, width, _), channels = g.shape, kernel.shape[2]
    spare = (block_rows * rows - kernel.shape[0], block_columns * columns - kernel.shape[1])
    kernel = _pad(kernel[None], ((0, spare[0]), (0, spare[1])))[0]
    patches = g @ kernel.transpose(3, 0, 1, 2).reshape(g.shape[-1], -1)
    patches = patches.reshape(n, height, width, block_rows, rows, block_columns, columns, channels)
    x = sum(
        _pad(patches[:, :, :, a, :, b], ((a, block_rows - 1 - a), (b, block_columns - 1 - b)))
        for a in range(block_rows)
        for b in range(block_columns)
    )
    return _depth_to_space(x, window)


def block_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """A convolution with stride 1, then depth to space: no products with zeros of a dilated g.

    The stride divides the kernel size.
    """
    (rows, columns), (block_rows, block_columns) = window.stride, window.blocks
    features, channels = kernel.shape[3], kernel.shape[2]
    kernel = kernel.reshape(block_rows, rows, block_columns, columns, channels, features)
    kernel = kernel[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    kernel = kernel.reshape(block_rows, block_columns, features, -1)
    sides = [(blocks - 1, blocks - 1) for blocks in window.blocks]
    x = lax.conv_general_dilated(g, kernel, (1, 1), sides, dimension_numbers=_LAYOUT)
    return _depth_to_space(x.reshape(*x.shape[:3], rows, columns, channels), window)


# Weight gradient: (x, g) -> cotangent of kernel.


def stock_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """XLA's own transpose of its convolution."""
    shape = (*window.kernel_size, x.shape[-1] // window.groups, g.shape[-1])
    transpose = jax.linear_transpose(
        lambda kernel: stock_forward(x, kernel, window), jax.ShapeDtypeStruct(shape, x.dtype)
    )
    return transpose(g)[0]


def batch_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """The convolution of x with g over the batch axis, with explicit transposes."""
    kernel = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        (1, 1),
        window.tight_padding,
        rhs_dilation=window.stride,
        dimension_numbers=_LAYOUT,
    )
    return kernel.transpose(1, 2, 0, 3)


def unfold_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """One matrix product of all patches, channels first, with g."""
    taps = [tap.transpose(3, 0, 1, 2).reshape(tap.shape[-1], -1) for tap in _taps(x, window)]
    kernel = jnp.concatenate(taps) @ g.reshape(-1, g.shape[-1])
    return kernel.reshape(*window.kernel_size, x.shape[-1], g.shape[-1])


def block_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """Space to depth, then the weight gradient of the stride-1 convolution of blocks."""
    x = _space_to_depth(x, window)
    whole = Window(window.blocks, (1, 1), ((0, 0), (0, 0)), x.shape[1:3])
    kernel = batch_weight_gradient(x, g, whole)
    kernel = kernel.reshape(*window.blocks, *window.stride, -1, g.shape[-1])
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    return kernel.reshape(*window.kernel_size, -1, g.shape[-1])


def strip_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """Cuts few, large images into strips of rows that stand in for a batch."""
    (n, height, width, features), stride = g.shape, window.stride[0]
    count = min(-(-FULL_BATCH // n), height)
    rows = -(-height // count)
    surplus = count * rows - height
    (top, bottom), sides = window.tight_padding
    x = _pad(x, ((top, bottom + surplus * stride), sides))
    reach = (rows - 1) * stride + window.kernel_size[0]
    x = jnp.concatenate([x[:, i * rows * stride :][:, :reach] for i in range(count)])
    g = _pad(g, ((0, surplus), (0, 0))).reshape(n, count, rows, width, features)
    g = g.transpose(1, 0, 2, 3, 4).reshape(count * n, rows, width, features)
    strips = Window(window.kernel_size, window.stride, ((0, 0), (0, 0)), x.shape[1:3])
    # The barrier keeps XLA from folding the padding back into the window.
    return batch_weight_gradient(lax.optimization_barrier(x), g, strips)


def tap_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """One product for each tap, batched over groups: for many narrow groups."""
    g = g.reshape(*g.shape[:3], window.groups, -1)
    kernel = jnp.stack(
        [
            jnp.einsum('nhwgi,nhwgo->igo', tap.reshape(*tap.shape[:3], window.groups, -1), g)
            for tap in _taps(x, window)
        ]
    )
    return kernel.reshape(*window.kernel_size, x.shape[-1] // window.groups, -1)
