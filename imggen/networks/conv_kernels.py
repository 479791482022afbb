"""CPU forms of the three bilinear maps of a convolution, and the rule that picks one.

With y = conv(x, kernel), the maps are `forward` (x, kernel) -> y,
`input_gradient` (cotangent of y, kernel) -> cotangent of x, and `weight_gradient`
(x, cotangent of y) -> cotangent of kernel. Each form computes its map exactly;
forms differ in speed alone.

Layout: x and y are [n, height, width, channels]; a kernel is
[kernel height, kernel width, in channels / groups, out channels].

Why stock gradients are slow on a CPU. Inside a compiled loop XLA does not rewrite a
convolution to the layout that its fast path takes, so a gradient that is written in
another layout runs in the scalar path, tens of times slower. A convolution with a
reversed or dilated window, with groups, or of a single image misses the fast path
outside a loop too. Every form below therefore spells out its transposes, and
turns strides, groups and single images into plain stride-1 batched convolutions or
matrix products.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')

# Where one form overtakes another, in pixels, images and channels. Fitted to timings.
_FEW_PIXELS = 256  # Up to here the unfolded image stays in the cache.
_FULL_BATCH = 16  # From here a convolution over the batch axis runs at full speed.
_FEW_CHANNELS = 4  # Up to here a patch is too short to fill a vector register.
_MANY_GROUPS = 16  # Above this, one convolution a group costs more than it saves.


class Window(NamedTuple):
    """The static geometry of a convolution."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]  # (low, high) of height and width.
    input_size: tuple[int, int]
    groups: int = 1

    @property
    def output_size(self) -> tuple[int, int]:
        height, width = (
            (size + low + high - kernel) // stride + 1
            for size, (low, high), kernel, stride in zip(
                self.input_size, self.padding, self.kernel_size, self.stride, strict=True
            )
        )
        return height, width

    @property
    def tight_padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The padding under which the last window ends on the last row or column.

        Negative where the stride leaves rows or columns unread.
        """
        height, width = (
            (low, (outputs - 1) * stride + kernel - size - low)
            for size, (low, _), kernel, stride, outputs in zip(
                self.input_size,
                self.padding,
                self.kernel_size,
                self.stride,
                self.output_size,
                strict=True,
            )
        )
        return height, width

    @property
    def blocks(self) -> tuple[int, int]:
        """The kernel's size in blocks of one stride; exact only if `in_blocks`."""
        return self.kernel_size[0] // self.stride[0], self.kernel_size[1] // self.stride[1]

    @property
    def in_blocks(self) -> bool:
        """Whether the stride divides the kernel size."""
        return all(k % s == 0 for k, s in zip(self.kernel_size, self.stride, strict=True))

    @property
    def is_pointwise(self) -> bool:
        """Whether the convolution is one matrix product over all pixels."""
        return (
            self.kernel_size == (1, 1)
            and self.stride == (1, 1)
            and self.padding == ((0, 0), (0, 0))
            and self.groups == 1
        )


def _pad(x: jax.Array, padding) -> jax.Array:
    """Pads height and width with zeros; a negative amount crops."""
    (top, bottom), (left, right) = padding
    config = ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0))
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def _valid(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), 'VALID', dimension_numbers=_LAYOUT)


