"""Normalization by the statistics of a batch, of each image, or of all the training so far."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from imggen import options

Kind = Literal['batch', 'instance', 'none']
# Whose mean and variance: of the batch at hand (which the running averages then take in), of
# each image alone, or the running averages.
Statistics = Literal['batch', 'image', 'average']

KINDS = {'batch': 'scale and shift', 'instance': 'scale and shift', 'none': 'the identity'}
STATISTICS = {'image': 'each image alone', 'average': 'running averages'}
_EPSILON = 1e-5
_MOMENTUM = 0.9


def _scale_init(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draws scales around 1 with standard deviation 0.02, as the DCGAN line of networks does."""
    return 1.0 + 0.02 * jax.random.normal(key, shape)


class Normalize(nn.Module):
    """(x - mean) / sqrt(variance + 1e-5) * scale + bias, channel by channel.

    With batch normalization a network behaves differently on one image than on many.
    `statistics` says which behavior is wanted, so that nothing is left to a mode that
    somebody forgot to set. The published pix2pix trains and tests on batches of one: there
    'batch' and 'image' are the same.

    Attributes:
      kind: 'batch' normalizes by what `statistics` says; 'instance' by each image alone,
        always; 'none' is the identity, without parameters.
      axis_name: the pmap axis over which statistics of a batch are taken.
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
        return (x - mean) * factor + bias[None, None, None]

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
    """Returns mean and variance over `axes`, which stay with length 1."""
    mean = jnp.mean(x, axes, keepdims=True)
    square = jnp.mean(jnp.square(x), axes, keepdims=True)
    if axis_name is not None:
        mean, square = lax.pmean((mean, square), axis_name)
    return mean, jnp.maximum(square - jnp.square(mean), 0.0)
