"""Spectral normalisation: the largest singular value becomes 1, whatever the layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from imggen.networks import dcgan, perceptron, residual, spectral
from imggen.networks.conv import Conv


class Layer(nn.Module):
    kind: str
    normalise: bool = True

    @nn.compact
    def __call__(self, x, *, train):
        layer = nn.Dense(6) if self.kind == 'dense' else Conv(6, 3)
        return spectral.apply(layer, x, normalise=self.normalise, train=train)


@pytest.mark.parametrize('kind', ['dense', 'conv'])
def test_the_normalised_kernel_has_spectral_norm_one(kind):
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
    expected = Layer(kind, normalise=False).apply(divided, x, train=False)
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


@pytest.mark.parametrize(
    'module',
    [
        dcgan.Discriminator(features=4, normalise=False, spectral=True),
        perceptron.Discriminator(features=(4,), pieces=2, spectral=True),
        residual.Discriminator(features=(8, 4), spectral=True),
    ],
    ids=lambda module: type(module).__module__,
)
def test_every_discriminator_can_be_normalised_and_learns(module):
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 1))
    variables = module.init(jax.random.key(1), x, train=False)
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


def test_parameters_are_named_as_without():
    def shapes(flag):
        module = dcgan.Discriminator(features=4, normalise=False, spectral=flag)
        init = lambda: module.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False)  # noqa: E731
        return jax.eval_shape(init)['params']

    assert jax.tree.structure(shapes(True)) == jax.tree.structure(shapes(False))
