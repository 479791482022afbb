"""Nearest neighbors: for each hypercolumn of an image, the most similar one of a style.

Vectors are compared by the cosine after their mean is subtracted. Several styles and regions are
matched separately, and the matches are averaged by their weights.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct

from imggen.methods.style import columns as columns_lib
from imggen.methods.style.columns import Columns
from imggen.methods.style.networks import Params

_MOST_VECTORS = 32768  # Of a style; of more, evenly spread ones are taken.
_BLOCK = 512  # Queries at a time: a block of cosines has at most 64 MiB.
_TINY = 1e-8


@struct.dataclass
class Bank:
    """Hypercolumns of one style.

    Attributes:
      vectors: [k, channels].
      shares: how much each belongs to each region, [k, r]; ones for one region without masks.
    """

    vectors: jax.Array
    shares: jax.Array


def bank(columns: Columns, params: Params, style: jax.Array, mask: jax.Array | None) -> Bank:
    """Collects the hypercolumns of a style in four rotations.

    Args:
      columns, params: the hypercolumns, and the parameters of their network.
      style: [height, width, channels] in [-1, 1].
      mask: [mask height, mask width, r], or None.
    """
    # A network with turned kernels sees in a picture what the network sees in the turned picture.
    # So the four rotations are one loop over pictures of one shape, and one trace of the network.
    turned = [_turned(params, turns) for turns in range(4)]
    size = columns_lib.grid((1, *style.shape))
    rows = spread(size[0] * size[1], _MOST_VECTORS // 4)
    vectors = jax.lax.map(
        lambda params: columns_lib.flat(columns(params, style[None]))[0, rows],
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *turned),
    )
    shares = jnp.ones((len(rows), 1)) if mask is None else on_grid(mask, size)[rows]
    return Bank(vectors.reshape(-1, vectors.shape[-1]), jnp.tile(shares, (4, 1)))


def _turned(params: Params, turns: int) -> Params:
    """Turns the kernels [height, width, in, out] by quarters of a circle."""
    return jax.tree.map(lambda leaf: jnp.rot90(leaf, turns) if leaf.ndim == 4 else leaf, params)


def spread(length: int, most: int, *, offset: jax.Array | float = 0.0) -> jax.Array:
    """Returns at most `most` of `length` rows, evenly spread and shifted by `offset` in [0, 1)."""
    count = min(length, most)
    return jnp.int32((jnp.arange(count) + offset) * (length / count))


def bank_size(style_shape: tuple[int, ...]) -> int:
    """Returns the number of vectors of a style's bank, for styles [n, height, width, channels]."""
    height, width = columns_lib.grid(style_shape)
    return 4 * min(height * width, _MOST_VECTORS // 4)


def on_grid(mask: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Resizes a mask [height, width, r] to a grid and lists its points: [points, r]."""
    shape = (*size, mask.shape[-1])
    return jax.image.resize(mask, shape, 'linear', antialias=True).reshape(-1, mask.shape[-1])


def style_weights(weights: jax.Array, banks: Sequence[Bank]) -> jax.Array:
    """Returns the weight of each style in each region: [number of styles, r].

    `weights` [number of styles] are relative. A style takes no part in a region that its mask
    lacks.
    """
    takes_part = jnp.stack([one.shares.max(0) > 0 for one in banks])
    weights = weights[:, None] * takes_part
    return weights / jnp.maximum(weights.sum(0, keepdims=True), _TINY)


def matches(
    queries: jax.Array, regions: jax.Array, banks: Sequence[Bank], weights: jax.Array
) -> jax.Array:
    """Returns the average over styles and regions of the vectors that match best.

    Args:
      queries: hypercolumns of the image, [m, channels].
      regions: how much each belongs to each region, [m, r].
      banks: one for each style.
      weights: from `style_weights`.

    Returns:
      [m, channels], of length one (zero if all averaged vectors are).
    """
    queries = columns_lib.centered(queries)
    total = jnp.zeros_like(queries)
    for one, weight in zip(banks, weights, strict=True):
        candidates, originals = columns_lib.centered(one.vectors), columns_lib.unit(one.vectors)
        for region in range(regions.shape[-1]):
            rows = nearest(queries, candidates, one.shares[:, region])
            total += (weight[region] * regions[:, region])[:, None] * originals[rows]
    return columns_lib.unit(total)


def nearest(queries: jax.Array, candidates: jax.Array, shares: jax.Array) -> jax.Array:
    """Returns the row of the candidate with the largest cosine: int32 [m].

    Args:
      queries: [m, channels], of length one.
      candidates: [k, channels], of length one.
      shares: [k] in [0, 1]. A candidate outside of the region comes after all inside.
    """
    handicap = 2.0 * (shares - 1.0)
    return jax.lax.map(
        lambda query: jnp.argmax(candidates @ query + handicap), queries, batch_size=_BLOCK
    )


def nearest_of_layers(
    queries: Sequence[jax.Array], candidates: Sequence[jax.Array], shares: jax.Array
) -> list[jax.Array]:
    """Returns for each layer the row of the candidate with the largest centered cosine.

    Layers of one width are compared in one loop: the network has ten layers of four widths, and
    four programs compile faster than ten.

    Args:
      queries: one array [m, channels] for each layer.
      candidates: one array [k, channels] for each layer.
      shares: as in `nearest`.

    Returns:
      int32 [m] for each layer.
    """
    widths = [values.shape[-1] for values in queries]
    rows = {}
    for width in dict.fromkeys(widths):
        layers = [layer for layer, own in enumerate(widths) if own == width]
        pairs = [
            columns_lib.centered(jnp.stack([side[layer] for layer in layers]))
            for side in (queries, candidates)
        ]
        found = jax.lax.map(lambda pair: nearest(*pair, shares), tuple(pairs))
        rows |= dict(zip(layers, found, strict=True))
    return [rows[layer] for layer in range(len(widths))]
