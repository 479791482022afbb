"""Networks take any size; the untrained residual network; filtered resampling."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.networks import blocks, dcgan, perceptron, residual
from imggen.networks.classifier import Classifier

KEY = jax.random.key(0)
# Small programs that run once: most of the time is their compilation.
QUICK = {'xla_backend_optimization_level': 0}


@pytest.mark.parametrize(
    'size, times, base',
    [
        ((28, 28), 2, (7, 7)),
        ((32, 32), 3, (4, 4)),
        ((37, 53), 3, (5, 7)),
        ((96, 160), 4, (6, 10)),
        ((3, 3), 0, (3, 3)),
        ((1, 9), 0, (1, 9)),
    ],
)
def test_sizes_halve_to_a_base(size, times, base):
    assert blocks.halvings(size) == (times, base)


@pytest.mark.parametrize('shape', [(12, 12, 1), (17, 27, 3), (8, 16, 2), (5, 6, 1)])
@pytest.mark.parametrize('module', [dcgan, perceptron, residual])
def test_generator_and_discriminator_take_any_size(module, shape):
    small = {'features': 2 if module is dcgan else (4, 2)}

    def apply(network, x):
        run = jax.jit(partial(network.init_with_output, train=False), compiler_options=QUICK)
        return run(KEY, x)[0]

    latent = jax.random.normal(jax.random.key(1), (2, 3))
    images = apply(module.Generator(shape=shape, **small), latent)
    assert images.shape == (2, *shape) and images.dtype == jnp.float32
    assert jnp.isfinite(images).all() and not jnp.allclose(images[0], images[1])
    logits = apply(module.Discriminator(**small), images)
    assert logits.shape == (2,) and jnp.isfinite(logits).all()


def test_the_gradient_of_a_maximum_goes_to_one_entry():
    x = jax.random.normal(KEY, (3, 4, 5))
    np.testing.assert_array_equal(blocks.largest(x, 1), x.max(1))
    broken = x.at[0, 1, 2].set(jnp.nan).at[2, 3, 4].set(jnp.nan)
    np.testing.assert_array_equal(blocks.largest(broken, 1), broken.max(1))
    to_largest = jax.grad(lambda x: blocks.largest(x, 1).sum())
    np.testing.assert_array_equal(to_largest(x), x == x.max(1, keepdims=True))
    np.testing.assert_array_equal(to_largest(jnp.zeros((3, 4, 5))).sum(1), 1)


def test_residual_branches_start_at_zero():
    block = residual.ResidualBlock(expansion=2, group_size=4, depth=3)
    x = jax.random.normal(jax.random.key(0), (2, 6, 6, 4))
    variables = block.init(jax.random.key(1), x)
    assert jnp.array_equal(block.apply(variables, x), x)


def test_without_normalization_a_logit_depends_on_its_image_only():
    network = residual.Discriminator(features=(8, 4))
    images = jax.random.normal(jax.random.key(0), (3, 8, 8, 1))
    variables = jax.jit(partial(network.init, train=True))(jax.random.key(1), images)
    seen = jax.jit(jax.jacrev(lambda x: network.apply(variables, x, train=True)))(images)
    for i in range(3):
        for j in range(3):
            assert (jnp.abs(seen[i, j]).max() == 0) == (i != j)


def test_upsample_and_downsample_are_the_filter_of_their_docstring():
    x = np.random.default_rng(0).normal(size=(1, 6, 8, 1)).astype(np.float32)
    edge = np.pad(x[0, :, :, 0], 1, mode='edge')

    def doubled(padded):
        """Each pixel becomes two: one a quarter of the way to either neighbor."""
        before = (padded[:-2] + 3 * padded[1:-1]) / 4
        after = (3 * padded[1:-1] + padded[2:]) / 4
        return np.stack([before, after], axis=1).reshape(2 * len(before), -1)

    expected = doubled(doubled(edge).T).T
    np.testing.assert_allclose(blocks.upsample(jnp.asarray(x))[0, :, :, 0], expected, atol=1e-6)

    rows = (edge[:-3:2] + 3 * edge[1:-2:2] + 3 * edge[2:-1:2] + edge[3::2]) / 8
    both = (rows[:, :-3:2] + 3 * rows[:, 1:-2:2] + 3 * rows[:, 2:-1:2] + rows[:, 3::2]) / 8
    np.testing.assert_allclose(blocks.downsample(jnp.asarray(x))[0, :, :, 0], both, atol=1e-6)


def test_resampling_keeps_a_constant():
    x = jnp.full((1, 4, 6, 2), 0.7)
    np.testing.assert_allclose(blocks.upsample(x), 0.7, rtol=1e-6)
    np.testing.assert_allclose(blocks.downsample(x), 0.7, rtol=1e-6)


def test_crop_inverts_padding():
    x = jax.random.normal(jax.random.key(0), (1, 5, 7, 1))
    assert jnp.array_equal(blocks.crop(blocks.pad_to(x, (8, 8)), (5, 7)), x)


def test_max_pool_is_the_maximum_of_two_by_two():
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 3))
    expected = np.asarray(x)[:, :4].reshape(2, 2, 2, 3, 2, 3).max((2, 4))
    assert (blocks.max_pool(x) == expected).all()


def test_the_classifier_has_fewer_than_a_hundred_thousand_parameters():
    network = Classifier()
    shapes = jax.eval_shape(
        lambda: network.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes['params'])) < 100_000
