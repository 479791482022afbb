"""The average of many images, pixel by pixel: their mean or their median.

These are baselines for the translation between random images of one set, because the mean of
all possible targets minimizes the squared error, and their median the absolute error.

Images are counted as 8-bit levels in integers, so the result is exact and does not depend on
order, batches or devices:

    mean     sum_i x_i / n
    median   from a histogram of each value over 256 levels, which takes 1 KiB per value;
             the mean of the middle two if n is even

A run averages the first `num_images` images that it sees. If this is the size of the data set,
each image counts once.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from imggen import options, train_state
from imggen.errors import UserError
from imggen.method import Method, Phase

_LEVELS = 256


class Statistic(NamedTuple):
    """An average that is computed batch by batch from 8-bit levels.

    Attributes:
      zeros: shape -> totals of no image.
      add: (levels int32 [n, *shape], counts int32 [n], each 0 or 1) -> totals of a batch.
      read: (totals, number of images) -> the average, float32 [*shape] in [0, 255].
    """

    zeros: Callable[[tuple[int, ...]], jax.Array]
    add: Callable[[jax.Array, jax.Array], jax.Array]
    read: Callable[[jax.Array, jax.Array], jax.Array]


def _add_sum(levels, counts):
    return jnp.sum(levels * counts[:, None, None, None], axis=0)


def _read_mean(totals, number):
    return totals.astype(jnp.float32) / number.astype(jnp.float32)


def _add_histogram(levels, counts):
    rows, columns, channels = jnp.indices(levels.shape[1:])
    histogram = jnp.zeros((*levels.shape[1:], _LEVELS), jnp.int32)
    return histogram.at[rows[None], columns[None], channels[None], levels].add(
        jnp.broadcast_to(counts[:, None, None, None], levels.shape)
    )


def _read_median(totals, number):
    below = jnp.cumsum(totals, axis=-1)
    # The k-th smallest value equals the number of levels at which the cumulative count is below k.
    ranks = ((number + 1) // 2, number // 2 + 1)
    lower, upper = (jnp.sum(below < rank, axis=-1) for rank in ranks)
    return (lower + upper).astype(jnp.float32) / 2.0


STATISTICS = {
    'mean': Statistic(lambda shape: jnp.zeros(shape, jnp.int32), _add_sum, _read_mean),
    'median': Statistic(
        lambda shape: jnp.zeros((*shape, _LEVELS), jnp.int32), _add_histogram, _read_median
    ),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of batches.
      num_images: number of images that count; later ones are ignored.
      statistic: one of STATISTICS.
    """

    num_steps: int
    num_images: int
    statistic: str = 'mean'


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      count: number of images so far, int32.
      totals: the totals of the statistic.
      average: the average of those images, float32 [height, width, channels] in [-1, 1].
    """

    count: jax.Array
    totals: jax.Array
    average: jax.Array


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: the statistic is unknown, or `num_images` is out of range.
    """
    config = options.build(Config, config, where='config.method')
    statistic = options.choose(STATISTICS, config.statistic, where='config.method.statistic')
    # 255 times this number still fits into an int32.
    if not 0 < config.num_images < 2**23:
        raise UserError(
            f'config.method.num_images is {config.num_images}; set it between 1 and 8,388,607.'
        )

    def init(key, frozen, batch):
        del key, frozen
        shape = batch['image'].shape[1:]
        return State(jnp.int32(0), statistic.zeros(shape), jnp.zeros(shape))

    def step(key, state, frozen, batch):
        del key, frozen
        levels = jnp.round((batch['image'] + 1.0) * 127.5).astype(jnp.int32)
        place = jnp.arange(len(levels))
        if axis_name is not None:
            place += jax.lax.axis_index(axis_name) * len(levels)
        counts = (state.count + place < config.num_images).astype(jnp.int32)
        new = (jnp.sum(counts), statistic.add(levels, counts))
        count, totals = jax.lax.psum(new, axis_name) if axis_name else new
        count, totals = state.count + count, state.totals + totals
        average = statistic.read(totals, count) / 127.5 - 1.0
        change = jnp.mean(jnp.abs(average - state.average))
        metrics = {'images': count.astype(jnp.float32), 'change': change}
        return State(count, totals, average), train_state.mean_over(axis_name, metrics)

    def sample(image_keys, state, frozen, batch):
        """Returns the average once for each key."""
        del frozen, batch
        average = jnp.broadcast_to(state.average, (len(image_keys), *state.average.shape))
        return {'generated': average}

    return Method(init, (Phase('average', config.num_steps, step),), sample, num_images=1)
