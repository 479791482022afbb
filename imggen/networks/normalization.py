"""Normalization by the statistics of a batch, of each image, or by running averages."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from imggen import options

Kind = Literal['batch', 'instance', 'none']
# The source of mean and variance: the batch, which also updates the running averages; each image
# alone; or the running averages.
Statistics = Literal['batch', 'image', 'average']

KINDS = {'batch': 'scale and shift', 'instance': 'scale and shift', 'none': 'the identity'}
STATISTICS = {'image': 'each image alone', 'average': 'running averages'}
_EPSILON = 1e-5
_MOMENTUM = 0.9


def _scale_init(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draws scales with mean 1 and standard deviation 0.02, as DCGAN and pix2pix do."""
    return 1.0 + 0.02 * jax.random.normal(key, shape)


class Normalize(nn.Module):
    """(x - mean) / sqrt(variance + 1e-5) * scale + bias, channel by channel.

    With batch normalization the output for an image may depend on the other images of the batch.
    Every call chooses its `statistics`, so that there is no mode to forget. The published pix2pix
    trains and tests on batches of one image, for which 'batch' and 'image' are the same.

    Attributes:
      kind: 'batch' normalizes by the `statistics` of the call; 'instance' by the statistics of each
        image alone; 'none' is the identity, without parameters.
      axis_name: the pmap axis over which the statistics of a batch are computed.
    """

    kind: Kind = 'batch'
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, statistics: Statistics) -> jax.Array:
        options.choose(KINDS, self.kind, where='norm')
        if self.kind == 'none':
            return x
        scale = self.param('scale', _scale_init, x.shape[-1:])
        bias = self.param('bias', nn.initializers.zeros, x.shape[-1:])
        if self.kind == 'instance':
            mean, variance = _moments(x, (1, 2))
        else:
            mean, variance = self._batch_moments(x, statistics)
        factor = scale[None, None, None] * lax.rsqrt(variance + _EPSILON)
        return ((x - mean) * factor + bias[None, None, None]).astype(x.dtype)

    def _batch_moments(self, x, statistics):
        average_mean = self.variable('batch_stats', 'mean', jnp.zeros, x.shape[-1:])
        average_variance = self.variable('batch_stats', 'variance', jnp.ones, x.shape[-1:])
        if statistics == 'average':
            return (
                average_mean.value[None, None, None],
                average_variance.value[None, None, None],
            )
        if statistics == 'image':
            return _moments(x, (1, 2))
        mean, variance = _moments(x, (0, 1, 2), self.axis_name)
        if self.is_mutable_collection('batch_stats'):
            for average, value in ((average_mean, mean), (average_variance, variance)):
                average.value = _MOMENTUM * average.value + (1.0 - _MOMENTUM) * value.reshape(-1)
        return mean, variance


def _moments(x, axes, axis_name=None):
    """Returns mean and variance over `axes`, float32, which are kept with length 1."""
    x = x.astype(jnp.float32)
    mean = jnp.mean(x, axes, keepdims=True)
    square = jnp.mean(jnp.square(x), axes, keepdims=True)
    if axis_name is not None:
        mean, square = lax.pmean((mean, square), axis_name)
    return mean, jnp.maximum(square - jnp.square(mean), 0.0)
