"""The autoencoder of latents: its shapes, and that latents describe the pixels around them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.networks.latent_autoencoder import Decoder, Encoder

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ('shape', 'size'), [((16, 16, 3), (4, 4)), ((13, 18, 1), (4, 5)), ((4, 8, 2), (1, 2))]
)
def test_images_of_any_size_go_through_a_map_of_latents(shape, size):
    images = jax.random.normal(KEY, (2, *shape))
    encoder, decoder = Encoder(channels=3, features=(4, 6)), Decoder(shape, features=(4, 6))
    (means, log_variances), _ = jax.jit(encoder.init_with_output)(KEY, images)
    assert means.shape == log_variances.shape == (2, *size, 3)
    outputs, _ = jax.jit(decoder.init_with_output)(KEY, means)
    assert outputs.shape == images.shape
    assert not jnp.allclose(outputs[0], outputs[1])


def test_a_latent_describes_the_pixels_around_it():
    encoder = Encoder(channels=3, features=(4,))
    images = jax.random.normal(KEY, (1, 32, 32, 1))
    (means, _), variables = jax.jit(encoder.init_with_output)(KEY, images)
    moved, _ = jax.jit(encoder.apply)(variables, images.at[0, 3, 3].add(1.0))
    changed = np.argwhere(np.abs(moved - means).max((0, 3)) > 1e-6)
    assert len(changed) and changed.max() <= 6
