"""Style transfer: losses, tiles, scales, and the images that the method makes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import methods
from imggen.errors import UserError
from imggen.features import layers, vgg16
from imggen.methods.style import networks, objective, scales, tiles
from imggen.methods.style.initial import INITIAL

LAYERS = {'block1_conv1': 1.0, 'block2_conv1': 2.0}
CONFIG = {
    'name': 'style',
    'num_steps': 8,
    'network': 'vgg16_random',
    'style_layers': LAYERS,
    'content_layer': 'block2_conv1',
}


def pictures(*, count=2, size=(24, 32), seed=0):
    key = jax.random.key(seed)
    coarse = jax.random.uniform(key, (count, 6, 8, 3), minval=-1.0, maxval=1.0)
    image = jax.image.resize(coarse, (count, *size, 3), 'cubic')
    style = jax.random.uniform(jax.random.fold_in(key, 1), (1, 16, 16, 3), minval=-1.0, maxval=0.5)
    return {'image': jnp.clip(image, -1, 1), 'style0': jnp.broadcast_to(style, (count, 16, 16, 3))}


def advance(method, batch, *, key=None):
    state = jax.jit(method.init)(jax.random.key(0) if key is None else key, method.frozen, batch)
    records = []
    for phase in method.phases:
        step = jax.jit(phase.step)
        for _ in range(phase.num_steps):
            state, metrics = step(jax.random.key(0), state, method.frozen, batch)
            records.append(jax.device_get(metrics))
    return state, records


def results(method, state, batch):
    return np.asarray(jax.jit(method.sample)(None, state, method.frozen, batch)['generated'])


@pytest.fixture(scope='module')
def params():
    return networks.NETWORKS['vgg16_random'].load('', None)


def test_pixel_units_scale_every_activation_alike(params):
    plain = {  # Make the biases nonzero.
        name: {**layer, 'bias': layer['bias'] + 0.1} if 'bias' in layer else layer
        for name, layer in params.items()
    }
    scaled = networks.in_pixel_units(plain)
    image = pictures(count=1, size=(8, 8))['image']
    names = ('block1_conv1', 'block2_conv2')
    before = vgg16.activations(plain, image, names)
    after = vgg16.activations(scaled, image, names)
    for name in names:
        np.testing.assert_allclose(after[name], 57.63 * before[name], rtol=2e-3, atol=1e-2)
    caffe = {**plain, 'input': vgg16._INPUTS['caffe']}
    np.testing.assert_array_equal(
        networks.in_pixel_units(caffe)['block1_conv1']['kernel'], caffe['block1_conv1']['kernel']
    )


def test_edge_padding_makes_no_edge():
    layer = {'kernel': np.random.default_rng(0).normal(size=(3, 3, 2, 4)), 'bias': np.ones(4)}
    layer = jax.tree.map(jnp.float32, layer)
    flat = layers.edge_conv(jnp.full((1, 5, 6, 2), 0.7), layer)
    assert flat.shape == (1, 5, 6, 4)
    np.testing.assert_allclose(flat, jnp.broadcast_to(flat[:, :1, :1], flat.shape), rtol=1e-4)
    inner = jax.random.normal(jax.random.key(0), (1, 5, 6, 2))
    np.testing.assert_allclose(
        layers.edge_conv(inner, layer)[:, 1:-1, 1:-1],
        layers.conv(inner, layer)[:, 1:-1, 1:-1],
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ('image', 'kernel'), [((5, 6), (3, 3)), ((1, 4), (2, 5)), ((3, 1), (7, 1))]
)
def test_edge_padding_and_its_gradient_are_those_of_numpy(image, kernel):
    generator = np.random.default_rng(0)
    x = np.float32(generator.normal(size=(2, *image, 3)))
    sides = [((side - 1) // 2, side // 2) for side in kernel]
    padded = functools.partial(np.pad, pad_width=[(0, 0), *sides, (0, 0)], mode='edge')
    found, pull_back = jax.vjp(lambda x: layers._edge_pad(x, *kernel), x)
    np.testing.assert_array_equal(found, padded(x))
    cotangent = np.float32(generator.normal(size=found.shape))
    source = padded(np.arange(x.size).reshape(x.shape))  # Which pixel each padded one repeats.
    expected = np.bincount(source.ravel(), weights=cotangent.ravel()).reshape(x.shape)
    np.testing.assert_allclose(pull_back(jnp.asarray(cotangent))[0], expected, atol=1e-5)


def test_reach_covers_all_pixels_that_an_activation_depends_on(params):
    name = 'block3_conv2'
    stride, pixels = vgg16.reach((name, 'block1_conv1'))
    assert (stride, pixels) == (4, 2 * 1 + 2 * 2 + 2 * 4)

    def middle(image):
        return vgg16.activations(params, image, (name,), pooling='average')[name][0, 6, 6].sum()

    gradient = jax.jit(jax.grad(middle))(pictures(count=1, size=(56, 56))['image'])
    seen = np.flatnonzero(np.abs(gradient).sum((0, 2, 3)))
    assert seen.min() >= 6 * stride - pixels and seen.max() < 7 * stride + pixels
    assert seen.min() <= 6 * stride - pixels + 1, 'no wider than needed'


def _objective(**changes):
    options = {
        'network': networks.NETWORKS['vgg16_random'],
        'content_layer': 'block2_conv1',
        'style_layers': LAYERS,
        'statistic': 'gram',
        'content_weight': 1.0,
        'style_weight': 30.0,
        'variation_weight': 0.0,
        'pooling': 'max',
        'padding': 'edge',
        'tile': 0,
    }
    return objective.Objective(**{**options, **changes})


def test_content_losses(params):
    batch = pictures(size=(8, 12))
    image = jnp.flip(batch['image'], 2)

    def activations(images):
        name = 'block2_conv1'
        return vgg16.activations(params, images, (name,), pooling='max', padding='edge')[name]

    features, target = np.asarray(activations(image)), np.asarray(activations(batch['image']))
    squares = np.square(features - target).sum((1, 2, 3))
    expected = {
        'gram': squares / np.square(target).sum((1, 2, 3)),
        # Gatys et al. 2016, eq. 1, for 512 x 512 pixels: here there are 8 x 12.
        'gram_absolute': squares / 2 * 512**2 / (8 * 12),
    }
    for statistic, losses in expected.items():
        goal = _objective(statistic=statistic)
        targets = objective.make_targets(goal, params, batch)
        _, metrics = objective.evaluate(goal, params, targets, image)
        np.testing.assert_allclose(metrics['content_loss'], losses, rtol=1e-4)


@pytest.mark.parametrize('statistic', ['gram', 'mean_covariance'])
def test_pictures_of_one_color_have_losses_of_ordinary_size(params, statistic):
    size = (1, 8, 12, 3)
    black = jnp.broadcast_to(params['input']['mean'], size)  # Every activation is 0.
    batch = {'image': black, 'style0': jnp.full((1, 8, 8, 3), 0.5)}
    goal = _objective(statistic=statistic)

    @jax.jit
    def evaluate(params, batch, image):
        targets = objective.make_targets(goal, params, batch)
        return objective.value_and_gradient(goal, params, targets, image)

    at_content, _, _ = evaluate(params, batch, black)
    assert 0 < at_content[0] < 100
    colored = {**batch, 'image': jnp.full(size, -0.5)}
    noisy = jnp.clip(jax.random.normal(jax.random.key(0), size), -1.0, 1.0)
    loss, gradient, _ = evaluate(params, colored, noisy)
    assert 0 < loss[0] < 1e9
    assert 0 < jnp.linalg.norm(gradient) < 1e12


@pytest.mark.parametrize(
    ('statistic', 'is_masked'), [('gram', True), ('gram_absolute', False), ('wasserstein', False)]
)
def test_tiles_give_the_loss_and_the_gradient_of_the_whole_image(params, statistic, is_masked):
    batch = pictures(count=2, size=(48, 40), seed=1)
    image = jnp.flip(batch['image'], 2)
    masks = {}
    if is_masked:
        mask = jnp.broadcast_to(jnp.linspace(0, 1, 40)[None, None, :, None], (2, 48, 40, 1))
        masks['image_mask'] = jnp.concatenate([mask, 1 - mask], -1)
        masks['style0_mask'] = jnp.full((2, 16, 16, 2), 0.5)
    found = {}
    for tile in (0, 16):
        goal = _objective(tile=tile, statistic=statistic)

        @jax.jit
        def evaluate(params, batch, image, goal=goal):
            targets = objective.make_targets(goal, params, batch)
            return objective.value_and_gradient(goal, params, targets, image)

        found[tile] = evaluate(params, {**batch, **masks}, image)
    for whole, tiled in zip(*map(jax.tree.leaves, (found[0], found[16])), strict=True):
        scale = float(jnp.abs(whole).max())
        np.testing.assert_allclose(tiled, whole, rtol=2e-3, atol=2e-4 * scale)


def test_cores_of_tiles_cover_an_image_once_and_windows_stay_inside():
    plan = tiles.plan((80, 48), core=30, reach=(8, 13))
    assert plan.size == (64, 48)
    covered = np.zeros((10, 6))
    for start, core in zip(plan.starts, plan.cores, strict=True):
        assert (start >= 0).all() and (start + plan.size <= (80, 48)).all()
        assert (start % 8 == 0).all()
        weight = np.asarray(tiles.core_weight(start, core, (8, 6), 8))[0, :, :, 0]
        covered[start[0] // 8 : start[0] // 8 + 8, start[1] // 8 : start[1] // 8 + 6] += weight
        for axis, length in enumerate((80, 48)):
            first, end = core[axis]
            assert start[axis] == 0 or first - start[axis] >= 13
            window_end = start[axis] + plan.size[axis]
            assert window_end == length or window_end - end >= 13
    np.testing.assert_array_equal(covered, 1)


def test_steps_are_divided_and_scales_without_steps_are_left_out():
    assert scales.plan(300, (0.25, 0.5, 1.0), (4.0, 2.0, 1.0)) == [
        (0.25, 171),
        (0.5, 86),
        (1.0, 43),
    ]
    assert scales.plan(1, (0.5, 1.0), (1.0, 9.0)) == [(1.0, 1)]
    assert scales.plan(5, (1.0,), ()) == [(1.0, 5)]
    assert scales.scaled((2, 480, 640, 3), 0.5) == (2, 240, 320, 3)
    assert scales.scaled((100, 20, 1), 0.1) == (16, 16, 1)
    for bad in ((), (0.5,), (1.0, 0.5, 1.0), (0.0, 1.0)):
        with pytest.raises(UserError, match=r'config\.method\.scales'):
            scales.plan(5, bad, ())
    with pytest.raises(UserError, match=r'config\.method\.shares'):
        scales.plan(5, (0.5, 1.0), (1.0,))


def test_style_appears_and_content_stays():
    batch = pictures()
    method = methods.make({**CONFIG, 'num_steps': 25})
    state, records = advance(method, batch)
    assert records[0]['content_loss'] < 1e-9, 'it starts from the content'
    assert records[-1]['style_loss'] < 0.3 * records[0]['style_loss']
    assert records[-1]['loss'] < 0.5 * records[0]['loss']
    found = results(method, state, batch)
    assert found.shape == batch['image'].shape
    assert np.abs(found).max() <= 1.0
    towards = lambda a, b: np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]
    assert towards(found[0], batch['image'][0]) > towards(found[0], batch['image'][1])


def test_an_image_has_the_same_result_in_a_batch_and_alone():
    batch = pictures()
    method = methods.make({**CONFIG, 'initial': 'content'})
    together = results(method, advance(method, batch)[0], batch)
    alone = jax.tree.map(lambda leaf: leaf[1:], batch)
    np.testing.assert_allclose(
        results(method, advance(method, alone)[0], alone)[0], together[1], atol=2e-3
    )


def test_a_finer_scale_starts_from_the_result_of_the_coarser_one():
    batch = pictures(count=1, size=(32, 48))
    method = methods.make({**CONFIG, 'num_steps': 7, 'scales': (0.5, 1.0), 'shares': (6.0, 1.0)})
    assert [(phase.name, phase.num_steps) for phase in method.phases] == [
        ('scale_0.5', 6),
        ('scale_1', 1),
    ]
    state, _ = advance(method, batch)
    coarse = state.scales[0].search.image
    assert coarse.shape == (1, 16, 32, 3)  # 24 is halfway between 16 and 32; it rounds to even.
    enlarged = jax.image.resize(coarse, (1, 32, 48, 3), 'cubic')
    # The single evaluation of the finer scale accepts its starting image.
    np.testing.assert_allclose(results(method, state, batch), jnp.clip(enlarged, -1, 1), atol=1e-5)
    assert [int(scale.evaluations[0]) for scale in state.scales] == [6, 1]


def test_masks_keep_styles_in_their_regions():
    dark = jnp.full((1, 16, 16, 3), -0.8)
    light = jnp.full((1, 16, 16, 3), 0.8)
    gray = jnp.zeros((1, 16, 32, 3))
    left = jnp.repeat(jnp.array([1.0, 0.0]), 16)
    mask = jnp.broadcast_to(left[None, None, :, None], (1, 16, 32, 1))
    mask = jnp.concatenate([mask, 1 - mask], -1)
    batch = {
        'image': gray,
        'style0': jnp.concatenate([dark, light], 2),
        'image_mask': mask,
        'style0_mask': mask,
    }
    method = methods.make({**CONFIG, 'num_steps': 30, 'style_weight': 300.0})
    found = results(method, advance(method, batch)[0], batch)[0]
    swapped = {**batch, 'style0_mask': mask[..., ::-1]}
    other = results(method, advance(method, swapped)[0], swapped)[0]
    assert found[:, :12].mean() + 0.2 < found[:, 20:].mean()
    assert other[:, :12].mean() > other[:, 20:].mean() + 0.2


def test_initial_images():
    key = jax.random.key(0)
    batch = jax.tree.map(lambda leaf: leaf[0], pictures(count=1))
    batch['initial'] = -batch['image']
    shape = (48, 64, 3)
    made = {name: make(key, shape, batch) for name, make in INITIAL.items()}
    assert all(image.shape == shape for image in made.values())
    assert all(jnp.abs(image).max() <= 1.0 for image in made.values())
    np.testing.assert_allclose(made['noise'].std(), 1 / np.sqrt(3), rtol=0.02)
    assert jnp.abs(made['gray']).max() <= 1 / 255
    np.testing.assert_allclose(made['content'], -made['file'], atol=1e-5)
    np.testing.assert_allclose(made['style'].mean((0, 1)), batch['style0'].mean((0, 1)), atol=0.05)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'network': 'vgg'}, r'config\.method\.network'),
        ({'statistic': 'grams'}, r'config\.method\.statistic'),
        ({'optimizer': 'sgd'}, r'config\.method\.optimizer'),
        ({'optimizer_options': {'memory': 3}}, r'config\.method\.optimizer_options\.memory'),
        ({'initial': 'black'}, r'config\.method\.initial'),
        ({'network': 'lite0', 'tile': 256}, r'does not work in tiles'),
        ({'statistic': 'sliced', 'tile': 256}, r"statistic='sliced' does not work in tiles"),
        ({'network': 'vgg16_random', 'weights': 'x.h5'}, 'does not read a file'),
        ({'style_layers': {'relu1_1': 1.0}}, r'config\.method\.style_layers'),
        ({'pooling': 'mean'}, r'config\.method\.pooling'),
    ],
)
def test_bad_options_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        methods.make({**CONFIG, **changes})
