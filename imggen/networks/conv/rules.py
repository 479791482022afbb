"""Rules that choose, by shape, the form in which a CPU runs each map of a convolution.

Each rule takes the shapes of the two operands of its map, and the window. It returns a form of
`kernels.py`, or a form below that is composed of others. The rules are fitted to the timings that
`benchmarks/conv.py` prints on one machine; a wrong choice costs time, not accuracy.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from imggen.networks.conv import kernels
from imggen.networks.conv.window import Window

# Where one form becomes faster than another. Fitted to timings (benchmarks/conv.py).
_SHORT_PATCH = 32  # So few values under a kernel do not fill a vector register.
_FEW_CHANNELS = 4  # The same, for the channels of one pixel.
_FEW_PIXELS = 32  # Up to this number the unfolded image stays in the cache.
_CACHED_VALUES = 2**21  # Up to this number a matrix of patches stays in the cache.
_MANY_GROUPS = 16  # Above this, a convolution for each group costs more than it saves.

Form = Callable[[jax.Array, jax.Array, Window], jax.Array]
Shape = tuple[int, ...]


def _each_group(choose: Callable, a: jax.Array, b: jax.Array, window: Window) -> jax.Array:
    """Applies the form chosen for one group to every group; channels are the last axis."""
    single = window._replace(groups=1)
    pairs = zip(*(jnp.split(operand, window.groups, axis=-1) for operand in (a, b)), strict=True)
    results = [choose(a.shape, b.shape, single)(a, b, single) for a, b in pairs]
    return jnp.concatenate(results, axis=-1)


# Forms composed of others.


def grouped_forward(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """One convolution for each group."""
    return _each_group(forward_form, x, kernel, window)


def grouped_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """One input gradient for each group."""
    return _each_group(input_gradient_form, g, kernel, window)


def grouped_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """One weight gradient for each group."""
    return _each_group(weight_gradient_form, x, g, window)


def mirrored_input_gradient(g: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """The forward convolution of g with the turned kernel (stride 1)."""
    kernel, window = kernels.turned(kernel), window.mirrored()
    return forward_form(g.shape, kernel.shape, window)(g, kernel, window)


def mirrored_weight_gradient(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """The weight gradient with x and g exchanged (stride 1)."""
    window = window.mirrored()
    return kernels.turned(weight_gradient_form(g.shape, x.shape, window)(g, x, window))


# The rules.


def _outgrown(image: Shape, kernel: Shape) -> bool:
    """Returns whether an image has fewer pixels than the kernel has taps.

    XLA then swaps image and kernel, and the swapped convolution takes the scalar path.
    """
    return math.prod(image[1:3]) < math.prod(kernel[:2])


def forward_form(x: Shape, kernel: Shape, window: Window) -> Form:
    """Returns the fastest forward form for x and a kernel of these shapes."""
    if window.groups > 1:
        return grouped_forward if window.groups <= _MANY_GROUPS else kernels.stock_forward
    if math.prod(kernel[:3]) <= _SHORT_PATCH or _outgrown(x, kernel):
        return kernels.unfold_forward
    if window.is_blocked and x[-1] <= _FEW_CHANNELS:
        return kernels.block_forward
    if not window.is_strided and kernel[-1] <= _FEW_CHANNELS:
        return kernels.fold_forward
    return kernels.stock_forward


def input_gradient_form(g: Shape, kernel: Shape, window: Window) -> Form:
    """Returns the fastest input gradient form for g and a kernel of these shapes."""
    if window.groups > 1:
        return (
            grouped_input_gradient
            if window.groups <= _MANY_GROUPS
            else kernels.dilated_input_gradient
        )
    if _outgrown(g, kernel):
        return kernels.fold_input_gradient
    if not window.is_strided:
        return mirrored_input_gradient
    if not window.is_blocked:
        return kernels.dilated_input_gradient
    is_cached = math.prod(g[:3]) * math.prod(kernel[:3]) <= _CACHED_VALUES
    if is_cached or kernel[2] <= _FEW_CHANNELS:
        return kernels.fold_input_gradient
    return kernels.block_input_gradient


def weight_gradient_form(x: Shape, g: Shape, window: Window) -> Form:
    """Returns the fastest weight gradient form for x and g of these shapes."""
    if window.groups > 1:
        return (
            grouped_weight_gradient
            if window.groups <= _MANY_GROUPS
            else kernels.tap_weight_gradient
        )
    if window.kernel_size == (1, 1) or math.prod(g[:3]) <= _FEW_PIXELS:
        return kernels.unfold_weight_gradient
    if not window.is_strided and g[-1] <= _FEW_CHANNELS < x[-1]:
        return mirrored_weight_gradient
    if g[0] >= kernels.FULL_BATCH:
        return kernels.batch_weight_gradient
    return kernels.block_weight_gradient if window.is_blocked else kernels.strip_weight_gradient
