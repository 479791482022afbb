"""Neural neighbors: pyramids, hypercolumns, matches, and what the method makes of pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import methods
from imggen.errors import UserError
from imggen.methods.style import columns, matching, networks, pyramid
from tests.methods.style.test_objective import advance, pictures, results

CONFIG = {
    'name': 'style_neighbours',
    'num_steps': 12,
    'network': 'vgg16_random',
    'layers': ('block1_conv1',),  # One layer compiles fast.
    'scales': (1.0,),
    'split_fraction': 0.25,
}


def _pyramid(image):
    bands = pyramid.split(image, 8)
    blurred = pyramid.join(pyramid.without_finest(bands, 9))
    return bands, pyramid.join(bands), pyramid.double(image), blurred


def test_bands_sum_to_the_image_and_are_those_of_a_bilinear_pyramid():
    image = jax.random.normal(jax.random.key(0), (2, 16, 24, 3))
    bands, joined, doubled, blurred = jax.jit(_pyramid)(image)
    assert [band.shape[1:3] for band in bands] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    np.testing.assert_allclose(joined, image, atol=1e-5)
    enlarged = jax.image.resize(image, (2, 32, 48, 3), 'linear')
    np.testing.assert_allclose(doubled, enlarged, atol=1e-5)
    np.testing.assert_allclose(blurred[0].std((0, 1)), bands[-1][0].std((0, 1)), rtol=0.5)


def test_hypercolumns_are_activations_on_a_grid_of_a_quarter():
    network = networks.NETWORKS['vgg16_random']
    params, image = network.load('', None), pictures(count=1, size=(16, 32))['image']
    layers = ('block1_conv1', 'block2_conv1', 'block4_conv1')

    @jax.jit
    def both(image):
        expected = network.activations(params, image, layers, pooling='max', padding='edge')
        return columns.Columns(network, layers, 'edge')(params, image), expected

    found, expected = both(image)
    for layer in layers:
        n, *_, channels = expected[layer].shape
        resized = jax.image.resize(expected[layer], (n, 4, 8, channels), 'linear', antialias=False)
        np.testing.assert_allclose(found[layer], resized / channels, rtol=1e-3, atol=1e-3)
    assert columns.flat(found).shape == (1, 32, 64 + 128 + 512)


def test_nearest_is_the_largest_cosine_inside_the_region():
    generator = np.random.default_rng(0)
    queries = columns.unit(generator.normal(size=(700, 5)).astype(np.float32))
    candidates = columns.unit(generator.normal(size=(40, 5)).astype(np.float32))
    shares = np.float32(generator.random(40) < 0.5)
    cosines = np.asarray(queries) @ np.asarray(candidates).T
    found = matching.nearest(queries, candidates, jnp.ones(40))
    np.testing.assert_array_equal(found, cosines.argmax(1))
    inside = matching.nearest(queries, candidates, shares)
    np.testing.assert_array_equal(inside, np.where(shares, cosines, -9).argmax(1))


def test_the_vectors_of_a_style_are_those_of_its_four_rotations():
    network = networks.NETWORKS['vgg16_random']
    params, style = network.load('', None), pictures(count=1, size=(16, 32))['image'][0]
    one = columns.Columns(network, ('block1_conv1',), 'edge')
    mask = jnp.broadcast_to(jnp.linspace(0.0, 1.0, 32)[None, :, None], (16, 32, 1))
    found = jax.jit(lambda style: matching.bank(one, params, style, mask))(style)
    whole = jax.jit(lambda image: one(params, image[None])['block1_conv1'][0])
    for turns, vectors in enumerate(found.vectors.reshape(4, 4, 8, -1)):
        expected = np.rot90(whole(jnp.rot90(style, -turns)), turns)
        np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-5)
    shares = matching.on_grid(mask, (4, 8))
    np.testing.assert_array_equal(found.shares.reshape(4, 32, 1), jnp.stack([shares] * 4))


def test_each_layer_is_matched_by_its_own_largest_cosine():
    generator = np.random.default_rng(0)
    shares = np.float32(generator.random(40) < 0.5)
    layers = [  # Means that are not 0: they are subtracted.
        [np.float32(generator.normal(1.0, size=(count, width))) for width in (4, 7, 4)]
        for count in (30, 40)
    ]
    found = matching.nearest_of_layers(*layers, shares)
    for rows, queries, candidates in zip(found, *layers, strict=True):
        cosines = np.asarray(columns.centered(queries) @ columns.centered(candidates).T)
        np.testing.assert_array_equal(rows, np.where(shares, cosines, -9).argmax(1))


def test_a_style_without_a_region_takes_no_part_there():
    shares = [jnp.array([[1.0, 0.0]]), jnp.array([[1.0, 1.0]])]
    banks = [matching.Bank(jnp.ones((1, 3)), share) for share in shares]
    weights = matching.style_weights(jnp.array([3.0, 1.0]), banks)
    np.testing.assert_allclose(weights, [[0.75, 0.0], [0.25, 1.0]])


@pytest.fixture(scope='module')
def painted():
    """Two contents, the records of their run, and the results."""
    batch = pictures(size=(16, 32))
    method = methods.make(CONFIG)
    state, records = advance(method, batch)
    return batch, records, results(method, state, batch)


def test_each_phase_lowers_its_loss_and_results_are_images(painted):
    batch, records, found = painted
    assert records[8]['loss'] < 0.9 * records[0]['loss']
    assert records[-1]['loss'] < records[9]['loss']
    assert found.shape == batch['image'].shape and np.abs(found).max() <= 1.0


def test_contents_of_two_shapes_have_the_results_that_they_have_alone(painted):
    batch = painted[0]
    tall = jnp.swapaxes(batch['image'][1:], 1, 2)
    padded = jnp.pad(batch['image'], ((0, 0), (8, 8), (0, 0), (0, 0)), mode='symmetric')
    mixed = {**batch, 'image': padded, 'group0': batch['image'][:1], 'group1': tall}
    method = methods.make({**CONFIG, 'num_steps': 3, 'split_fraction': 0.0})
    state, _ = advance(method, mixed)
    found = results(method, state, mixed)
    assert found.shape == (2, 32, 32, 3)
    one = {name: leaf[:1] for name, leaf in batch.items()}
    expected = results(method, advance(method, one)[0], one)
    np.testing.assert_allclose(found[:1, 8:24], expected, atol=2e-3)
    np.testing.assert_array_equal(found[0, :8], found[0, 8:16][::-1])


def test_steps_too_few_for_the_full_size_end_at_a_coarser_one():
    batch = pictures(count=1, size=(32, 64))
    batch['style0'] = pictures(count=1, size=(64, 32), seed=1)['image']
    few = {'num_steps': 2, 'scales': (0.25, 0.5, 1.0), 'split_fraction': 0.4}
    method = methods.make({**CONFIG, **few})
    assert [phase.name for phase in method.phases] == ['scale_0.5', 'split']
    state, _ = advance(method, batch)
    assert results(method, state, batch).shape == batch['image'].shape


@pytest.mark.parametrize('split_fraction', [0.0, 0.25])
def test_no_array_of_a_state_is_empty_so_that_a_checkpoint_can_hold_it(split_fraction):
    method = methods.make({**CONFIG, 'split_fraction': split_fraction})
    state = jax.eval_shape(method.init, jax.random.key(0), method.frozen, pictures(size=(16, 32)))
    assert all(leaf.size for leaf in jax.tree.leaves(state))


def test_pictures_of_one_color_and_no_strength_stay_finite():
    flat = {'image': jnp.full((1, 16, 16, 3), 0.3), 'style0': jnp.full((1, 16, 16, 3), -0.5)}
    method = methods.make({**CONFIG, 'num_steps': 4, 'strength': 0.4})
    state, records = advance(method, flat)
    assert all(np.isfinite(record['loss']) for record in records)
    assert np.isfinite(results(method, state, flat)).all()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'strength': 1.5}, r'config\.method\.strength is 1\.5'),
        ({'split_fraction': 1.0}, r'config\.method\.split_fraction'),
        ({'network': 'lite0'}, r'config\.method\.network'),
        ({'layers': ('conv1',)}, r'config\.method\.layers'),
        ({'padding': 'mirror'}, r'config\.method\.padding'),
    ],
)
def test_bad_options_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        methods.make({**CONFIG, **changes})
