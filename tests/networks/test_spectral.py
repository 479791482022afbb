"""Spectral normalization makes the largest singular value of any layer 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from imggen.networks import conditional, dcgan, growing, perceptron, residual, spectral
from imggen.networks.conv.layers import Conv


class Layer(nn.Module):
    kind: str
    normalize: bool = True

    @nn.compact
    def __call__(self, x, *, train):
        layer = nn.Dense(6) if self.kind == 'dense' else Conv(6, 3)
        return spectral.apply(layer, x, normalize=self.normalize, train=train)


@pytest.mark.parametrize('kind', ['dense', 'conv'])
def test_the_normalized_kernel_has_spectral_norm_one(kind):
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 4))
    module = Layer(kind)
    variables = module.init(jax.random.key(1), x, train=False)
    step = jax.jit(
        lambda variables: module.apply(variables, x, train=True, mutable=['batch_stats'])
    )
    for _ in range(50):  # Power iterations.
        y, statistics = step(variables)
        variables = {**variables, **statistics}
    (name,) = variables['params']
    kernel = np.asarray(variables['params'][name]['kernel'])
    largest = np.linalg.svd(kernel.reshape(-1, 6), compute_uv=False)[0]
    divided = {'params': {name: {**variables['params'][name], 'kernel': kernel / largest}}}
    expected = Layer(kind, normalize=False).apply(divided, x, train=False)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_a_scaled_kernel_gives_the_same_output():
    x = jax.random.normal(jax.random.key(0), (2, 5))
    module = Layer('dense')
    variables = module.init(jax.random.key(1), x, train=False)
    scaled = {**variables, 'params': jax.tree.map(lambda leaf: 9.0 * leaf, variables['params'])}
    one, nine = (
        module.apply(v, x, train=True, mutable=['batch_stats'])[0] for v in (variables, scaled)
    )
    np.testing.assert_allclose(one, nine, rtol=1e-4, atol=1e-6)


class Projected(nn.Module):
    """Adds the vector of a class to logits of 0."""

    @nn.compact
    def __call__(self, label, *, train):
        ones = jnp.eye(len(label), 4)
        zeros = jnp.zeros(len(label))
        return conditional.projected(zeros, ones, label, 3, normalize=True, train=train)


def test_the_table_of_classes_is_normalized():
    label = jnp.arange(3)
    variables = Projected().init(jax.random.key(0), label, train=False)
    (table,) = jax.tree.leaves(variables['params'])
    for _ in range(100):
        found, statistics = Projected().apply(variables, label, train=True, mutable=['batch_stats'])
        variables = {**variables, **statistics}
    expected = np.diag(table) / np.linalg.svd(table, compute_uv=False)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_gradient_of_a_normalized_residual_discriminator_is_bounded():
    """Without blocks the network is linear, and the product of its kernels has norm 1 at most."""
    module = residual.Discriminator(features=(8, 4), blocks=0, spectral=True)
    x = jax.random.normal(jax.random.key(0), (1, 8, 8, 1))
    variables = jax.jit(lambda key: module.init(key, x, train=False))(jax.random.key(1))
    large = {**variables, 'params': jax.tree.map(lambda leaf: 50.0 * leaf, variables['params'])}
    iterate = jax.jit(lambda v: module.apply(v, x, train=True, mutable=['batch_stats'])[1])
    for _ in range(50):
        large = {**large, **iterate(large)}
    slope = jax.jit(jax.grad(lambda x: module.apply(large, x, train=False)[0]))(x)
    assert 0 < float(jnp.sqrt(jnp.sum(slope**2))) <= 1.001


@pytest.mark.parametrize('level', [0, 1, 2])
def test_a_growing_discriminator_is_normalized_at_every_level(level):
    module = growing.Discriminator(features=(8, 4, 4), spectral=True)
    init = jax.jit(lambda key, x: module.init(key, x, level=2, fade=1.0, train=False))
    variables = init(jax.random.key(1), jnp.ones((1, 8, 8, 1)))
    side = 2 * 2**level
    x = jax.random.normal(jax.random.key(0), (2, side, side, 1))
    call = {'level': level, 'fade': 0.5, 'train': True, 'mutable': ['batch_stats']}
    apply = jax.jit(lambda variables: module.apply(variables, x, **call))
    nine = {**variables, 'params': jax.tree.map(lambda leaf: 9.0 * leaf, variables['params'])}
    (one, statistics), (scaled, _) = map(apply, (variables, nine))
    np.testing.assert_allclose(one, scaled, rtol=1e-4, atol=1e-6)
    assert jax.tree.structure(statistics['batch_stats']) == jax.tree.structure(
        variables['batch_stats']
    )


@pytest.mark.parametrize(
    'module',
    [
        dcgan.Discriminator(features=4, normalize=False, spectral=True),
        perceptron.Discriminator(features=(4,), pieces=2, spectral=True),
        residual.Discriminator(features=(8, 4), spectral=True),
    ],
    ids=lambda module: type(module).__module__,
)
def test_every_discriminator_can_be_normalized_and_learns(module):
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 1))
    variables = jax.jit(lambda key: module.init(key, x, train=False))(jax.random.key(1))
    assert variables['batch_stats']

    @jax.jit
    def gradient(params):
        def loss(params):
            logits, statistics = module.apply(
                {**variables, 'params': params}, x, train=True, mutable=['batch_stats']
            )
            return jnp.sum(jnp.square(logits - 1.0)), statistics

        return jax.grad(loss, has_aux=True)(params)

    gradients, statistics = gradient(variables['params'])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    kernels = [
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(gradients) if leaf.ndim > 1
    ]
    assert all(np.any(kernel) for kernel in kernels)
    before, after = (jax.tree.leaves(tree) for tree in (variables['batch_stats'], statistics))
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_normalization_does_not_change_the_names_of_parameters():
    def shapes(flag):
        module = dcgan.Discriminator(features=4, normalize=False, spectral=flag)
        init = lambda: module.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False)
        return jax.eval_shape(init)['params']

    assert jax.tree.structure(shapes(True)) == jax.tree.structure(shapes(False))
