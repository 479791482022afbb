"""The fixed mixing of frozen maps, and the heads that judge them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.networks import projected

KEY = jax.random.key(0)
CHANNELS, SIZES = (3, 5, 4), (8, 4, 2)


def maps(sizes=SIZES):
    keys = jax.random.split(jax.random.key(1), len(sizes))
    each = zip(keys, sizes, CHANNELS, strict=True)
    return [jax.random.normal(key, (2, size, size, channels)) for key, size, channels in each]


def test_mixing_enlarges_from_the_deepest_map_to_the_shallowest():
    mixing = projected.draw_mixing(KEY, CHANNELS, features=2)
    shallow, middle, deep = (
        each @ kernel for each, kernel in zip(maps(), mixing['channels'], strict=True)
    )

    def up_then_mix(x, size, kernel):
        return jax.image.resize(x, (2, size, size, x.shape[-1]), 'linear') @ kernel

    third = up_then_mix(deep, 4, mixing['scales'][2])
    second = up_then_mix(third + middle, 8, mixing['scales'][1])
    first = up_then_mix(second + shallow, 16, mixing['scales'][0])
    for found, wanted in zip(projected.mix(mixing, maps()), (first, second, third), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_mixing_is_drawn_once_with_the_variance_of_pytorch():
    mixing = projected.draw_mixing(KEY, (400, 300), features=64)
    again = projected.draw_mixing(KEY, (400, 300), features=64)
    jax.tree.map(np.testing.assert_array_equal, mixing, again)
    shapes = [kernel.shape for kernel in (*mixing['channels'], *mixing['scales'])]
    assert shapes == [(400, 64), (300, 128), (64, 64), (128, 64)]
    assert np.std(mixing['channels'][0]) == pytest.approx((1 / 3 / 400) ** 0.5, rel=0.02)
    assert np.abs(mixing['channels'][0]).max() <= 400**-0.5


@pytest.mark.parametrize('sizes, logits', [((16, 8, 4), 1 + 1 + 1), ((28, 14, 7), 3 * 16)])
def test_each_map_has_a_head(sizes, logits):
    mixed = projected.mix(projected.draw_mixing(KEY, CHANNELS, features=1), maps(sizes))
    heads = projected.Heads(features=1)
    run = jax.jit(lambda mixed: heads.init_with_output(KEY, mixed, train=True))
    found, variables = run(mixed)
    assert found.shape == (2, logits) and jnp.isfinite(found).all()
    kernels = [leaf for leaf in jax.tree.leaves(variables['params']) if leaf.ndim == 4]
    assert max(kernel.shape[-1] for kernel in kernels) == 8
