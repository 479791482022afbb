"""The U-Net: the published layers, and sizes that 2^depth does not divide."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imggen import keys
from imggen.networks import unet

UNet = unet.UNet


def shapes(network, size=(256, 256), channels=3):
    """The shapes of a network's parameters; nothing is allocated."""
    like = jax.ShapeDtypeStruct((1, *size, channels), jnp.float32)
    init = lambda key, x: network.init(key, None, x, statistics='average')
    return jax.eval_shape(init, jax.random.key(0), like)['params']


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_the_published_network_has_the_published_parameters():
    params = shapes(UNet(3))
    assert count(params) == 54_413_955
    assert unet.depth_of(params) == 8
    kernels = {name: layer['kernel'].shape for name, layer in params.items() if 'kernel' in layer}
    # A transposed convolution has its output features before its input features.
    assert kernels['down0'] == (4, 4, 3, 64)
    assert kernels['down7'] == (4, 4, 512, 512)
    assert kernels['up7'] == (4, 4, 512, 512)
    assert kernels['up3'] == (4, 4, 256, 1024)
    assert kernels['up0'] == (4, 4, 3, 128)
    assert {name for name in params if name.endswith('norm')} == {
        *(f'down{level}_norm' for level in range(1, 7)),
        *(f'up{level}_norm' for level in range(1, 8)),
    }
    assert 'bias' in params['up0']
    assert not any('bias' in params[name] for name in kernels if name != 'up0')


def test_without_norm_every_convolution_has_a_bias():
    # 5,504 biases more, less scale and shift of as many features but the first and last level's.
    assert count(shapes(UNet(3, norm='none'))) == 54_419_459 - 2 * (1984 + 2944)


def test_without_skips_the_decoder_sees_half_the_channels():
    with_skips, without = shapes(UNet(3)), shapes(UNet(3, skips=False))
    for level in range(7):
        assert (
            without[f'up{level}']['kernel'].shape[3] * 2
            == (with_skips[f'up{level}']['kernel'].shape[3])
        )
    assert with_skips['up7']['kernel'].shape == without['up7']['kernel'].shape


@pytest.mark.parametrize(
    ('size', 'depth', 'padded'),
    [
        ((256, 256), 8, (256, 256)),
        ((128, 128), 7, (128, 128)),
        ((64, 64), 6, (64, 64)),
        ((256, 320), 6, (256, 320)),
        ((360, 480), 6, (384, 512)),
        ((480, 640), 6, (512, 640)),
        ((8, 8), 3, (8, 8)),
        ((66, 66), 4, (80, 80)),
        ((100, 100), 4, (112, 112)),
        ((260, 260), 6, (320, 320)),
        ((1, 1), 1, (2, 2)),
        ((1, 1000), 1, (2, 1000)),
    ],
)
def test_depth_follows_the_size(size, depth, padded):
    assert unet.depth_for(size) == depth
    assert unet.padded_size(size, depth) == padded


@given(st.integers(1, 600), st.integers(1, 600))
def test_padding_adds_at_most_a_quarter_to_a_side(height, width):
    depth = unet.depth_for((height, width))
    padded = unet.padded_size((height, width), depth)
    for side, grown in zip((height, width), padded, strict=True):
        assert side <= grown <= max(side * 1.25, side + 1)
    assert depth >= min(
        min(height, width).bit_length() - 3, 8
    )  # Two less than the number of halvings.


@pytest.mark.parametrize('size', [(256, 320), (360, 480)])
def test_the_output_has_the_size_of_the_input(size):
    network = UNet(3)
    like = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)
    run = lambda key, x: network.init_with_output(key, None, x, statistics='image')[0]
    assert jax.eval_shape(run, jax.random.key(0), like).shape == (2, *size, 3)


@pytest.mark.parametrize('size', [(1, 1), (5, 9)])
def test_any_size_gives_an_image_of_that_size(size):
    network = UNet(1, features=2)
    images = jax.random.uniform(jax.random.key(1), (2, *size, 3))
    output, _ = network.init_with_output(jax.random.key(0), None, images, statistics='image')
    assert output.shape == (2, *size, 1)
    assert float(jnp.abs(output).max()) <= 1


