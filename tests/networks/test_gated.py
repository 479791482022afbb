"""The generator of gated blocks: sizes, and which maps gate which."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.networks import gated

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    'shape, excitations', [((16, 16, 1), 0), ((32, 32, 3), 1), ((36, 70, 3), 1), ((64, 64, 1), 2)]
)
def test_maps_gate_those_that_are_eight_times_as_large(shape, excitations):
    generator = gated.Generator(shape, features=2)

    def make(latent):
        return generator.init_with_output(KEY, latent, train=False)

    images, variables = jax.eval_shape(make, jnp.zeros((2, 4)))
    assert images.shape == (2, *shape)
    names = [name for name in variables['params'] if name.startswith('Excitation')]
    assert len(names) == excitations


def test_an_excitation_gates_channels_by_the_means_of_the_small_map():
    x = jax.random.normal(KEY, (2, 8, 8, 3))
    gates, variables = gated.Excitation(5).init_with_output(KEY, x)
    means = x.reshape(2, 4, 2, 4, 2, 3).mean((2, 4)).reshape(2, -1)

    def dense(x, name):
        return np.asarray(x) @ variables['params'][name]['kernel']  # Biases start at 0.

    hidden = dense(means, 'Dense_0')
    expected = jax.nn.sigmoid(dense(hidden * jax.nn.sigmoid(hidden), 'Dense_1'))
    assert gates.shape == (2, 1, 1, 5)
    np.testing.assert_allclose(gates[:, 0, 0], expected, rtol=1e-5)
    shapes = jax.eval_shape(lambda x: gated.Excitation(5).init(KEY, x), jnp.zeros((1, 7, 7, 3)))
    assert shapes['params']['Dense_0']['kernel'].shape[0] <= 4 * 4 * 3


def test_the_scale_of_a_latent_does_not_matter():
    generator = gated.Generator((8, 8, 1), features=2)
    latent = jax.random.normal(KEY, (2, 4))
    images, variables = generator.init_with_output(KEY, latent, train=False)
    longer = generator.apply(variables, 3.0 * latent, train=False)
    np.testing.assert_allclose(images, longer, atol=1e-6)
    assert not jnp.allclose(images[0], images[1])
