"""Style losses: the difference between the feature statistics of an image and of a style.

Notation: F [m, c] are the features of one layer at m positions, mu is their mean, S = F^T F / m
their second moment (the Gram matrix divided by m), and C = S - mu mu^T their covariance; a prime
marks those of the style. Positions may be weighted by r regions; an image without masks is one
region. Moments are kept as sums, so that those of tiles add up to those of the image, and they
are not centered, so that several styles blend by a weighted sum.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from imggen.losses import sliced

_FLATTEST = 1e-3  # Least spread of a style, relative to its second moment.
_FLOOR = 1e-5  # Smallest eigenvalue relative to the largest: a root has no slope at 0.


@struct.dataclass
class Moments:
    """Sums over positions; `means` turns them into means.

    Attributes:
      weight: total weight of the positions, [n, r].
      first: sums of the features, [n, r, c].
      second: sums of products of two features, [n, r, c, c].
    """

    weight: jax.Array
    first: jax.Array
    second: jax.Array


def moments(features: jax.Array, *, weight: jax.Array | None = None) -> Moments:
    """Sums features [n, height, width, c] and their products over positions.

    `weight` [n or 1, height, width, r] says how much a position belongs to each region. By
    default there is one region, to which every position belongs.
    """
    n, height, width, channels = features.shape
    flat = features.reshape(n, height * width, channels)
    if weight is None:
        first = flat.sum(1)[:, None]
        second = _products(flat)[:, None]
        return Moments(jnp.full((n, 1), float(height * width)), first, second)
    flat_weight = jnp.broadcast_to(weight, (n, *weight.shape[1:])).reshape(n, height * width, -1)
    weighted = flat_weight[..., None] * flat[:, :, None]
    return Moments(
        flat_weight.sum(1),
        weighted.sum(1),
        jnp.einsum('nmrc,nmd->nrcd', weighted, flat),
    )


@jax.custom_vjp
def _products(flat: jax.Array) -> jax.Array:
    """F^T F of [n, m, c]: [n, c, c]. Its gradient takes one product, F (G + G^T), not two."""
    return jnp.einsum('nmc,nmd->ncd', flat, flat)


def _products_backward(flat, cotangent):
    return (flat @ (cotangent + jnp.swapaxes(cotangent, -1, -2)),)


_products.defvjp(lambda flat: (_products(flat), flat), _products_backward)


def means(sums: Moments) -> Moments:
    """Divides sums by their weights; an empty region has zeros."""
    weight = jnp.maximum(sums.weight, 1e-8)
    return Moments(
        sums.weight, sums.first / weight[..., None], sums.second / weight[..., None, None]
    )


def blend(styles: list[Moments], weights: jax.Array) -> Moments:
    """Averages the means of several styles with weights [n, number of styles].

    A style takes no part in a region that it lacks.
    """
    shares = jnp.stack([weights[:, i, None] * (one.weight > 0) for i, one in enumerate(styles)])
    shares = shares / _positive(shares.sum(0, keepdims=True))  # [number of styles, n, r]

    def average(*leaves):
        return sum(
            share.reshape(*share.shape, *(1,) * (leaf.ndim - 2)) * leaf
            for share, leaf in zip(shares, leaves, strict=True)
        )

    return jax.tree.map(average, *styles)


class Statistic(NamedTuple):
    """A statistic of features, and the loss that compares it.

    Attributes:
      collect: (features [n, height, width, c], weight=None) -> what is known of them, with the
        `weight` [n, r] of each region.
      target: (a key for each image, what is known of each style, weights [n, number of styles])
        -> the target of `loss`, computed once.
      loss: (what is known of an image, target) -> [n, r].
      adds: whether what is known of the tiles of an image adds up to what is known of the image.
    """

    collect: Callable[..., Any]
    target: Callable[[jax.Array | None, Sequence[Any], jax.Array], Any]
    loss: Callable[[Any, Any], jax.Array]
    adds: bool = True


def gram_absolute(image: Moments, style: Moments) -> jax.Array:
    """|S - S'|^2 / (4 c^2), Gatys et al. 2016, eq. 4.

    In the paper the Gram matrices are sums over m positions and the divisor is 4 c^2 m^2. The
    result is the same if style and image have the same size; here it is defined for any size.
    """
    return _squares(image.second - style.second) / (4.0 * image.first.shape[-1] ** 2)


def gram(image: Moments, style: Moments) -> jax.Array:
    """|S - S'|^2 / |S'|^2, which is 0 for the style itself and 1 for features that are all 0."""
    return _squares(image.second - style.second) / _positive(_squares(style.second))


def mean_covariance(image: Moments, style: Moments) -> jax.Array:
    """(|C - C'|^2 / |C'|^2 + |mu - mu'|^2 / |mu'|^2) / 2, where |C'| is at least |S'| / 1000.

    The bound matters for a style of one color, which has no covariance.
    """
    scale = jnp.maximum(_squares(covariance(style)), _FLATTEST**2 * _squares(style.second))
    spread = _squares(covariance(image) - covariance(style)) / _positive(scale)
    shift = jnp.square(image.first - style.first).sum(-1)
    return (spread + shift / _positive(jnp.square(style.first).sum(-1))) / 2.0


class GaussianTarget(NamedTuple):
    """A normal distribution: its mean, and the trace and the square root of its covariance."""

    mean: jax.Array
    trace: jax.Array
    root: jax.Array


def gaussian_target(style: Moments) -> GaussianTarget:
    """Returns the normal distribution with the mean and the covariance of a style."""
    values, vectors = jnp.linalg.eigh(covariance(style))
    values = jnp.maximum(values, 0.0)
    root = jnp.einsum('nrij,nrj,nrkj->nrik', vectors, jnp.sqrt(values), vectors)
    return GaussianTarget(style.first, values.sum(-1), root)


def wasserstein(image: Moments, style: GaussianTarget) -> jax.Array:
    """W_2^2 of the two normal distributions, divided by |mu'|^2 + tr C'.

    W_2^2 = |mu - mu'|^2 + tr C + tr C' - 2 tr (C'^1/2 C C'^1/2)^1/2
    (Olkin and Pukelsheim 1982).
    """
    spread = covariance(image)
    product = style.root @ spread @ style.root
    distance = jnp.square(image.first - style.mean).sum(-1)
    distance += jnp.trace(spread, axis1=-2, axis2=-1) + style.trace - 2.0 * root_trace(product)
    return distance / _positive(jnp.square(style.mean).sum(-1) + style.trace)


def covariance(image: Moments) -> jax.Array:
    """S - mu mu^T: [n, r, c, c]."""
    return image.second - image.first[..., :, None] * image.first[..., None, :]


@jax.custom_vjp
def root_trace(matrix: jax.Array) -> jax.Array:
    """tr A^(1/2) of symmetric positive semi-definite matrices [..., c, c]: [...].

    d tr A^(1/2) = tr(A^(-1/2) dA) / 2. This avoids the derivative of an eigenvector, which is
    infinite if two eigenvalues are equal.
    """
    return jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(matrix), 0.0)).sum(-1)


def _root_trace_forward(matrix):
    values, vectors = jnp.linalg.eigh((matrix + jnp.swapaxes(matrix, -1, -2)) / 2.0)
    values = jnp.maximum(values, 0.0)
    floored = jnp.maximum(values, _FLOOR * values[..., -1:] + 1e-30)
    inverse = (vectors / jnp.sqrt(floored)[..., None, :]) @ jnp.swapaxes(vectors, -1, -2)
    return jnp.sqrt(values).sum(-1), inverse


def _root_trace_backward(inverse, cotangent):
    return (cotangent[..., None, None] * inverse / 2.0,)


root_trace.defvjp(_root_trace_forward, _root_trace_backward)


def _of_moments(loss, target=lambda style: style) -> Statistic:
    """Returns a statistic of the means: target(means of a style), loss(means of an image, it)."""
    return Statistic(
        moments,
        lambda keys, styles, weights: target(blend([means(style) for style in styles], weights)),
        lambda image, goal: loss(means(image), goal),
    )


STATISTICS = {
    'gram': _of_moments(gram),
    'gram_absolute': _of_moments(gram_absolute),
    'mean_covariance': _of_moments(mean_covariance),
    'wasserstein': _of_moments(wasserstein, gaussian_target),
    'sliced': Statistic(sliced.positions, sliced.make_target, sliced.distance, adds=False),
}


def over_regions(losses: jax.Array, weight: jax.Array) -> jax.Array:
    """Averages losses [n, r] over regions, each with its total weight of positions [n, r]: [n]."""
    share = weight / _positive(weight.sum(-1, keepdims=True))
    return (share * losses).sum(-1)


def structure_distance(features: jax.Array, others: jax.Array) -> jax.Array:
    """Distance of the self-similarities of two images [n, height, width, c]: [n] in [0, 2].

    With D_ij = 1 - cos(F_i, F_j) for the points i and j of one image, and each row of D divided by
    its sum, it is the mean over i of sum_j |D_ij - D'_ij| (Kolkin et al. 2019, eq. 7). It compares
    how the parts of an image relate to each other, whatever they look like.
    """
    rows = jnp.abs(_self_distances(features) - _self_distances(others)).sum(-1)
    return rows.mean(-1)


def _self_distances(features: jax.Array) -> jax.Array:
    flat = features.reshape(len(features), -1, features.shape[-1])
    flat = flat / jnp.sqrt(_positive(jnp.square(flat).sum(-1, keepdims=True)))
    distances = jnp.maximum(1.0 - flat @ jnp.swapaxes(flat, -1, -2), 0.0)
    return distances / jnp.maximum(distances.sum(-1, keepdims=True), 1e-8)


def total_variation(images: jax.Array) -> jax.Array:
    """Mean squared difference of vertical plus horizontal neighbors: [n].

    Mahendran and Vedaldi 2015, with beta = 2, divided by the number of pixels.
    """
    down = jnp.square(images[:, 1:] - images[:, :-1]).mean((1, 2, 3))
    across = jnp.square(images[:, :, 1:] - images[:, :, :-1]).mean((1, 2, 3))
    return down + across


def _squares(matrix: jax.Array) -> jax.Array:
    return jnp.square(matrix).sum((-2, -1))


def _positive(value: jax.Array) -> jax.Array:
    return jnp.maximum(value, 1e-20)
