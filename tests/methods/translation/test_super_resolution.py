"""Super-resolution: the published network, its bicubic start, and the two phases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import super_resolution_x4
from imggen import keys, methods
from imggen.data.pairs import pairings
from imggen.errors import UserError
from imggen.features import vgg16
from imggen.networks import super_resolution

QUICK = {'xla_backend_optimization_level': 0}
Network = super_resolution.SuperResolution


def make(**options):
    section = {
        'name': 'super_resolution',
        'num_steps': 10,
        'scale': 2,
        'network': {'features': 4, 'blocks': 1},
        'discriminator': {'features': 2, 'layers': 0},
        'perceptual_weight': 0.0,
    }
    return methods.make(section | options)


def batch_of(side=8):
    return {'image': jax.random.uniform(jax.random.key(3), (4, side, side, 3), minval=-1.0)}


def init(method, batch):
    return jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)


def test_the_published_network_has_the_published_parameters():
    like = jax.ShapeDtypeStruct((1, 24, 24, 3), jnp.float32)
    output, variables = jax.eval_shape(Network().init_with_output, jax.random.key(0), like)
    assert output.shape == (1, 96, 96, 3)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 1_517_571


def test_the_full_config_is_the_published_network():
    config = super_resolution_x4.get_config('full')
    section = config.method.to_dict() | {'perceptual_weight': 0.0}
    batch = {'image': jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)}
    state = jax.eval_shape(methods.make(section).init, jax.random.key(0), (), batch)
    assert sum(leaf.size for leaf in jax.tree.leaves(state.generator.params)) == 1_517_571


@pytest.mark.parametrize('scale', [2, 4])
@pytest.mark.parametrize('upsampling', ['steps', 'direct'])
def test_an_untrained_network_is_the_bicubic_enlargement(scale, upsampling):
    network = Network(scale=scale, features=3, blocks=1, upsampling=upsampling)
    images = jax.random.uniform(jax.random.key(1), (2, 5, 7, 3), minval=-1.0)
    output, _ = network.init_with_output(jax.random.key(0), images)
    assert output.shape == (2, 5 * scale, 7 * scale, 3)
    for ours, image in zip(output, images, strict=True):
        for channel in range(3):
            layer = Image.fromarray(np.asarray(image[..., channel]))
            size = (7 * scale, 5 * scale)
            theirs = np.asarray(layer.resize(size, Image.Resampling.BICUBIC))
            np.testing.assert_allclose(ours[..., channel], theirs, atol=1e-5)


def test_pixel_shuffle_puts_each_feature_at_its_pixel():
    x = jnp.arange(2 * 3 * 8, dtype=jnp.float32).reshape(1, 2, 3, 8)
    y = super_resolution.pixel_shuffle(x, 2)
    assert y.shape == (1, 4, 6, 2)
    for row, column in np.ndindex(4, 6):
        feature = 2 * (2 * (row % 2) + column % 2)
        np.testing.assert_array_equal(
            y[0, row, column], x[0, row // 2, column // 2, feature : feature + 2]
        )


def test_without_adversarial_steps_there_is_one_phase_and_no_discriminator():
    method = make()
    assert [(phase.name, phase.num_steps) for phase in method.phases] == [('l1', 10)]
    assert jax.eval_shape(method.init, jax.random.key(0), (), batch_of()).discriminator is None
    both = make(num_adversarial_steps=4)
    assert [(phase.name, phase.num_steps) for phase in both.phases] == [
        ('l1', 6),
        ('adversarial', 4),
    ]


def test_the_first_phase_learns_more_than_bicubic_enlargement():
    """The fine structure of the targets is a function of the coarse one."""
    method = make(num_steps=80, learning_rate=1e-2, network={'features': 8, 'blocks': 1})
    signs = jnp.sign(jax.random.normal(jax.random.key(0), (8, 8, 8, 1)))
    stripes = jnp.tile(jnp.array([1.0, -0.5]), 8)[None, None, :, None]
    batch = {'image': 0.6 * signs.repeat(2, 1).repeat(2, 2) * stripes}
    state = init(method, batch)
    step = jax.jit(method.phases[0].step, compiler_options=QUICK)
    errors = []
    for index in range(80):
        state, metrics = step(jax.random.key(index), state, (), batch)
        errors.append(float(metrics['l1']))
    assert errors[-1] < 0.4 * errors[0]


def test_the_second_phase_starts_where_the_first_ended():
    method, batch = make(num_adversarial_steps=4), batch_of()
    state = init(method, batch)
    state, _ = jax.jit(method.phases[0].step, compiler_options=QUICK)(
        jax.random.key(0), state, (), batch
    )
    new, metrics = jax.jit(method.phases[1].step, compiler_options=QUICK)(
        jax.random.key(1), state, (), batch
    )
    assert int(new.step) == 2
    assert {'l1', 'generator_loss', 'discriminator_loss'} <= metrics.keys()
    assert 'perceptual' not in metrics
    moved = jax.tree.map(
        lambda a, b: float(jnp.abs(a - b).max()), state.generator.params, new.generator.params
    )
    assert 0 < max(jax.tree.leaves(moved)) < 1e-2


def test_the_perceptual_term_compares_activations_of_vgg16():
    layers = {'block1_conv1': 0.5, 'block1_conv2': 1.0}
    try:
        method = make(num_adversarial_steps=4, perceptual_weight=2.0, perceptual_layers=layers)
    except UserError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(5)  # Stands for the pretrained parameters.
    params = {'input': vgg16._INPUTS['torchvision']} | {
        name: {
            'kernel': rng.normal(0, (2 / (9 * size)) ** 0.5, (3, 3, size, 64)).astype(np.float32),
            'bias': np.zeros(64, np.float32),
        }
        for name, size in zip(layers, (3, 64), strict=True)
    }
    batch = batch_of()
    state = init(method, batch)
    step = jax.jit(method.phases[1].step, compiler_options=QUICK)
    _, metrics = step(jax.random.key(1), state, params, batch)
    # The untrained output is the bicubic enlargement, which the loss does not clip.
    small = pairings.downscale(2)(None, batch['image'])['input']
    see = jax.jit(lambda images: vgg16.activations(params, images, tuple(layers)))
    fake, target = see(super_resolution.enlarge(small, 2)), see(batch['image'])
    wanted = sum(
        weight * float(jnp.mean((fake[layer] - target[layer]) ** 2))
        for layer, weight in layers.items()
    )
    np.testing.assert_allclose(metrics['perceptual'], wanted, rtol=1e-3)


def test_pairs_and_single_images_are_enlarged_alike():
    method, batch = make(), batch_of()
    state = init(method, batch)
    image_keys = keys.per_image(jax.random.key(0), 9)
    sets = method.sample(image_keys, state, (), batch)
    assert {name: value.shape for name, value in sets.items()} == dict.fromkeys(
        ('input', 'bicubic', 'output', 'target'), (4, 8, 8, 3)
    )
    small = sets['input'][:, ::2, ::2]
    paired = method.sample(image_keys, state, (), {'input': small, 'target': batch['image']})
    np.testing.assert_array_equal(paired['output'], sets['output'])
    alone = method.sample(image_keys[:1], state, (), {'input': small[1:2]})
    assert 'target' not in alone
    np.testing.assert_allclose(alone['output'][0], sets['output'][1], atol=1e-6)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'num_adversarial_steps': 11}, 'not between 0 and num_steps=10'),
        ({'perceptual_layers': {'block6_conv1': 1.0}}, 'did you mean'),
        ({'scale': 3}, 'config.method.scale=3'),
    ],
)
def test_options_of_wrong_values_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        method = make(**options)
        jax.eval_shape(method.init, jax.random.key(0), (), batch_of(side=12))


def test_pairs_of_another_scale_are_refused():
    batch = {'input': jnp.zeros((1, 4, 4, 3)), 'target': jnp.zeros((1, 16, 16, 3))}
    with pytest.raises(UserError, match='targets are 16x16, but 2 times the inputs are 8x8'):
        jax.eval_shape(make().init, jax.random.key(0), (), batch)
