"""The operations of the frozen networks.

The parameters of a convolution are {'kernel': [height, width, in, out], 'bias': [out]}, with
batch normalization folded in. Images are float32 [n, height, width, channels].
"""

import functools
from collections.abc import Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from imggen.networks.conv.layers import conv as _conv

Layer = Mapping[str, jax.Array]


def affine(mean: Sequence[float], std: Sequence[float], *, white: float = 1.0) -> Layer:
    """Turns mean and std of RGB in [0, white] into {'mean', 'std'} of RGB in [-1, 1]."""
    mean, std = np.asarray(mean) / white, np.asarray(std) / white
    return {'mean': np.float32(2 * mean - 1), 'std': np.float32(2 * std)}


# The normalization of networks that were trained by torchvision's recipe.
IMAGENET_INPUT = affine((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def normalize(images: jax.Array, affine: Layer) -> jax.Array:
    """Returns (images - mean) / std, with gray repeated to RGB: [n, height, width, 3]."""
    return (rgb(images) - channelwise(affine['mean'])) / channelwise(affine['std'])


def rgb(images: jax.Array) -> jax.Array:
    """Returns three channels: gray is repeated, and a fourth channel, opacity, laid over white.

    Raises:
      ValueError: the number of channels is not 1, 3 or 4.
    """
    channels = images.shape[-1]
    if channels not in (1, 3, 4):
        raise ValueError(f'Images have 1, 3 or 4 channels, not {channels}.')
    if channels == 4:
        opacity = (images[..., 3:] + 1.0) / 2.0
        return 1.0 + (images[..., :3] - 1.0) * opacity
    return images if channels == 3 else jnp.repeat(images, 3, axis=-1)


def resize(images: jax.Array, height: int, width: int) -> jax.Array:
    """Resizes bilinearly with half-pixel centers, and with antialiasing when it shrinks."""
    n, *size, channels = images.shape
    if size == [height, width]:
        return images
    return jax.image.resize(images, (n, height, width, channels), 'linear', antialias=True)


def channelwise(vector: jax.Array) -> jax.Array:
    """Reshapes [channels] to [1, 1, 1, channels], to broadcast over images."""
    return vector[None, None, None]


def conv(x: jax.Array, layer: Layer, *, stride=1, padding='SAME') -> jax.Array:
    """Convolves and adds the bias. See `imggen.networks.conv.layers.conv` for the arguments."""
    y = _conv(x, layer['kernel'], stride=stride, padding=padding)
    return y + channelwise(layer['bias'])


def edge_conv(x: jax.Array, layer: Layer) -> jax.Array:
    """Convolves with stride 1 over an image padded with its edge pixels, and adds the bias."""
    height, width = layer['kernel'].shape[:2]
    return conv(_edge_pad(x, height, width), layer, padding=0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _edge_pad(x: jax.Array, height: int, width: int) -> jax.Array:
    """Repeats edge pixels, so that a window of height x width has a place at every pixel.

    It is `jnp.pad` in one gather, whose gradient is one sum of slices. Both compile in half the
    time.
    """
    rows, columns = (
        np.clip(np.arange(-((side - 1) // 2), n + side // 2), 0, n - 1)
        for side, n in ((height, x.shape[1]), (width, x.shape[2]))
    )
    return x[:, rows[:, None], columns[None]]


def _edge_pad_backward(height: int, width: int, _, cotangent: jax.Array):
    for axis, side in ((1, height), (2, width)):
        cotangent = _fold(cotangent, axis, (side - 1) // 2, side // 2)
    return (cotangent,)


def _fold(x: jax.Array, axis: int, low: int, high: int) -> jax.Array:
    """Adds the first `low` and the last `high` entries of an axis to the entries beside them."""
    n = x.shape[axis] - low - high
    place = lax.expand_dims(jnp.arange(n), [i for i in range(x.ndim) if i != axis])

    def part(first, last):
        return lax.slice_in_dim(x, first, last, axis=axis)

    total = part(low, low + n)
    total += jnp.where(place == 0, part(0, low).sum(axis, keepdims=True), 0.0)
    return total + jnp.where(place == n - 1, part(low + n, None).sum(axis, keepdims=True), 0.0)


_edge_pad.defvjp(lambda x, *sizes: (_edge_pad(x, *sizes), None), _edge_pad_backward)


def depthwise_conv(x: jax.Array, layer: Layer, *, stride: int = 1) -> jax.Array:
    """Convolves each channel with a kernel of its own, padding 'SAME', and adds the bias.

    It is a sum of shifted products, which XLA fuses into one loop. On a CPU that is many times
    faster than a convolution with as many groups as channels.

    Args:
      layer: {'kernel': [height, width, 1, channels], 'bias': [channels]}.
    """
    kernel = layer['kernel']
    size = kernel.shape[:2]
    x = _pad_same(x, size, stride, 0.0)
    taps = zip(kernel.reshape(-1, kernel.shape[-1]), _shifts(x, size, stride), strict=True)
    return sum(shift * channelwise(tap) for tap, shift in taps) + channelwise(layer['bias'])


def max_pool(x: jax.Array, size: int, stride: int, *, padding: str = 'VALID') -> jax.Array:
    """Returns the largest value of each window. Padding is never the largest.

    It is the maximum of shifted slices, because the gradient of `lax.reduce_window` is ten
    times slower on a CPU.
    """
    if padding == 'SAME':
        x = _pad_same(x, (size, size), stride, -jnp.inf)
    return functools.reduce(jnp.maximum, _shifts(x, (size, size), stride))


def avg_pool(x: jax.Array, size: int, stride: int, *, padding: str = 'VALID') -> jax.Array:
    """Returns the mean of each window over the pixels inside the image, without padding."""
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    total = lax.reduce_window(x, 0.0, lax.add, window, strides, padding)
    ones = np.ones((1, *x.shape[1:3], 1), np.float32)
    return total / lax.reduce_window(ones, 0.0, lax.add, window, strides, padding)


def he_normal(key: jax.Array, shape: tuple[int, int, int, int]) -> jax.Array:
    """Draws a kernel [height, width, in, out] that keeps the variance under ReLU (He 2015)."""
    return jax.nn.initializers.he_normal()(key, shape, jnp.float32)


def fold_batch_norm(
    kernel: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
) -> dict[str, np.ndarray]:
    """Folds scale * (conv(x) - mean) / sqrt(variance + epsilon) + bias into one layer.

    Args:
      kernel: [height, width, in, out].
      scale, bias, mean, variance: [out].
    """
    factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    return {
        'kernel': (kernel * factor).astype(np.float32),
        'bias': (bias - mean * factor).astype(np.float32),
    }


def keep_inside(x: jax.Array, sizes: jax.Array | None) -> jax.Array:
    """Sets what is padding to zero, so that images of several sizes share one array.

    Args:
      x: [n, height, width, channels]; image i is in the top left corner of x[i].
      sizes: int [n, 2], the height and width of each image; None if there is no padding.
    """
    if sizes is None:
        return x
    rows, columns = (
        jnp.arange(side)[None] < sizes[:, axis, None] for axis, side in enumerate(x.shape[1:3])
    )
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], x, 0)


def mean_inside(x: jax.Array, sizes: jax.Array | None) -> jax.Array:
    """Returns the mean of each image without its padding, [n]; see `keep_inside`."""
    if sizes is None:
        return jnp.mean(x, axis=(1, 2, 3))
    area = sizes.prod(axis=1) * x.shape[-1]
    return jnp.sum(keep_inside(x, sizes), axis=(1, 2, 3)) / area


def _pad_same(x: jax.Array, size: tuple[int, int], stride: int, value: float) -> jax.Array:
    pads = lax.padtype_to_pads(x.shape[1:3], size, (stride, stride), 'SAME')
    return jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def _shifts(x: jax.Array, size: tuple[int, int], stride: int) -> Iterator[jax.Array]:
    """Yields, for each position in a window, row by row, the pixel there in every window."""
    ends = [x.shape[axis + 1] - size[axis] + 1 for axis in (0, 1)]
    for i, j in np.ndindex(size):
        yield x[:, i : ends[0] + i : stride, j : ends[1] + j : stride]
