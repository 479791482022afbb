"""A pretrained network as the evaluator: its embeddings, and what learns from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.features import layers
from imggen.losses import perceptual
from imggen.methods.evaluator import pretrained
from tests.helpers import cases


def test_distances_of_embeddings_are_lpips_and_squared_error():
    first, second = (
        jax.random.uniform(jax.random.key(seed), (2, 28, 28, 1), minval=-1.0) for seed in (0, 1)
    )
    try:
        frozen = pretrained.load('alexnet')
    except UserError as error:
        pytest.skip(str(error))
    a, b = (
        pretrained.embed('alexnet', frozen, images, size=48, pixel_weight=0.5)
        for images in (first, second)
    )
    of_first, of_second = (
        pretrained.alexnet.activations(
            frozen['network'], layers.resize(images, 48, 48), tuple(frozen['heads'])
        )
        for images in (first, second)
    )
    wanted = perceptual.lpips(of_first, of_second, heads=frozen['heads'])
    assert float(wanted.min()) > 0.01
    wanted += 0.5 * jnp.square(first - second).mean((1, 2, 3))
    np.testing.assert_allclose(jnp.square(a - b).sum(1), wanted, rtol=1e-4)


@pytest.mark.parametrize('name', pretrained.NETWORKS)
def test_every_network_embeds_gray_and_color(name):
    try:
        frozen = pretrained.load(name)
    except UserError as error:
        pytest.skip(str(error))
    sizes = []
    for shape in ((2, 28, 28, 1), (2, 32, 40, 3)):
        images = jax.ShapeDtypeStruct(shape, 'float32')
        found = jax.eval_shape(
            lambda images: pretrained.embed(name, frozen, images, size=64, pixel_weight=1.0), images
        )
        sizes.append(found.shape[1] - np.prod(shape[1:]))
    assert sizes[0] == sizes[1] and (sizes[0] > 0) == (name != 'pixels')


def test_the_evaluator_compares_references_in_pretrained_features():
    """An unlike network gives the generator another loss, and the energies stay the same."""
    options = {'features': 'pixels', 'features_size': 16}
    plain, changed = cases.method('evaluator'), cases.method('evaluator', **options)
    batch = cases.source().batch(0)
    state = jax.jit(plain.init)(jax.random.key(0), (), batch)
    metrics = [
        jax.jit(method.phases[2].step)(jax.random.key(1), state, method.frozen, batch)[1]
        for method in (plain, changed)
    ]
    assert metrics[0]['energy'] == metrics[1]['energy']
    # 'pixels' leaves the first of the evaluator's levels.
    assert 0 < metrics[1]['generator_loss'] < metrics[0]['generator_loss']
    assert 0 < metrics[1]['diversity'] < metrics[0]['diversity']