def test_padding_mirrors_the_image():
    """An image that is mirrored by hand gives the output of one that the network mirrors."""
    network = UNet(1, features=2, depth=2, norm='none')
    image = jax.random.uniform(jax.random.key(1), (1, 6, 8, 1), minval=-1)
    mirrored = jnp.concatenate([image[:, :1], image, image[:, -1:]], axis=1)
    variables = network.init(jax.random.key(0), None, image, statistics='image')
    apply = lambda x: network.apply(variables, None, x, statistics='image')
    np.testing.assert_allclose(apply(image), apply(mirrored)[:, 1:-1], atol=1e-6)


@pytest.fixture(scope='module')
def small():
    """A network whose running averages are not the statistics of any image."""
    network = UNet(1, features=2)
    images = jax.random.uniform(jax.random.key(1), (3, 8, 8, 1), minval=-1)
    variables = network.init(jax.random.key(0), None, images, statistics='average')
    draw = lambda leaf: 0.5 + jax.random.uniform(jax.random.key(leaf.size), leaf.shape)
    variables = {
        'params': jax.tree.map(lambda leaf: 10.0 * leaf, variables['params']),
        'batch_stats': jax.tree.map(draw, variables['batch_stats']),
    }

    def apply(key, images, statistics):
        return network.apply(variables, key, images, statistics=statistics)

    return jax.jit(apply, static_argnames='statistics'), images


def test_at_test_time_an_image_does_not_depend_on_its_batch(small):
    apply, images = small
    for statistics in ('image', 'average'):
        alone = apply(None, images[:1], statistics)
        np.testing.assert_allclose(alone, apply(None, images, statistics)[:1], atol=1e-5)
    assert not jnp.allclose(apply(None, images[:1], 'batch'), apply(None, images, 'batch')[:1])


def test_the_three_statistics_are_three_behaviors(small):
    apply, images = small
    one = [apply(None, images, statistics) for statistics in ('batch', 'image', 'average')]
    assert all(not jnp.allclose(one[i], one[j], atol=1e-2) for i, j in ((0, 1), (0, 2), (1, 2)))
    # The protocol of the paper: the statistics of one image are those of its batch.
    np.testing.assert_allclose(
        apply(None, images[:1], 'batch'), apply(None, images[:1], 'image'), atol=1e-5
    )


def test_dropout_is_a_function_of_the_key_of_each_image(small):
    apply, images = small
    image_keys = keys.per_image(jax.random.key(3), 3)
    many = apply(image_keys, images, 'image')
    np.testing.assert_allclose(apply(image_keys[1:2], images[1:2], 'image'), many[1:2], atol=1e-5)
    assert not jnp.allclose(apply(image_keys[:1], images[1:2], 'image'), many[1:2], atol=1e-3)
    assert not jnp.allclose(apply(None, images, 'image'), many, atol=1e-3)


def test_dropout_zeroes_the_given_fraction_and_scales_the_rest():
    dropped = unet.drop(keys.per_image(jax.random.key(0), 4), jnp.ones((4, 50, 50, 2)), 0.25)
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.75)}
    np.testing.assert_allclose((dropped == 0).mean((1, 2, 3)), 0.25, atol=0.03)


def test_running_averages_are_updated_with_the_batch():
    network = UNet(1, features=2)
    images = jax.random.uniform(jax.random.key(1), (3, 8, 8, 1), minval=-1)
    variables = network.init(jax.random.key(0), None, images, statistics='average')
    _, new = network.apply(variables, None, images, statistics='batch', mutable=['batch_stats'])
    _, same = network.apply(variables, None, images, statistics='image', mutable=['batch_stats'])
    changed = jax.tree.leaves(
        jax.tree.map(
            lambda a, b: bool(jnp.any(a != b)), variables['batch_stats'], new['batch_stats']
        )
    )
    assert all(changed)
    assert jax.tree.all(
        jax.tree.map(jnp.array_equal, variables['batch_stats'], same['batch_stats'])
    )
