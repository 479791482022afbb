"""The colorizer: its histograms are exact, its read-out is that of hypercolumns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import color, methods
from imggen.errors import UserError
from imggen.methods.translation import colorize
from imggen.networks.hypercolumns import Readout

SECTION = {
    'name': 'colorize',
    'num_steps': 150,
    'network': 'vgg16_random',
    'layers': ('block1_conv2',),
    'features': 8,
    'bins': 8,
    'learning_rate': 0.03,
    'ema_half_life_images': 4.0,
}


def test_the_mean_of_a_shared_value_is_the_value():
    values = jnp.linspace(0.0, 1.0, 23)
    shared = colorize._shared(values, 6)
    np.testing.assert_allclose(shared.sum(-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(shared @ jnp.linspace(0.0, 1.0, 6), values, atol=1e-6)
    around = colorize._shared_around(values, 6)
    np.testing.assert_allclose(around.sum(-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(around[0], around[-1], atol=1e-6)  # A turn leads to the same hue.


def test_colors_that_are_certain_come_back():
    angles = jnp.arange(8) / 8
    chroma = jnp.square(jnp.arange(8) / 7)
    of_chroma = colorize._shared(colorize._place(chroma), 8)
    of_hue = colorize._shared_around(angles, 8)
    found = colorize._colors(of_chroma, of_hue, 0.5)
    expected = jnp.stack([jnp.cos(2 * jnp.pi * angles), jnp.sin(2 * jnp.pi * angles)], -1)
    np.testing.assert_allclose(found, chroma[:, None] * expected, atol=1e-5)


def test_an_unknown_hue_is_gray_and_a_quantile_orders_the_chroma():
    flat, one = jnp.full((8,), 0.125), jax.nn.one_hot(2, 8)
    np.testing.assert_allclose(colorize._colors(flat, flat, 0.5), 0.0, atol=1e-6)
    median, upper = (jnp.linalg.norm(colorize._colors(flat, one, q)) for q in (0.5, 0.75))
    assert 0.0 < median < upper
    # Half of the mass lies below the median of a flat histogram: the middle of its square roots.
    np.testing.assert_allclose(median, 0.25, atol=1e-5)


def test_the_polar_form_of_gray_has_a_gradient():
    gradient = jax.grad(lambda colors: colorize._polar(colors)[1].sum())(jnp.zeros((2, 2)))
    assert jnp.isfinite(gradient).all()


def test_a_readout_is_a_network_on_hypercolumns():
    rng = np.random.default_rng(0)
    maps = [jnp.asarray(rng.normal(size=(2, s, s, c)), jnp.float32) for s, c in ((8, 3), (4, 5))]
    readout = Readout(outputs=2, features=6)
    variables = readout.init(jax.random.key(0), maps)
    params = variables['params']
    scaled = [one / np.sqrt(np.mean(np.square(one), (1, 2, 3), keepdims=True)) for one in maps]
    columns = jnp.concatenate(
        [jax.image.resize(x, (2, 8, 8, x.shape[-1]), 'linear') for x in scaled], -1
    )
    kernel = jnp.concatenate([params['map0']['kernel'], params['map1']['kernel']])
    hidden = jax.nn.relu(columns @ kernel + params['bias'][None, None, None])
    expected = hidden @ params['last']['kernel'] + params['last']['bias'][None, None, None]
    np.testing.assert_allclose(readout.apply(variables, maps), expected, atol=1e-5)


def test_it_learns_the_colors_of_two_grays_where_their_mean_is_gray():
    """Dark pixels are blue, light ones are yellow: opposite colors, whose mean has none."""
    light = np.random.default_rng(0).random((4, 16, 16, 1)) > 0.5
    target = np.where(light, np.float32([0.6, 0.5, -0.6]), np.float32([-0.7, -0.7, 0.2]))
    batch = {'input': color.luminance(jnp.asarray(target)), 'target': jnp.asarray(target)}
    method = methods.make(SECTION)
    state = method.init(jax.random.key(0), method.frozen, batch)
    step = method.phases[0].step

    def advance(state, _):
        return step(jax.random.key(0), state, method.frozen, batch)

    state, metrics = jax.jit(lambda state: jax.lax.scan(advance, state, length=150))(state)
    assert metrics['hue_loss'][-1] < 0.3 * metrics['hue_loss'][0]
    sets = jax.jit(method.sample)(
        jax.random.split(jax.random.key(0), 4), state, method.frozen, batch
    )
    given, made = color.color_target(batch['target']), color.color_target(sets['output'])
    assert jnp.median(jnp.abs(given - made)) < 0.05
    # Colors that are not in sRGB are clipped, which changes the lightness of some pixels.
    change = color.lightness(sets['output']) - color.lightness(batch['input'])
    assert jnp.median(jnp.abs(change)) < 0.1


@pytest.mark.parametrize(
    'option, said',
    [
        ({'network': 'lite0'}, 'network'),
        ({'layers': ('block1_conv3',)}, r'is not a valid choice'),
        ({'layers': ()}, 'layers is empty'),
        ({'bins': 1}, 'set it to 2 or more'),
        ({'chroma_quantile': 1.0}, 'not between 0 and 1'),
    ],
)
def test_wrong_options_are_one_sentence(option, said):
    with pytest.raises(UserError, match=said):
        methods.make(SECTION | option)


def test_gray_targets_are_refused():
    method = methods.make(SECTION)
    batch = {'image': jnp.zeros((2, 16, 16, 1))}
    with pytest.raises(UserError, match=r'set config\.data\.channels=3'):
        method.phases[0].step(jax.random.key(0), None, method.frozen, batch)
