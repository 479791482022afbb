"""Metrics of arrays, under the same names in `imggen`: frechet, kid, psnr and the like.

A set is an array of images or of features. Images are uint8 [n, height, width, channels], or
float in [-1, 1]; `features` then names the extractor, for example 'lite0'. Features are float
[n, d], for example from `extract` or from a network of your own.
"""

import jax
import numpy as np

from imggen import features as extractors
from imggen import images
from imggen.errors import UserError
from imggen.metrics import extraction, paired
from imggen.metrics import kid as kernel_distance
from imggen.metrics import lpips as perceptual
from imggen.metrics import precision_recall as manifold
from imggen.metrics.frechet import frechet_distance_of_rows


def extract(pictures: np.ndarray, features: str) -> np.ndarray:
    """Returns the features of images: float32 [n, d].

    `features` is one of `imggen.features.EXTRACTORS`.

    Raises:
      UserError: the extractor is unknown, or its weights are not installed.
    """
    return extraction.extract(extractors.make(features), pictures).features


def frechet(a: np.ndarray, b: np.ndarray, *, features: str | None = None) -> float:
    """Returns the Fréchet distance of two sets, which is biased: compare equal counts only."""
    return frechet_distance_of_rows(_rows(a, features), _rows(b, features))


def kid(a: np.ndarray, b: np.ndarray, *, features: str | None = None) -> kernel_distance.Kid:
    """Returns the kernel distance of two sets, unbiased: (value, standard_error)."""
    return kernel_distance.kid(_rows(a, features), _rows(b, features))


def precision_recall(
    reference: np.ndarray, generated: np.ndarray, *, features: str | None = None
) -> manifold.Manifold:
    """Returns (precision, recall, density, coverage) of a generated against a reference set."""
    return manifold.precision_recall(_rows(reference, features), _rows(generated, features))


def lpips(a: np.ndarray, b: np.ndarray, *, network: str = 'alexnet') -> np.ndarray:
    """Returns the perceptual distance of each pair of images: float32 [n], 0 if equal.

    `network` is 'alexnet', which papers report, or 'vgg16'.
    """
    distances = jax.jit(perceptual.lpips)(perceptual.load(network), _images(a), _images(b))
    return np.asarray(distances)


def psnr(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the peak signal-to-noise ratio of each pair of images in decibels: float32 [n]."""
    return np.asarray(paired.psnr(_images(a), _images(b)))


def ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the structural similarity of each pair of images: float32 [n], 1 if equal."""
    return np.asarray(paired.ssim(_images(a), _images(b)))


def _rows(values: np.ndarray, features: str | None) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim == 4 and features is not None:
        return extract(values, features)
    if values.ndim != 2:
        cure = "name an extractor, features='lite0'" if values.ndim == 4 else 'pass one of them'
        raise UserError(
            f'an array of shape {values.shape} is neither images with an extractor nor features '
            f'[n, d]: {cure}.'
        )
    return values


def _images(values: np.ndarray) -> jax.Array:
    values = np.asarray(values)
    return images.from_uint8(values) if values.dtype == np.uint8 else jax.numpy.asarray(values)