def _space_to_depth(x: jax.Array, window: Window) -> jax.Array:
    """[n, h, w, c] -> [n, h', w', stride * stride * c]: each block becomes one pixel."""
    rows, columns = window.stride
    x = _pad(x, window.tight_padding)
    n, height, width, channels = x.shape
    x = x.reshape(n, height // rows, rows, width // columns, columns, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height // rows, width // columns, rows * columns * channels)


def _block_window(window: Window) -> Window:
    """The window of the same convolution after `_space_to_depth`."""
    height, width = (
        outputs + blocks - 1
        for outputs, blocks in zip(window.output_size, window.blocks, strict=True)
    )
    return Window(window.blocks, (1, 1), ((0, 0), (0, 0)), (height, width))


# Forward.


def stock_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """XLA's convolution, whose forward pass is fast everywhere."""
    return lax.conv_general_dilated(
        x,
        kernel,
        window.stride,
        window.padding,
        dimension_numbers=_LAYOUT,
        feature_group_count=window.groups,
    )


def pointwise_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """A 1x1 convolution as one matrix product."""
    del window
    return x @ kernel[0, 0]


def block_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """Space to depth, then stride 1: a few input channels become stride^2 times as many."""
    (rows, columns), (block_rows, block_columns) = window.stride, window.blocks
    in_channels, features = kernel.shape[2:]
    kernel = kernel.reshape(block_rows, rows, block_columns, columns, in_channels, features)
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    kernel = kernel.reshape(block_rows, block_columns, rows * columns * in_channels, features)
    return _valid(_space_to_depth(x, window), kernel)


# Input gradient: also the forward pass of a transposed convolution.


def stock_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """XLA's own transpose of its convolution."""
    in_channels = kernel.shape[2] * window.groups
    shape = (g.shape[0], *window.input_size, in_channels)
    transpose = jax.linear_transpose(
        lambda x: stock_forward(x, kernel, window), jax.ShapeDtypeStruct(shape, g.dtype)
    )
    return transpose(g)[0]


def dilated_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """A convolution of the stride-dilated cotangent with the turned kernel.

    The kernel is turned and its channels swapped by hand, so that XLA meets the one
    layout that it runs fast inside a loop.
    """
    groups = window.groups
    height, width, in_channels, features = kernel.shape
    kernel = kernel.reshape(height, width, in_channels, groups, features // groups)
    kernel = kernel[::-1, ::-1].transpose(0, 1, 4, 3, 2)
    kernel = kernel.reshape(height, width, features // groups, groups * in_channels)
    padding = [
        (size - 1 - low, inputs + low - 1 - (outputs - 1) * stride)
        for size, (low, _), inputs, outputs, stride in zip(
            window.kernel_size,
            window.padding,
            window.input_size,
            window.output_size,
            window.stride,
            strict=True,
        )
    ]
    return lax.conv_general_dilated(
        g,
        kernel,
        (1, 1),
        padding,
        lhs_dilation=window.stride,
        dimension_numbers=_LAYOUT,
        feature_group_count=groups,
    )


def pointwise_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """The input gradient of a 1x1 convolution as one matrix product."""
    del window
    return g @ kernel[0, 0].T


def fold_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """One matrix product, then overlapping blocks are added up (col2im).

    Output pixel (i, j) touches blocks (i + a, j + b) of the input, a block being one
    stride high and wide; so the sum runs over (a, b) alone.
    """
    (rows, columns), (block_rows, block_columns) = window.stride, window.blocks
    in_channels, features = kernel.shape[2:]
    n, height, width, _ = g.shape
    patches = g.reshape(-1, features) @ kernel.transpose(3, 0, 1, 2).reshape(features, -1)
    patches = patches.reshape(
        n, height, width, block_rows, rows, block_columns, columns, in_channels
    )
    blocks = sum(
        jnp.pad(
            patches[:, :, :, a, :, b],
            (
                (0, 0),
                (a, block_rows - 1 - a),
                (b, block_columns - 1 - b),
                (0, 0),
                (0, 0),
                (0, 0),
            ),
        )
        for a in range(block_rows)
        for b in range(block_columns)
    )
    height, width = height + block_rows - 1, width + block_columns - 1
    x = blocks.transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(n, height * rows, width * columns, in_channels)
    return _pad(x, [(-low, -high) for low, high in window.tight_padding])


# Weight gradient.


def stock_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """XLA's own transpose of its convolution."""
    shape = (*window.kernel_size, x.shape[-1] // window.groups, g.shape[-1])
    transpose = jax.linear_transpose(
        lambda kernel: stock_forward(x, kernel, window), jax.ShapeDtypeStruct(shape, x.dtype)
    )
    return transpose(g)[0]


def batch_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """A convolution of x with g over the batch axis, its transposes written out."""
    kernel = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        (1, 1),
        window.tight_padding,
        rhs_dilation=window.stride,
        dimension_numbers=_LAYOUT,
    )
    return kernel.transpose(1, 2, 0, 3)


def pointwise_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """The weight gradient of a 1x1 convolution as one matrix product."""
    del window
    return (x.reshape(-1, x.shape[-1]).T @ g.reshape(-1, g.shape[-1]))[None, None]


def unfold_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """One matrix product of the unfolded image (im2col, channels first) with g."""
    (rows, columns), (height, width) = window.stride, window.output_size
    in_channels, features = x.shape[-1], g.shape[-1]
    x = _pad(x, window.tight_padding).transpose(3, 0, 1, 2)
    taps = [
        x[:, :, i : i + (height - 1) * rows + 1 : rows, j : j + (width - 1) * columns + 1 : columns]
        for i in range(window.kernel_size[0])
        for j in range(window.kernel_size[1])
    ]
    patches = jnp.concatenate([tap.reshape(in_channels, -1) for tap in taps])
    return (patches @ g.reshape(-1, features)).reshape(*window.kernel_size, in_channels, features)


def block_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """Space to depth, then the weight gradient of the stride-1 convolution of blocks."""
    (rows, columns), (block_rows, block_columns) = window.stride, window.blocks
    in_channels, features = x.shape[-1], g.shape[-1]
    kernel = batch_weight_gradient(_space_to_depth(x, window), g, _block_window(window))
    kernel = kernel.reshape(block_rows, block_columns, rows, columns, in_channels, features)
    return kernel.transpose(0, 2, 1, 3, 4, 5).reshape(*window.kernel_size, in_channels, features)


def strip_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """Cuts few, large images into strips of rows that stand in for a batch (stride 1)."""
    n, height, width, _ = g.shape
    count = min(-(-_FULL_BATCH // n), height)
    rows = -(-height // count)
    (top, bottom), sides = window.tight_padding
    surplus = count * rows - height
    x = _pad(x, ((top, bottom + surplus), sides))
    halo = window.kernel_size[0] - 1
    x = jnp.concatenate([x[:, i * rows : (i + 1) * rows + halo] for i in range(count)])
    g = _pad(g, ((0, surplus), (0, 0))).reshape(n, count, rows, width, -1)
    g = g.transpose(1, 0, 2, 3, 4).reshape(count * n, rows, width, -1)
    strips = Window(window.kernel_size, (1, 1), ((0, 0), (0, 0)), x.shape[1:3])
    # Behind the barrier XLA cannot fold the padding back into the window.
    return batch_weight_gradient(lax.optimization_barrier(x), g, strips)


def grouped_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """One weight gradient a group, each by the form that suits it."""
    single = window._replace(groups=1)
    pairs = zip(
        jnp.split(x, window.groups, axis=-1), jnp.split(g, window.groups, axis=-1), strict=True
    )
    kernels = [weight_gradient_form(x.shape, g.shape, single)(x, g, single) for x, g in pairs]
    return jnp.concatenate(kernels, axis=-1)


def tap_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """One product a tap of the kernel, batched over groups: for many narrow groups."""
    (rows, columns), (height, width), groups = window.stride, window.output_size, window.groups
    x = _pad(x, window.tight_padding)
    x = x.reshape(*x.shape[:3], groups, -1)
    g = g.reshape(*g.shape[:3], groups, -1)
    taps = [
        jnp.einsum(
            'nhwgi,nhwgo->igo',
            x[
                :,
                i : i + (height - 1) * rows + 1 : rows,
                j : j + (width - 1) * columns + 1 : columns,
            ],
            g,
        )
        for i in range(window.kernel_size[0])
        for j in range(window.kernel_size[1])
    ]
    return jnp.stack(taps).reshape(*window.kernel_size, x.shape[-1], -1)


# The rule.

Form = Callable[[jax.Array, jax.Array, Window], jax.Array]


def forward_form(x_shape: tuple[int, ...], window: Window) -> Form:
    """Returns the fastest forward form for x of `x_shape`."""
    if window.is_pointwise:
        return pointwise_forward
    strided = window.stride != (1, 1)
    if strided and window.in_blocks and window.groups == 1 and x_shape[-1] <= _FEW_CHANNELS:
        return block_forward
    return stock_forward


def input_gradient_form(kernel_shape: tuple[int, ...], window: Window) -> Form:
    """Returns the fastest input gradient form for a kernel of `kernel_shape`."""
    if window.is_pointwise:
        return pointwise_input_gradient
    strided = window.stride != (1, 1)
    foldable = window.in_blocks and window.groups == 1
    if foldable and (strided or kernel_shape[2] <= _FEW_CHANNELS):
        return fold_input_gradient
    return dilated_input_gradient


def weight_gradient_form(
    x_shape: tuple[int, ...], g_shape: tuple[int, ...], window: Window
) -> Form:
    """Returns the fastest weight gradient form for x and g of these shapes."""
    if window.groups > _MANY_GROUPS:
        return tap_weight_gradient
    if window.groups > 1:
        return grouped_weight_gradient
    if window.is_pointwise:
        return pointwise_weight_gradient
    batch, height, width, _ = g_shape
    if batch * height * width <= _FEW_PIXELS:
        return unfold_weight_gradient
    if batch >= _FULL_BATCH:
        return batch_weight_gradient
    if window.stride == (1, 1):
        return strip_weight_gradient
    if window.in_blocks:
        return block_weight_gradient
    return batch_weight_gradient
