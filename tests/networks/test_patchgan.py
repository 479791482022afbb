"""The PatchGAN: its published size, and the receptive field of a logit, from its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.networks import patchgan

PatchGAN = patchgan.PatchGAN


def test_the_published_network_has_the_published_parameters():
    like = jax.ShapeDtypeStruct((1, 256, 256, 6), jnp.float32)
    init = lambda key, x: PatchGAN().init_with_output(key, x, statistics='average')
    logits, variables = jax.eval_shape(init, jax.random.key(0), like)
    assert logits.shape == (1, 30, 30)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables['params'])) == 2_768_705


@pytest.mark.parametrize(('layers', 'side'), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_logit_depends_on_the_receptive_field_of_the_paper_only(layers, side):
    network = PatchGAN(features=2, layers=layers, norm='none')
    size = 2 * side + 8
    images = jax.random.normal(jax.random.key(1), (1, size, size, 1))
    variables = network.init(jax.random.key(0), images, statistics='image')

    def middle(images):
        logits = network.apply(variables, images, statistics='image')
        return logits[0, logits.shape[1] // 2, logits.shape[2] // 2]

    seen = np.abs(jax.jit(jax.grad(middle))(images)[0, :, :, 0]) > 0
    for axis in (0, 1):
        where = np.flatnonzero(seen.any(axis))
        assert where[-1] - where[0] + 1 == side


@pytest.mark.parametrize('layers', [0, 1, 3])
def test_the_smallest_image_has_one_logit_and_a_smaller_one_is_refused(layers):
    network, least = PatchGAN(features=1, layers=layers), patchgan.smallest_side(layers)
    run = lambda key, x: network.init_with_output(key, x, statistics='image')[0]
    like = jax.ShapeDtypeStruct((1, least, least, 2), jnp.float32)
    assert jax.eval_shape(run, jax.random.key(0), like).shape == (1, 1, 1)
    if layers:
        like = jax.ShapeDtypeStruct((1, least, least - 1, 2), jnp.float32)
        with pytest.raises(UserError, match=f'images of at least {least} pixels'):
            jax.eval_shape(run, jax.random.key(0), like)


def test_with_instance_norm_a_logit_depends_on_its_image_only():
    network = PatchGAN(features=2, layers=1, norm='instance')
    images = jax.random.normal(jax.random.key(1), (3, 12, 12, 2))
    variables = network.init(jax.random.key(0), images, statistics='batch')
    apply = lambda x: network.apply(variables, x, statistics='batch')
    np.testing.assert_allclose(apply(images)[1:2], apply(images[1:2]), atol=1e-5)
