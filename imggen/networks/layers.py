"""Flax's layers, in the type that a step computes in.

A layer casts its input and its parameters to this type. Parameters and batch statistics stay
float32, and so do the mean and the variance of a normalization. `training.precision` sets the type
of a step; without it the layers are flax's own.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import linen as nn

_dtype = contextvars.ContextVar('dtype', default=None)


def compute_dtype():
    """Returns the type that layers compute in; None for the common type of their operands."""
    return _dtype.get()


@contextlib.contextmanager
def computing_in(dtype) -> Iterator[None]:
    """Lets layers that are built inside the context compute in `dtype`; networks return float32.

    Networks build their layers when a step is traced, so that is what the context must enclose.
    """
    token = _dtype.set(dtype)
    try:
        with nn.intercept_methods(_returning_float32):
            yield
    finally:
        _dtype.reset(token)


def _returning_float32(call, args, kwargs, context):
    """Casts the outputs of a network, as opposed to those of its layers and private methods."""
    outputs, name = call(*args, **kwargs), context.method_name
    if context.module.path or (name.startswith('_') and name != '__call__'):
        return outputs

    def cast(leaf):
        return leaf.astype(jnp.float32) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, outputs)


class _Layer:
    """Sets the field `dtype` of a layer of flax."""

    def __post_init__(self):
        if self.dtype is None:
            self.dtype = compute_dtype()
        super().__post_init__()


class Dense(_Layer, nn.Dense):
    """A linear map of the last axis."""


class Embed(_Layer, nn.Embed):
    """A table of one vector per integer."""


class BatchNorm(_Layer, nn.BatchNorm):
    """Normalization by the mean and variance over a batch."""


class GroupNorm(_Layer, nn.GroupNorm):
    """Normalization by the mean and variance over groups of the features of an image."""


class MultiHeadDotProductAttention(_Layer, nn.MultiHeadDotProductAttention):
    """Attention with several heads."""
