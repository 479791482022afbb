"""pix2pix: its ablations, and at test time outputs that depend on one image only."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from configs import pix2pix_autoencoder, pix2pix_colorize, pix2pix_contours
from imggen import color, data, images, keys, methods
from imggen.errors import UserError
from imggen.methods.translation import pix2pix
from imggen.metrics import lpips
from imggen.networks import unet
from imggen.training import train

# Small programs that run a few times: most of the time is their compilation.
QUICK = {'xla_backend_optimization_level': 0}
SHAPE = (4, 8, 8, 3)


def make(**options):
    generator = {'features': 2, 'depth': 2} | options.pop('generator', {})
    discriminator = {'features': 2, 'layers': 0} | options.pop('discriminator', {})
    section = {'name': 'pix2pix', 'num_steps': 10} | options
    return methods.make(section | {'generator': generator, 'discriminator': discriminator})


def pairs(channels=3, *, seed=0):
    """Inputs with some channels, and targets in color."""
    uniform = lambda key, shape: jax.random.uniform(key, shape, minval=-1.0)
    one, two = jax.random.split(jax.random.key(seed))
    return {'input': uniform(one, (*SHAPE[:3], channels)), 'target': uniform(two, SHAPE)}


def start(method, batch):
    """The state of a method, its parameters far enough from 0 for outputs to differ."""
    state = jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)
    params = jax.tree.map(lambda leaf: 8.0 * leaf, state.generator.params)
    return state.replace(generator=state.generator.replace(params=params))


def advance(method, state, batch, key=None):
    step = jax.jit(method.phases[0].step, compiler_options=QUICK)
    return step(jax.random.key(1) if key is None else key, state, (), batch)


def test_without_a_discriminator_a_step_is_adam_on_the_l1_distance():
    method, batch = make(gan_weight=0.0, l1_weight=7.0, generator={'dropout': 0.0}), pairs()
    state = start(method, batch)
    assert state.discriminator is None
    new, metrics = advance(method, state, batch)
    assert not {'generator_loss', 'discriminator_loss'} & metrics.keys()

    network = unet.UNet(3, features=2, depth=2, dropout=0.0)

    @jax.jit
    def loss(params):
        variables = {'params': params, **state.generator.batch_stats}
        output = network.apply(variables, None, batch['input'], statistics='batch')
        return 7.0 * jnp.mean(jnp.abs(output - batch['target']))

    value, gradients = jax.value_and_grad(loss)(state.generator.params)
    np.testing.assert_allclose(metrics['l1'], value / 7.0, rtol=1e-5)
    adam = optax.adam(2e-4, b1=0.5, b2=0.999)
    updates, _ = adam.update(gradients, adam.init(state.generator.params))
    for ours, update, before in zip(
        *map(jax.tree.leaves, (new.generator.params, updates, state.generator.params)), strict=True
    ):
        np.testing.assert_allclose(ours - before, update, atol=3e-6)


def test_l1_alone_learns_a_mapping():
    method = make(gan_weight=0.0, learning_rate=2e-2, generator={'features': 8, 'dropout': 0.0})
    batch = pairs()
    batch['target'] = -0.8 * batch['input']
    state = jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)
    step = jax.jit(method.phases[0].step, compiler_options=QUICK)
    errors = []
    for index in range(100):
        state, metrics = step(jax.random.key(index), state, (), batch)
        errors.append(float(metrics['l1']))
    assert errors[-1] < 0.5 * errors[0]


@pytest.mark.parametrize('loss', ['nonsaturating', 'least_squares', 'hinge'])
def test_every_loss_moves_both_networks(loss):
    method, batch = make(loss=loss, l1_weight=0.0, discriminator={'norm': 'instance'}), pairs()
    state = start(method, batch)
    new, metrics = advance(method, state, batch)
    assert all(bool(jnp.isfinite(value)) for value in metrics.values())
    for name in ('generator', 'discriminator'):
        before, after = getattr(state, name).params, getattr(new, name).params
        assert not jax.tree.all(jax.tree.map(jnp.array_equal, before, after))


def test_an_unconditional_discriminator_sees_the_output_alone():
    batch = pairs(channels=5)
    for conditional, channels in ((True, 8), (False, 3)):
        state = jax.eval_shape(make(conditional=conditional).init, jax.random.key(0), (), batch)
        kernel = state.discriminator.params['Conv_0']['kernel']
        assert kernel.shape[2] == channels


@pytest.mark.parametrize('statistics', ['image', 'average'])
def test_at_test_time_an_output_depends_on_its_key_and_input_only(statistics):
    method, batch = make(test_statistics=statistics), pairs()
    state = start(method, batch)
    sample = jax.jit(method.sample, compiler_options=QUICK)
    image_keys = keys.per_image(jax.random.key(2), 4)
    many = sample(image_keys, state, (), batch)
    alone = sample(image_keys[2:3], state, (), {'input': batch['input'][2:3]})
    np.testing.assert_allclose(alone['output'][0], many['output'][2], atol=1e-5)
    assert set(alone) == {'input', 'output'}
    assert set(many) == {'input', 'output', 'target'}
    other = sample(image_keys[:1], state, (), {'input': batch['input'][2:3]})
    assert not jnp.allclose(other['output'][0], many['output'][2], atol=1e-3)  # Dropout.


def test_options_change_what_happens_at_test_time():
    batch = pairs()
    image_keys = keys.per_image(jax.random.key(2), 4)
    outputs = []
    for options in ({}, {'test_dropout': False}, {'test_statistics': 'average'}):
        method = make(**options)
        state = start(method, batch)
        sample = jax.jit(method.sample, compiler_options=QUICK)
        outputs.append(sample(image_keys, state, (), batch)['output'])
    assert not jnp.allclose(outputs[0], outputs[1], atol=1e-3)
    assert not jnp.allclose(outputs[0], outputs[2], atol=1e-3)
    still = make(test_dropout=False)
    again = still.sample(keys.per_image(jax.random.key(9), 4), start(still, batch), (), batch)
    np.testing.assert_allclose(again['output'], outputs[1], atol=1e-5)


def test_a_network_translates_sizes_it_was_not_trained_on():
    method, batch = make(generator={'depth': None}), pairs()
    state = start(method, batch)
    large = {'input': jnp.zeros((1, 40, 24, 3))}
    shapes = jax.eval_shape(method.sample, keys.per_image(jax.random.key(0), 1), state, (), large)
    assert shapes['output'].shape == (1, 40, 24, 3)


def test_lab_keeps_the_lightness_of_its_input():
    method, batch = make(colors='lab'), pairs(channels=1)
    batch['input'] = 0.5 * batch['input']  # Middle grays, around which most colors are in gamut.
    state = jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)
    assert state.generator.params['down0']['kernel'].shape[2] == 1
    assert state.generator.params['up0']['bias'].shape == (2,)
    new, metrics = advance(method, state, batch)
    wanted = color.color_target(batch['target'])
    assert float(metrics['l1']) == pytest.approx(float(jnp.abs(wanted).mean()), rel=0.2)
    output = method.sample(keys.per_image(jax.random.key(0), 4), new, (), batch)['output']
    assert output.shape == SHAPE
    np.testing.assert_allclose(color.lightness(output), color.lightness(batch['input']), atol=0.05)


def test_images_of_many_channels_are_shown_in_colors():
    method, batch = make(), pairs(channels=12)
    state = start(method, batch)
    sets = method.sample(keys.per_image(jax.random.key(0), 9), state, (), batch)
    assert {pictures.shape for pictures in sets.values()} == {SHAPE}
    # And in the other direction, from an image to many channels.
    batch = {'input': batch['target'], 'target': batch['input']}
    sets = method.sample(keys.per_image(jax.random.key(0), 9), start(method, batch), (), batch)
    assert {pictures.shape for pictures in sets.values()} == {SHAPE}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'gan_weight': 0.0, 'l1_weight': 0.0}, 'perceptual_weight are all 0'),
        ({'gan_start_fraction': 1.0}, 'gan_start_fraction=1.0'),
        (
            {'gan_start_fraction': 0.5, 'l1_weight': 0.0},
            'leaves the steps before it without a loss',
        ),
        ({'label_smoothing': 1.0}, 'label_smoothing=1.0'),
        ({'label_smoothing': 0.1, 'loss': 'least_squares'}, 'needs'),
        ({'perceptual_network': 'vgg19'}, "did you mean 'vgg16'"),
        ({'colors': 'lba'}, "did you mean 'lab'"),
        ({'test_statistics': 'batch'}, 'there are average, image'),
        ({'loss': 'hinges'}, "did you mean 'hinge'"),
    ],
)
def test_options_of_wrong_values_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        make(**options)


def test_lab_refuses_gray_targets():
    batch = {'image': jnp.zeros((2, 8, 8, 1))}
    with pytest.raises(UserError, match='these are gray'):
        jax.eval_shape(make(colors='lab').init, jax.random.key(0), (), batch)


def test_spread_is_zero_if_all_outputs_are_alike():
    batch = pairs()
    method = make(gan_weight=0.0, generator={'dropout': 0.0, 'norm': 'none'})
    state = start(method, batch)
    same = {'input': jnp.broadcast_to(batch['input'][:1], SHAPE), 'target': batch['target']}
    assert float(advance(method, state, same)[1]['spread']) == pytest.approx(0.0, abs=1e-5)
    assert float(advance(method, state, batch)[1]['spread']) > 1e-3


@pytest.mark.parametrize(('fraction', 'expected'), [(0.5, [1, 1, 1, 0.5]), (1.0, [1, 1, 1, 1])])
def test_the_learning_rate_is_constant_and_then_decays_to_zero(fraction, expected):
    config = pix2pix.Config(num_steps=4, learning_rate=1.0, constant_fraction=fraction)
    optimizer, found = pix2pix.make_optimizer(config), []
    state = optimizer.init(jnp.zeros(()))
    for _ in range(4):
        update, state = optimizer.update(jnp.ones(()), state)
        found.append(-update)
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # Adam's steps on a constant gradient.


@pytest.mark.parametrize('colors', ['rgb', 'lab'])
def test_the_perceptual_term_is_the_lpips_of_output_and_target(colors):
    try:
        params = lpips.load('alexnet')
    except UserError as error:
        pytest.skip(str(error))
    method = make(
        gan_weight=0.0,
        l1_weight=0.0,
        perceptual_weight=3.0,
        colors=colors,
        generator={'dropout': 0.0, 'norm': 'none'},
    )
    whole = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3), minval=-1.0)
    gray = colors == 'lab'
    batch = {'input': whole.mean(-1, keepdims=True) if gray else whole[..., ::-1], 'target': whole}
    state = jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)
    assert state.discriminator is None
    output = method.sample(keys.per_image(jax.random.key(0), 2), state, (), batch)['output']
    step = jax.jit(method.phases[0].step, compiler_options=QUICK)
    new, metrics = step(jax.random.key(1), state, method.frozen, batch)
    wanted = lpips.lpips(params, output, whole).mean()
    np.testing.assert_allclose(metrics['perceptual'], wanted, rtol=1e-3)
    assert float(metrics['generator_gradient']) > 0.0
    assert jax.tree.structure(new) == jax.tree.structure(state)  # No weights of AlexNet.


def test_a_late_discriminator_neither_learns_nor_teaches_before_its_phase():
    batch = pairs()
    method = make(num_steps=10, gan_start_fraction=0.4, label_smoothing=0.1)
    assert [(phase.name, phase.num_steps) for phase in method.phases] == [
        ('reconstruction', 4),
        ('train', 6),
    ]
    state, key = start(method, batch), jax.random.key(1)
    early, metrics = advance(method, state, batch, key)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, early.discriminator, state.discriminator))
    assert 'discriminator_loss' not in metrics
    alone = make(gan_weight=0.0)
    same, _ = advance(alone, state.replace(discriminator=None), batch, key)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, early.generator, same.generator))
    late, _ = jax.jit(method.phases[1].step, compiler_options=QUICK)(key, early, (), batch)
    before, after = early.discriminator.params, late.discriminator.params
    assert not jax.tree.all(jax.tree.map(jnp.array_equal, before, after))
    assert len(make(gan_start_fraction=0.4, gan_weight=0.0).phases) == 1


@pytest.mark.parametrize('size', [(256, 256), (360, 480)])
def test_the_full_size_is_the_published_one(size):
    config = pix2pix_autoencoder.get_config('full')
    method = methods.make(config.method.to_dict())
    like = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    batch = {'input': like, 'target': like}
    state = jax.eval_shape(method.init, jax.random.key(0), (), batch)
    count = lambda one: sum(leaf.size for leaf in jax.tree.leaves(one.params))
    assert count(state.discriminator) == 2_768_705
    if size == (256, 256):
        assert count(state.generator) == 54_413_955
    new, _ = jax.eval_shape(method.phases[0].step, jax.random.key(0), state, (), batch)
    assert jax.tree.structure(new) == jax.tree.structure(state)


def test_another_size_takes_one_argument(tmp_path, monkeypatch):
    """From files to a sheet of held-out images, with small networks."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    height, width = 60, 44
    rng = np.random.default_rng(0)
    for index in range(8):
        coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        whole = np.repeat(np.repeat(coarse, 15, 0), 15, 1)
        images.write_png(tmp_path / 'pictures' / f'{index}.png', whole)
    config = pix2pix_contours.get_config(f'smoke,size={height}x{width}')
    config.data.path, config.data.test_fraction = str(tmp_path / 'pictures'), 0.5
    config.data.batch_size, config.method.num_steps, config.run.num_samples = 4, 1, 2
    train.train(config.to_dict(), tmp_path / 'run')
    source = json.loads((tmp_path / 'run' / 'run.json').read_text())
    assert source['batch']['target'][0] == [4, height, width, 3]
    held_out = data.paired_examples(config.data.to_dict(), split='test')['target'][:2]
    assert held_out.shape[1:] == (height, width, 3)
    sheet = np.asarray(Image.open(tmp_path / 'run' / 'samples' / '000001.png'))
    # Input, output and target stand side by side.
    targets = sheet[:, 2 * width : 3 * width]
    np.testing.assert_array_equal(targets[:height], held_out[0])
    full = pix2pix_contours.get_config('full,size=480x360')
    assert full.data.size == (540, 405)


def test_colorize_has_the_budget_of_the_original():
    config = pix2pix_colorize.get_config('colors=lab')
    assert config.method.num_steps == 200 * 64
    assert config.method.colors == 'lab'
