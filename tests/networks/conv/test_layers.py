"""Convolution layers: flax's parameters, loops, vmap, several devices, each platform."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen.networks.conv.layers import Conv, ConvTranspose, conv, conv_transpose

_ARITHMETIC = {'rtol': 0, 'atol': 2e-5}  # Relative to the largest value: see `_assert_close`.


def _normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def _assert_close(actual, expected):
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        scale = max(float(jnp.max(jnp.abs(e))), 1e-6)
        np.testing.assert_allclose(a / scale, e / scale, **_ARITHMETIC)


def _layers_and_flax(kernel_size, stride):
    size, strides = (kernel_size, kernel_size), (stride, stride)
    full = ((kernel_size - 1, kernel_size - 1),) * 2  # Flax pads what padding=0 cuts off.
    return [
        (Conv(6, kernel_size, stride, groups=2), nn.Conv(6, size, strides, feature_group_count=2)),
        (Conv(6, kernel_size, stride, padding=2), nn.Conv(6, size, strides, 2)),
        (
            ConvTranspose(6, kernel_size, stride),
            nn.ConvTranspose(6, size, strides, transpose_kernel=True),
        ),
        (
            ConvTranspose(6, kernel_size, stride, padding=0),
            nn.ConvTranspose(6, size, strides, full, transpose_kernel=True),
        ),
    ]


@pytest.mark.parametrize(
    ('kernel_size', 'stride'), [(1, 2), (2, 3), (3, 1), (3, 2), (4, 2), (5, 3)]
)
def test_parameters_are_interchangeable_with_flax(kernel_size, stride):
    x, pairs = _normal(0, 2, 7, 5, 4), _layers_and_flax(kernel_size, stride)
    shapes = [jax.eval_shape(ours.init, jax.random.key(0), x) for ours, _ in pairs]
    assert shapes == [jax.eval_shape(flax.init, jax.random.key(0), x) for _, flax in pairs]

    @jax.jit
    def apply(parameters, x):
        return [
            (ours.apply(values, x), flax.apply(values, x))
            for (ours, flax), values in zip(pairs, parameters, strict=True)
        ]

    for ours, flax in apply(jax.tree.map(lambda leaf: _normal(1, *leaf.shape), shapes), x):
        _assert_close(ours, flax)


def test_first_parameters_are_those_of_flax():
    x, pairs = _normal(0, 2, 7, 5, 4), _layers_and_flax(4, 2)
    for pair in (pairs[0], pairs[2]):
        ours, flax = jax.jit(lambda key, pair=pair: [m.init(key, x) for m in pair])(
            jax.random.key(0)
        )
        assert jax.tree.all(jax.tree.map(jnp.array_equal, ours, flax))


def test_no_bias_leaves_the_kernel_alone():
    x = _normal(0, 1, 4, 4, 2)
    for layer in (Conv(3, use_bias=False), ConvTranspose(3, use_bias=False)):
        assert set(jax.eval_shape(layer.init, jax.random.key(0), x)['params']) == {'kernel'}


@pytest.mark.parametrize('output_size', [(8, 6), (9, 6), (9, 7)])
def test_conv_transpose_is_the_transpose_of_conv(output_size):
    """<conv(x), y> = <x, conv_transpose(y)> for every output size that conv shrinks alike."""
    geometry = {'stride': 2, 'padding': 1, 'groups': 2}
    x, kernel = _normal(0, 2, *output_size, 4), _normal(1, 4, 4, 2, 6)
    y = conv(x, kernel, **geometry)
    cotangent = _normal(2, *y.shape)
    back = conv_transpose(cotangent, kernel, output_size=output_size, **geometry)
    np.testing.assert_allclose(jnp.sum(y * cotangent), jnp.sum(x * back), rtol=1e-4)


def _network(parameters, x, *, form):
    """A strided, a grouped, a pointwise and a transposed layer: [n, h, w, 3] to [n]."""
    first, grouped, pointwise, transposed = parameters
    x = jnp.tanh(conv(x, first, stride=2, padding=1, form=form))
    x = jnp.tanh(conv(x, grouped, groups=2, form=form))
    x = jnp.tanh(conv(x, pointwise, form=form))
    x = conv_transpose(x, transposed, stride=2, form=form)
    return jnp.mean(jnp.sin(x), axis=(1, 2, 3))


def _parameters():
    shapes = [(4, 4, 3, 8), (3, 3, 4, 8), (1, 1, 8, 8), (4, 4, 3, 8)]
    return [0.2 * _normal(seed, *shape) for seed, shape in enumerate(shapes)]


def _penalized_gradient(parameters, x, *, form='auto'):
    """The gradient of a loss with a gradient penalty: second derivatives throughout."""

    def loss(parameters, x):
        scores = functools.partial(_network, form=form)
        slopes = jax.grad(lambda x: jnp.sum(scores(parameters, x)))(x)
        penalties = jnp.sum(jnp.square(slopes), axis=(1, 2, 3))
        return jnp.mean(scores(parameters, x) + 100.0 * penalties)

    return jax.grad(loss)(parameters, x)


def test_training_inside_a_loop_equals_stock_steps_outside():
    x, parameters = _normal(9, 16, 12, 8, 3), _parameters()

    def step(parameters, form):
        gradient = _penalized_gradient(parameters, x, form=form)
        return jax.tree.map(lambda p, g: p - 0.1 * g, parameters, gradient)

    inside = jax.jit(lambda p: lax.fori_loop(0, 3, lambda _, p: step(p, 'fast'), p))(parameters)
    outside = parameters
    for _ in range(3):
        outside = jax.jit(functools.partial(step, form='stock'))(outside)
    _assert_close(inside, outside)


def test_every_convolution_in_a_loop_has_the_layout_that_runs_fast():
    x = _normal(9, 16, 12, 8, 3)

    def body(_, parameters):
        return jax.tree.map(jnp.subtract, parameters, _penalized_gradient(parameters, x))

    program = jax.jit(lambda p: lax.fori_loop(0, 3, body, p)).lower(_parameters()).compile()
    text = program.as_text()
    layouts = set(re.findall(r'dim_labels=(\S+?)[,\s]', text))
    assert layouts == {'b01f_01io->b01f'}
    assert 'rhs_reversal' not in text and 'batch_group_count' not in text


@pytest.mark.parametrize('form', ['fast', 'stock'])
def test_vmap_over_images_and_over_networks(form):
    x, parameters = _normal(9, 3, 12, 8, 3), _parameters()
    gradient = jax.grad(lambda p, x: jnp.mean(_network(p, x, form=form)))
    several = jax.tree.map(lambda p: jnp.stack([p, 0.5 * p, -p]), parameters)

    @jax.jit
    def mapped(several, parameters, x):
        over_networks = jax.vmap(gradient, (0, None))(several, x)
        over_images = jax.vmap(gradient, (None, 0))(parameters, x[:, None])
        return over_networks, over_images

    one = jax.jit(gradient)
    networks = [one(jax.tree.map(lambda p, i=i: p[i], several), x) for i in range(3)]
    images = [one(parameters, x[i : i + 1]) for i in range(3)]
    expected = [jax.tree.map(lambda *p: jnp.stack(p), *each) for each in (networks, images)]
    _assert_close(mapped(several, parameters, x), tuple(expected))


@pytest.mark.parametrize('batch', [4, 64])
def test_four_devices_equal_one(batch):
    """Under jit of a sharded batch and under pmap; 4 images are cut into strips of rows."""
    x, parameters = _normal(9, batch, 24, 16, 3), _parameters()
    gradient = jax.jit(_penalized_gradient)
    expected = gradient(parameters, x)

    mesh = jax.make_mesh((4,), ('data',), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(x, NamedSharding(mesh, P('data')))
    _assert_close(gradient(jax.device_put(parameters, NamedSharding(mesh, P())), sharded), expected)

    def averaged(parameters, x):
        return lax.pmean(_penalized_gradient(parameters, x), 'data')

    mapped = jax.pmap(averaged, 'data', in_axes=(None, 0))
    devices = jax.device_get(mapped(parameters, x.reshape(4, -1, *x.shape[1:])))
    _assert_close(jax.tree.map(lambda leaf: leaf[0], devices), expected)


@pytest.mark.parametrize(
    ('platform', 'form'), [('cpu', 'fast'), ('cuda', 'stock'), ('tpu', 'stock')]
)
def test_each_platform_gets_its_forms(platform, form):
    x, parameters = _normal(9, 16, 12, 8, 3), _parameters()

    def convolutions(form):
        gradient = jax.jit(functools.partial(_penalized_gradient, form=form))
        text = jax.export.export(gradient, platforms=[platform])(parameters, x).mlir_module()
        pattern = r'stablehlo.((?:convolution|dot_general).*?->.*?) loc'
        names = re.compile(r'%\w+')
        return sorted(names.sub('%', line) for line in re.findall(pattern, text))

    forms = {name: convolutions(name) for name in ('auto', 'fast', 'stock')}
    assert forms['auto'] == forms[form]
    assert forms['fast'] != forms['stock']


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda x: conv(x, jnp.ones((3, 3, 5, 2))), 'takes 5 channels, not 4'),
        (lambda x: conv(x, jnp.ones((3, 3, 4, 2)), groups=2), 'takes 8 channels, not 4'),
        (lambda x: conv_transpose(x, jnp.ones((3, 3, 2, 5))), 'takes 5 channels, not 4'),
        (
            lambda x: conv_transpose(
                x, jnp.ones((4, 4, 2, 4)), stride=2, padding=1, output_size=(10, 8)
            ),
            r'No output of size \(10, 8\)',
        ),
        (
            lambda x: conv_transpose(x, jnp.ones((4, 4, 2, 4)), stride=2, output_size=(8, 8)),
            'leave output_size out',
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.ones((1, 4, 4, 4)))
