"""The pattern-producing network against its definition in NumPy, and properties of its inputs."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np

from imggen.methods.evolution import encodings
from imggen.networks import cppn


def _reference(params, height, width):
    image = np.empty((height, width))
    for row, y in enumerate(np.linspace(-1, 1, height)):
        for column, x in enumerate(np.linspace(-1, 1, width)):
            unit = np.array([x, y, np.sqrt(x * x + y * y), 1.0])
            for layer in range(len(params) - 1):
                sine, gaussian, sigmoid, linear = np.split(unit @ params[layer], 4)
                unit = np.concatenate(
                    [np.sin(sine), np.exp(-(gaussian**2)), 1 / (1 + np.exp(-sigmoid)), linear]
                )
            image[row, column] = np.tanh(unit @ params[-1])[0]
    return image


def _weights(variables):
    layers = variables['params']
    return [np.asarray(layers[f'Dense_{i}']['kernel'], np.float64) for i in range(len(layers))]


def test_the_image_is_the_function_of_the_coordinates():
    network = cppn.CPPN((5, 7, 1), hidden=(8, 4))
    variables = network.init(jax.random.key(0))
    image = network.apply(variables)
    assert image.shape == (5, 7, 1)
    np.testing.assert_allclose(image[..., 0], _reference(_weights(variables), 5, 7), atol=2e-5)


def test_color_is_hue_saturation_and_value():
    """Against colorsys of the standard library, over random networks."""
    network = cppn.CPPN((3, 4, 3), hidden=(2, 2), activations=('tanh', 'linear'), hsv=True)
    for seed in range(5):
        variables = network.init(jax.random.key(seed))
        (first, second, last), unit = _weights(variables), np.asarray(cppn.coordinates((3, 4)))
        for weights in (first, second):
            tanh, linear = np.split(unit @ weights, 2, axis=-1)
            unit = np.concatenate([np.tanh(tanh), linear], axis=-1)
        hsv = 1 / (1 + np.exp(-(unit @ last)))
        expected = 2 * np.array([colorsys.hsv_to_rgb(*pixel) for pixel in hsv]) - 1
        image = network.apply(variables)
        np.testing.assert_allclose(np.asarray(image).reshape(-1, 3), expected, atol=1e-4)


def test_more_pixels_show_the_same_image():
    small, large = cppn.CPPN((5, 5, 1)), cppn.CPPN((9, 9, 1))
    variables = small.init(jax.random.key(1))
    np.testing.assert_allclose(small.apply(variables), large.apply(variables)[::2, ::2], atol=1e-5)


def test_without_x_and_y_the_image_is_round():
    network = cppn.CPPN((9, 9, 1))
    variables = network.init(jax.random.key(2))
    kernel = variables['params']['Dense_0']['kernel']
    variables['params']['Dense_0']['kernel'] = kernel.at[:2].set(0.0)
    image = network.apply(variables)
    np.testing.assert_allclose(image, image[::-1], atol=1e-5)
    np.testing.assert_allclose(image, image.swapaxes(0, 1), atol=1e-5)
    assert float(image.std()) > 1e-3


def test_a_genome_is_the_concatenation_of_the_weights():
    encoding = encodings.make('cppn', (6, 4, 1))
    genomes = jax.vmap(encoding.init)(jax.random.split(jax.random.key(3), 3))
    assert genomes.shape == (3, encoding.size)
    images = encoding.decode(encoding.frozen, genomes)
    network = cppn.CPPN((6, 4, 1))
    layers = [(4, 16), (16, 16), (16, 1)]
    assert encoding.size == sum(a * b for a, b in layers)
    cuts = np.cumsum([a * b for a, b in layers])[:-1]
    for genome, image in zip(genomes, images, strict=True):
        parts = jnp.split(genome, cuts)
        params = {
            f'Dense_{i}': {'kernel': part.reshape(shape)}
            for i, (part, shape) in enumerate(zip(parts, layers, strict=True))
        }
        np.testing.assert_allclose(network.apply({'params': params}), image, atol=1e-5)
    assert float(jnp.abs(images).max()) <= 1.0
