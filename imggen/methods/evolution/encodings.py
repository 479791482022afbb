"""Encodings: genomes that are searched instead of images, and how they become images.

A genome is a vector of `size` numbers. `decode` is differentiable, so an encoding works for
searches with and without gradients.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from imggen import keys
from imggen.errors import UserError
from imggen.methods import generators
from imggen.networks import cppn
from imggen.workdir.restore import restore

_WEIGHT_LIMIT = 10.0  # For the weights of a pattern-producing network (Nguyen et al. 2015).
# For color: the units of three layers saturate at larger weights, and leave red, white and black.
_COLOR_WEIGHT_LIMIT = 1.5
_PIVOT = 1 / 16  # The frequency f_0 whose scale does not depend on the exponent.
_COEFFICIENT_LIMIT = 100.0  # No search comes near it.

# A square root of the covariance of RGB in ImageNet (Olah et al. 2017).
_COLOR_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])


class Encoding(NamedTuple):
    """A space of genomes.

    Attributes:
      size: length of a genome.
      init: key -> one random genome [size].
      decode: (frozen, genomes [n, size]) -> images [n, height, width, channels] in [-1, 1].
      limit: searches keep genomes in [-limit, limit].
      image_shape: (height, width, channels) if a genome is an image, otherwise None.
      frozen: the state of a trained generator, for `decode`; () without one.
    """

    size: int
    init: Callable[[jax.Array], jax.Array]
    decode: Callable[[Any, jax.Array], jax.Array]
    limit: float
    image_shape: tuple[int, int, int] | None = None
    frozen: Any = ()


def make(name: str, shape: tuple[int, int, int], *, latent_limit: float = 1.0) -> Encoding:
    """Returns an encoding of images.

    Args:
      name: 'pixels' (the image itself, initially uniform in [-1, 1]), 'cppn' (the weights of a
        pattern-producing network), 'cppn_color' (of a deeper one without sine, whose output is
        hue, saturation and value), 'fourier' (see `_fourier`), or the workdir of a trained
        generator, whose latents are searched, initially standard normal.
      shape: (height, width, channels) of the images.
      latent_limit: latents are kept in [-latent_limit, latent_limit].

    Raises:
      UserError: there is no such generator, its images have another shape, or the images of an
        encoding in color would be gray.
    """
    if name in _IN_COLOR and shape[2] != 3:
        raise UserError(
            f'config.method.problem.encoding={name!r} makes images in color, but the classifier '
            "takes gray ones: use 'pixels' or 'cppn', or a classifier of images in color."
        )
    return ENCODINGS[name](shape) if name in ENCODINGS else _latent(name, shape, latent_limit)


def _pixels(shape) -> Encoding:
    size = math.prod(shape)

    def init(key):
        return jax.random.uniform(key, (size,), minval=-1.0, maxval=1.0)

    def decode(frozen, genomes):
        del frozen
        return jnp.clip(genomes, -1.0, 1.0).reshape(-1, *shape)

    return Encoding(size, init, decode, limit=1.0, image_shape=tuple(shape))


def _cppn(shape) -> Encoding:
    return _weights(cppn.CPPN(shape), _WEIGHT_LIMIT)


def _cppn_color(shape) -> Encoding:
    # Nguyen et al. (2015) found that networks without sine make more recognizable images.
    activations = ('tanh', 'sigmoid', 'gaussian', 'linear')
    network = cppn.CPPN(shape, hidden=(16, 16, 16), activations=activations, hsv=True)
    return _weights(network, _COLOR_WEIGHT_LIMIT)


def _fourier(shape) -> Encoding:
    """Returns the parametrization of feature visualization (Olah et al. 2017).

    The genome holds the complex half spectrum of three decorrelated color channels, initially
    N(0, 0.01^2). A coefficient is scaled by its frequency f (cycles per pixel), and the channels
    are mixed as the colors of ImageNet are correlated:

      image = 2 sigmoid(C irfft(genome sqrt(f_0) / f^1.5) / 4) - 1,  f_0 = 1/16,

    where f is at least 1 / max(height, width). The published exponent is 1, as the spectra of
    photographs fall. Adam moves all coefficients equally fast, though, and with a steeper spectrum
    less noise grows at high frequencies.
    """
    height, width, _ = shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    scale = _PIVOT**0.5 / np.maximum(frequency, 1.0 / max(height, width)) ** 1.5 / 4.0
    scale = np.float32(scale)[None, None, ..., None]
    mix = np.float32(_COLOR_ROOT.T / np.linalg.norm(_COLOR_ROOT, axis=0).max())
    size = 2 * frequency.size * 3

    def init(key):
        return 0.01 * jax.random.normal(key, (size,))

    def decode(frozen, genomes):
        del frozen
        parts = scale * genomes.reshape(-1, 2, *frequency.shape, 3)
        spectrum = jax.lax.complex(parts[:, 0], parts[:, 1])
        channels = jnp.fft.irfft2(spectrum, (height, width), axes=(1, 2), norm='ortho')
        return 2.0 * jax.nn.sigmoid(jnp.matmul(channels, mix, precision='highest')) - 1.0

    return Encoding(size, init, decode, limit=_COEFFICIENT_LIMIT)


def _weights(network: cppn.CPPN, limit: float) -> Encoding:
    like = jax.eval_shape(network.init, jax.random.key(0))
    flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), like))

    def init(key):
        return ravel_pytree(network.init(key))[0]

    def decode(frozen, genomes):
        del frozen
        return jax.vmap(lambda genome: network.apply(unravel(genome)))(genomes)

    return Encoding(flat.size, init, decode, limit=limit)


def _latent(workdir: str, shape, limit: float) -> Encoding:
    name = 'config.method.problem.encoding'
    try:
        restored = restore(workdir, generators.make)
    except UserError as error:
        known = ' nor '.join(map(repr, ENCODINGS))
        raise UserError(f'{name} is neither {known} nor a trained generator: {error}') from error
    method, batch = restored.method, restored.batch
    if method.num_classes is not None:
        raise UserError(
            f'{name}={workdir} is conditioned on a class, which is not part of its latents: name '
            'the run of a generator without classes.'
        )
    if method.latent_size is None:
        raise UserError(f'{name}={workdir} has no latents: name a run of a generator with latents.')

    def init(key):
        return jax.random.normal(key, (method.latent_size,))

    def decode(frozen, genomes):
        state, method_frozen = frozen
        unused = keys.per_image(jax.random.key(0), len(genomes))
        named = method.sample(unused, state, method_frozen, {**batch, 'latent': genomes})
        return named[method.output]

    frozen = (jax.device_get(restored.state), method.frozen)
    genomes = jax.ShapeDtypeStruct((1, method.latent_size), jnp.float32)
    made = jax.eval_shape(decode, frozen, genomes).shape[1:]
    if made != tuple(shape):
        raise UserError(
            f'{name}={workdir} makes images of shape {made}, but the classifier takes '
            f'{tuple(shape)}: name a generator and a classifier of the same data set.'
        )
    return Encoding(method.latent_size, init, decode, limit=limit, frozen=frozen)


ENCODINGS = {'pixels': _pixels, 'cppn': _cppn, 'cppn_color': _cppn_color, 'fourier': _fourier}
_IN_COLOR = ('cppn_color', 'fourier')
