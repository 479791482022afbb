"""Convolutions: stock on GPU and TPU, faster than stock on a CPU.

Layout: images are [n, height, width, channels]. The kernel of `conv` is
[kernel height, kernel width, in channels / groups, features]; that of
`conv_transpose` is [kernel height, kernel width, features / groups, in channels].
Both are flax's own layouts (`nn.ConvTranspose` with `transpose_kernel=True`), so
parameters can be exchanged with the stock modules.

A convolution is bilinear in x and the kernel, and so are its two gradients:

  forward          y = conv(x, kernel)
  input gradient   the transpose of conv(., kernel), a transposed convolution
  weight gradient  the transpose of conv(x, .)

The derivatives of each map are the other two. Each is a `jax.custom_vjp` defined by the
others, so reverse derivatives of every order (a gradient penalty needs the second) run the
same kernels. Forward mode (`jax.jvp`) is not supported.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import jax
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import export, lax

from imggen.networks.conv import kernels, rules
from imggen.networks.conv.window import Window
from imggen.networks.layers import compute_dtype

Size = int | tuple[int, int]
# The same amount on every side, or (low, high) of height and width, or flax's 'SAME'.
Padding = int | tuple[tuple[int, int], tuple[int, int]] | Literal['SAME']
# 'auto' takes the fast forms on a CPU and stock forms elsewhere; the others are for tests
# and benchmarks.
Form = Literal['auto', 'fast', 'stock']

kernel_init = nn.initializers.lecun_normal()
_platform = contextvars.ContextVar('platform', default=None)


@contextlib.contextmanager
def compiled_for(platform: str) -> Iterator[None]:
    """Lets layers that are built inside the context take the form for one platform, such as 'cpu'.

    Otherwise the platform decides when the program is lowered. JAX 0.10 cannot differentiate that
    choice twice inside a scan.
    """
    token = _platform.set(platform)
    try:
        yield
    finally:
        _platform.reset(token)


def _layer_form() -> Form:
    platform = _platform.get()
    if platform is None:
        return 'auto'
    return 'fast' if platform == 'cpu' else 'stock'


def conv(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: Size = 1,
    padding: Padding = 'SAME',
    groups: int = 1,
    form: Form = 'auto',
) -> jax.Array:
    """Convolves images with a kernel.

    Args:
      x: [n, height, width, channels].
      kernel: [kernel height, kernel width, channels / groups, features].
      stride: the step between windows, one number or (vertical, horizontal).
      padding: zeros around x: one number for every side, or
        ((top, bottom), (left, right)), or 'SAME' for an output of size / stride,
        rounded up.
      groups: number of groups of channels that do not see each other.
      form: 'auto' chooses by platform; 'fast' and 'stock' force a choice.

    Returns:
      [n, output height, output width, features].

    Raises:
      ValueError: the shapes do not fit each other.
    """
    if kernel.shape[2] * groups != x.shape[-1]:
        raise ValueError(
            f'A kernel of shape {kernel.shape} in {groups} groups takes '
            f'{kernel.shape[2] * groups} channels, not {x.shape[-1]}.'
        )
    stride, input_size = _pair(stride), x.shape[1:3]
    if padding == 'SAME':
        padding = lax.padtype_to_pads(input_size, kernel.shape[:2], stride, 'SAME')
    window = Window(kernel.shape[:2], stride, _sides(padding), input_size, groups)
    return _forward(x, kernel, window, form)


def conv_transpose(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: Size = 1,
    padding: Padding = 'SAME',
    output_size: tuple[int, int] | None = None,
    groups: int = 1,
    form: Form = 'auto',
) -> jax.Array:
    """Transposes `conv`: the map from its output's shape back to its input's.

    Args:
      x: [n, height, width, channels].
      kernel: [kernel height, kernel width, features / groups, channels].
      stride: the step between windows in the output.
      padding: the padding of the mirrored `conv`, which is cut off the output. 'SAME'
        gives an output of size * stride.
      output_size: (height, width) of the output: any size that the mirrored `conv` maps
        to the size of x, by default the smallest. 'SAME' sets it.
      groups: number of groups of channels that do not see each other.
      form: as in `conv`.

    Returns:
      [n, output height, output width, features].

    Raises:
      ValueError: the shapes do not fit each other.
    """
    if kernel.shape[3] != x.shape[-1]:
        raise ValueError(
            f'A transposed kernel of shape {kernel.shape} takes {kernel.shape[3]} channels, '
            f'not {x.shape[-1]}.'
        )
    stride, kernel_size, input_size = _pair(stride), kernel.shape[:2], x.shape[1:3]
    if padding == 'SAME':
        if output_size is not None:
            raise ValueError("padding='SAME' sets the output size; leave output_size out.")
        output_size = (input_size[0] * stride[0], input_size[1] * stride[1])
        padding = tuple(map(_mirrored_same, kernel_size, stride))
    padding = _sides(padding)
    if output_size is None:
        output_size = tuple(
            (inputs - 1) * step + size - low - high
            for inputs, step, size, (low, high) in zip(
                input_size, stride, kernel_size, padding, strict=True
            )
        )
    window = Window(kernel_size, stride, padding, tuple(output_size), groups)
    if window.output_size != input_size:
        raise ValueError(
            f'No output of size {output_size} comes from {input_size} inputs with kernel size '
            f'{kernel_size}, stride {stride} and padding {padding}.'
        )
    return _input_gradient(x, kernel, window, form)


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _sides(padding) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    return tuple(map(tuple, padding))


def _mirrored_same(size: int, stride: int) -> tuple[int, int]:
    """The padding of the conv that flax's transposed 'SAME' mirrors, on one axis."""
    low = 0 if stride > size - 1 else size - 1 - -(-(size + stride - 2) // 2)
    return low, max(size - stride, 0) - low


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _choose(fast: Callable, stock: Callable, window: Window, form: Form, *operands: jax.Array):
    # `platform_dependent` decides when the program is lowered, for the platform that it is
    # lowered for; `jax.default_backend()` would decide while tracing and be wrong for a
    # program sent to the CPU of a machine with a GPU. Both forms are traced, only one is
    # lowered: no branch is left in the program. Jitted so that convolutions of one shape, of
    # which a step has many, are traced and lowered once.
    fast, stock = partial(fast, window=window), partial(stock, window=window)
    if form == 'auto':
        return lax.platform_dependent(*operands, cpu=fast, default=stock)
    return {'fast': fast, 'stock': stock}[form](*operands)


def _has_any_size(image: jax.Array) -> bool:
    """Returns whether an image has symbols for its size, as in a program exported for any size.

    The rules need numbers, so that such an image takes the stock forms.
    """
    return any(map(export.is_symbolic_dim, image.shape))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _forward(x, kernel, window: Window, form: Form):
    if _has_any_size(x):
        return kernels.stock_forward(x, kernel, window)
    fast = rules.forward_form(x.shape, kernel.shape, window)
    return _choose(fast, kernels.stock_forward, window, form, x, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _input_gradient(g, kernel, window: Window, form: Form):
    if _has_any_size(g):
        return kernels.stock_input_gradient(g, kernel, window)
    fast = rules.input_gradient_form(g.shape, kernel.shape, window)
    return _choose(fast, kernels.stock_input_gradient, window, form, g, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _weight_gradient(x, g, window: Window, form: Form):
    fast = rules.weight_gradient_form(x.shape, g.shape, window)
    return _choose(fast, kernels.stock_weight_gradient, window, form, x, g)


def _forward_vjp(window, form, operands, cotangent):
    x, kernel = operands
    return (
        _input_gradient(cotangent, kernel, window, form),
        _weight_gradient(x, cotangent, window, form),
    )


def _input_gradient_vjp(window, form, operands, cotangent):
    g, kernel = operands
    return (
        _forward(cotangent, kernel, window, form),
        _weight_gradient(cotangent, g, window, form),
    )


def _weight_gradient_vjp(window, form, operands, cotangent):
    x, g = operands
    return (
        _input_gradient(g, cotangent, window, form),
        _forward(x, cotangent, window, form),
    )


def _saving_operands(bilinear: Callable) -> Callable:
    return lambda a, b, window, form: (bilinear(a, b, window, form), (a, b))


_forward.defvjp(_saving_operands(_forward), _forward_vjp)
_input_gradient.defvjp(_saving_operands(_input_gradient), _input_gradient_vjp)
_weight_gradient.defvjp(_saving_operands(_weight_gradient), _weight_gradient_vjp)


class Conv(nn.Module):
    """A convolution layer; parameters `kernel` and `bias` as in `flax.linen.Conv`.

    Maps [n, height, width, channels] to [n, output height, output width, features].
    """

    features: int
    kernel_size: Size = 3
    stride: Size = 1
    padding: Padding = 'SAME'
    groups: int = 1
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = kernel_init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*_pair(self.kernel_size), x.shape[-1] // self.groups, self.features)
        kernel = self.param('kernel', self.kernel_init, shape)
        bias = None
        if self.use_bias:
            bias = self.param('bias', nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=compute_dtype())
        x = conv(
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            form=_layer_form(),
        )
        return x if bias is None else x + bias[None, None, None]


class ConvTranspose(nn.Module):
    """A transposed convolution layer; parameters as in `flax.linen.ConvTranspose`.

    Flax's counterpart has `transpose_kernel=True`. Maps [n, height, width, channels]
    to [n, output height, output width, features].
    """

    features: int
    kernel_size: Size = 4
    stride: Size = 2
    padding: Padding = 'SAME'
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = kernel_init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*_pair(self.kernel_size), self.features, x.shape[-1])
        kernel = self.param('kernel', self.kernel_init, shape)
        bias = None
        if self.use_bias:
            bias = self.param('bias', nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=compute_dtype())
        x = conv_transpose(x, kernel, stride=self.stride, padding=self.padding, form=_layer_form())
        return x if bias is None else x + bias[None, None, None]
