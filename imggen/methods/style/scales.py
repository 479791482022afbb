"""Scales: the image sizes of the optimization, from coarse to fine."""

from collections.abc import Sequence

from imggen.errors import UserError
from imggen.method import Batch
from imggen.methods.style.initial import resize

_SIDE = 16  # Sides are multiples of this, so that no pool of a network drops a border.


def plan(
    num_steps: int, scales: Sequence[float], shares: Sequence[float]
) -> list[tuple[float, int]]:
    """Divides steps among scales; a scale that gets no step is left out.

    Args:
      num_steps: number of steps over all scales.
      scales: fractions of the full size, ascending to 1.
      shares: relative shares of the steps; () for equal shares.

    Returns:
      Pairs (scale, number of steps), whose steps sum to `num_steps`.

    Raises:
      UserError: the scales do not ascend to 1, or the shares do not fit them.
    """
    scales = tuple(scales)
    if not scales or scales[-1] != 1.0 or scales[0] <= 0 or list(scales) != sorted(set(scales)):
        raise UserError(
            f'config.method.scales is {scales}; give fractions above 0 that ascend to 1.0.'
        )
    shares = tuple(shares) or (1.0,) * len(scales)
    if len(shares) != len(scales) or min(shares) <= 0:
        raise UserError(
            f'config.method.shares is {shares}; give one number above 0 for each of '
            f'the {len(scales)} scales, or none.'
        )
    ends = [round(num_steps * sum(shares[: i + 1]) / sum(shares)) for i in range(len(scales))]
    counts = [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    return [pair for pair in zip(scales, counts, strict=True) if pair[1]]


def scaled(shape: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """Scales the shape [..., height, width, channels] to sides that are multiples of 16.

    A side is at least 16 pixels, but never longer than before.
    """
    if scale == 1.0:
        return shape
    *lead, height, width, channels = shape
    sides = (min(side, max(1, round(side * scale / _SIDE)) * _SIDE) for side in (height, width))
    return (*lead, *sides, channels)


def scaled_batch(batch: Batch, scale: float) -> Batch:
    """Scales every image and mask of a batch; other arrays stay as they are."""
    return {
        name: resize(leaf, scaled(leaf.shape, scale)) if leaf.ndim == 4 else leaf
        for name, leaf in batch.items()
    }
