"""The fast forms equal the stock convolution: values, first and second derivatives.

The reference is `lax.conv_general_dilated` under JAX's own differentiation, and flax's
layers.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from jax.test_util import check_grads

from imggen.networks import conv_kernels as kernels
from imggen.networks.conv import Conv, ConvTranspose, conv, conv_transpose

_ARITHMETIC = {'rtol': 0, 'atol': 2e-5}  # Relative to the largest value: see `_assert_close`.


def _normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def _assert_close(actual, expected):
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        scale = max(float(jnp.max(jnp.abs(e))), 1e-6)
        np.testing.assert_allclose(a / scale, e / scale, **_ARITHMETIC)


def _reference(x, kernel, stride, padding, groups):
    return lax.conv_general_dilated(
        x,
        kernel,
        stride,
        padding,
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=groups,
    )


def _first_and_second(apply, x, kernel, weights):
    """The value, its two gradients, and the two gradients of a gradient penalty."""

    def loss(x, kernel):
        y = apply(x, kernel)
        return jnp.sum(weights * y + 0.1 * jnp.square(y))

    def penalty(x, kernel):
        return sum(jnp.sum(jnp.square(g)) for g in jax.grad(loss, (0, 1))(x, kernel))

    return (
        apply(x, kernel),
        jax.grad(loss, (0, 1))(x, kernel),
        jax.grad(penalty, (0, 1))(x, kernel),
    )


# Batch, size, channels, features, kernel, stride, padding, groups: the three forms taken.
_CASES = {
    (64, (8, 6), 1, 8, (4, 4), (2, 2), ((1, 1), (1, 1)), 1): 'block fold batch',
    (2, (9, 8), 3, 5, (4, 4), (2, 2), ((1, 1), (1, 1)), 1): 'block fold unfold',
    (1, (41, 32), 5, 7, (4, 2), (2, 2), ((1, 1), (0, 0)), 1): 'stock fold block',
    (16, (7, 9), 6, 4, (3, 3), (1, 1), ((1, 1), (1, 1)), 1): 'stock dilated batch',
    (32, (7, 9), 6, 4, (3, 3), (2, 2), ((0, 1), (1, 1)), 1): 'stock dilated batch',
    (1, (31, 30), 6, 4, (3, 2), (1, 1), ((1, 1), (0, 2)), 1): 'stock dilated strip',
    (3, (20, 20), 3, 4, (3, 3), (1, 1), ((1, 1), (1, 1)), 1): 'stock fold strip',
    (2, (9, 8), 6, 4, (5, 3), (3, 2), ((2, 2), (0, 1)), 1): 'stock dilated unfold',
    (2, (4, 4), 6, 4, (2, 2), (1, 1), ((2, 2), (2, 2)), 1): 'stock dilated unfold',
    (2, (11, 8), 6, 5, (2, 2), (3, 3), ((0, 0), (0, 0)), 1): 'stock dilated unfold',
    (2, (9, 8), 6, 5, (1, 1), (1, 1), ((0, 0), (0, 0)), 1): 'pointwise pointwise pointwise',
    (2, (9, 8), 6, 5, (1, 1), (2, 2), ((0, 0), (0, 0)), 1): 'stock dilated unfold',
    (2, (9, 8), 6, 4, (3, 3), (1, 1), ((1, 1), (1, 1)), 2): 'stock dilated grouped',
    (2, (8, 8), 2, 4, (4, 4), (2, 2), ((1, 1), (1, 1)), 2): 'stock dilated grouped',
    (2, (9, 8), 20, 40, (3, 3), (2, 2), ((1, 1), (1, 1)), 20): 'stock dilated tap',
}


def _arguments(case):
    batch, size, channels, features, kernel_size, stride, padding, groups = case
    window = kernels.Window(kernel_size, stride, padding, size, groups)
    x = _normal(0, batch, *size, channels)
    kernel = _normal(1, *kernel_size, channels // groups, features)
    weights = _normal(2, batch, *window.output_size, features)
    return window, x, kernel, weights


@pytest.mark.parametrize('case', _CASES, ids=str)
def test_the_rule_takes_the_named_forms(case):
    window, x, kernel, weights = _arguments(case)
    forward, input_gradient, weight_gradient = _CASES[case].split()
    assert kernels.forward_form(x.shape, window).__name__ == f'{forward}_forward'
    assert (
        kernels.input_gradient_form(kernel.shape, window).__name__
        == f'{input_gradient}_input_gradient'
    )
    assert (
        kernels.weight_gradient_form(x.shape, weights.shape, window).__name__
        == f'{weight_gradient}_weight_gradient'
    )


def test_the_cases_take_every_form():
    taken = {
        f'{name}_{bilinear}'
        for forms in _CASES.values()
        for name, bilinear in zip(
            forms.split(), ('forward', 'input_gradient', 'weight_gradient'), strict=True
        )
    }
    # The stock gradients are what other platforms run.
    taken |= {'stock_input_gradient', 'stock_weight_gradient'}
    offered = {
        name for name in vars(kernels) if re.fullmatch(r'[a-z]+_(forward|\w+_gradient)', name)
    }
    assert taken == offered


@pytest.mark.parametrize('form', ['fast', 'stock'])
@pytest.mark.parametrize('case', _CASES, ids=str)
def test_values_and_derivatives_equal_the_stock_convolution(case, form):
    window, x, kernel, weights = _arguments(case)
    stride, padding, groups = window.stride, window.padding, window.groups
    ours = functools.partial(conv, stride=stride, padding=padding, groups=groups, form=form)
    stock = functools.partial(_reference, stride=stride, padding=padding, groups=groups)
    _assert_close(
        jax.jit(functools.partial(_first_and_second, ours))(x, kernel, weights),
        jax.jit(functools.partial(_first_and_second, stock))(x, kernel, weights),
    )


@st.composite
def _geometries(draw):
    kernel_size = draw(st.tuples(*[st.integers(1, 5)] * 2))
    low, high = draw(st.tuples(*[st.integers(0, 3)] * 2)), draw(st.tuples(*[st.integers(0, 3)] * 2))
    size = tuple(
        draw(st.integers(max(1, k - a - b), 12))
        for k, a, b in zip(kernel_size, low, high, strict=True)
    )
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    return (
        draw(st.sampled_from([1, 2, 16])),
        size,
        groups * draw(st.integers(1, 3)),
        groups * draw(st.integers(1, 3)),
        kernel_size,
        draw(st.tuples(*[st.integers(1, 3)] * 2)),
        tuple(zip(low, high, strict=True)),
        groups,
    )


@settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(_geometries())
def test_any_geometry_is_right(case):
    window, x, kernel, g = _arguments(case)
    stride, padding, groups = window.stride, window.padding, window.groups

    @jax.jit
    def both(x, kernel, g):
        ours = functools.partial(conv, stride=stride, padding=padding, groups=groups, form='fast')
        stock = functools.partial(_reference, stride=stride, padding=padding, groups=groups)
        return [(y, pull(g)) for y, pull in (jax.vjp(f, x, kernel) for f in (ours, stock))]

    _assert_close(*both(x, kernel, g))


def test_gradients_agree_with_finite_differences():
    x, kernel = _normal(0, 1, 5, 4, 2), _normal(1, 4, 4, 2, 3)
    f = functools.partial(conv, stride=2, padding=1, form='fast')
    check_grads(f, (x, kernel), order=2, modes=['rev'], atol=1e-2, rtol=1e-2, eps=1e-2)


@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('kernel_size', [1, 2, 3, 4, 5])
def test_parameters_are_interchangeable_with_flax(kernel_size, stride):
    x, key = _normal(0, 2, 7, 5, 4), jax.random.key(0)
    size, strides = (kernel_size, kernel_size), (stride, stride)
    pairs = [
        (Conv(6, kernel_size, stride), nn.Conv(6, size, strides)),
        (Conv(6, kernel_size, stride, groups=2), nn.Conv(6, size, strides, feature_group_count=2)),
        (Conv(6, kernel_size, stride, padding=2), nn.Conv(6, size, strides, 2)),
        (
            ConvTranspose(6, kernel_size, stride),
            nn.ConvTranspose(6, size, strides, transpose_kernel=True),
        ),
        (
            ConvTranspose(6, kernel_size, stride, padding=0),
            nn.ConvTranspose(
                6, size, strides, ((kernel_size - 1,) * 2,) * 2, transpose_kernel=True
            ),
        ),
    ]
    for ours, flax in pairs:
        parameters = ours.init(key, x)
        assert jax.tree.all(jax.tree.map(jnp.array_equal, parameters, flax.init(key, x)))
        parameters = jax.tree.map(lambda leaf: leaf + 0.1, parameters)
        _assert_close(ours.apply(parameters, x), flax.apply(parameters, x))


def test_no_bias_leaves_the_kernel_alone():
    x = _normal(0, 1, 4, 4, 2)
    for layer in (Conv(3, use_bias=False), ConvTranspose(3, use_bias=False)):
        assert set(layer.init(jax.random.key(0), x)['params']) == {'kernel'}


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


def _penalised_gradient(parameters, x, *, form='auto'):
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
        gradient = _penalised_gradient(parameters, x, form=form)
        return jax.tree.map(lambda p, g: p - 0.1 * g, parameters, gradient)

    inside = jax.jit(lambda p: lax.fori_loop(0, 3, lambda _, p: step(p, 'fast'), p))(parameters)
    outside = parameters
    for _ in range(3):
        outside = jax.jit(functools.partial(step, form='stock'))(outside)
    _assert_close(inside, outside)


def test_every_convolution_in_a_loop_has_the_layout_that_runs_fast():
    x = _normal(9, 16, 12, 8, 3)

    def body(_, parameters):
        return jax.tree.map(jnp.subtract, parameters, _penalised_gradient(parameters, x))

    program = jax.jit(lambda p: lax.fori_loop(0, 3, body, p)).lower(_parameters()).compile()
    text = program.as_text()
    layouts = set(re.findall(r'dim_labels=(\S+?)[,\s]', text))
    assert layouts == {'b01f_01io->b01f'}
    assert 'rhs_reversal' not in text and 'batch_group_count' not in text


@pytest.mark.parametrize('form', ['fast', 'stock'])
def test_vmap_over_images_and_over_networks(form):
    x, parameters = _normal(9, 3, 12, 8, 3), _parameters()
    gradient = jax.jit(functools.partial(_penalised_gradient, form=form))
    several = jax.tree.map(lambda p: jnp.stack([p, 0.5 * p, -p]), parameters)
    each_network = jax.jit(jax.vmap(gradient, (0, None)))(several, x)
    each_image = jax.jit(jax.vmap(gradient, (None, 0)))(parameters, x[:, None])
    for i in range(3):
        network = jax.tree.map(lambda p, i=i: p[i], several)
        _assert_close(jax.tree.map(lambda p, i=i: p[i], each_network), gradient(network, x))
        _assert_close(
            jax.tree.map(lambda p, i=i: p[i], each_image), gradient(parameters, x[i : i + 1])
        )


@pytest.mark.parametrize('batch', [4, 64])
def test_four_devices_equal_one(batch):
    """Under jit of a sharded batch and under pmap; 4 images are cut into strips of rows."""
    x, parameters = _normal(9, batch, 24, 16, 3), _parameters()
    gradient = jax.jit(_penalised_gradient)
    expected = gradient(parameters, x)

    mesh = jax.make_mesh((4,), ('data',), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(x, NamedSharding(mesh, P('data')))
    _assert_close(gradient(jax.device_put(parameters, NamedSharding(mesh, P())), sharded), expected)

    def averaged(parameters, x):
        return lax.pmean(_penalised_gradient(parameters, x), 'data')

    devices = jax.pmap(averaged, 'data', in_axes=(None, 0))(
        parameters, x.reshape(4, -1, *x.shape[1:])
    )
    _assert_close(jax.tree.map(lambda leaf: leaf[0], devices), expected)


@pytest.mark.parametrize(
    ('platform', 'form'), [('cpu', 'fast'), ('cuda', 'stock'), ('tpu', 'stock')]
)
def test_each_platform_gets_its_forms(platform, form):
    x, parameters = _normal(9, 16, 12, 8, 3), _parameters()

    def convolutions(form):
        gradient = jax.jit(functools.partial(_penalised_gradient, form=form))
        text = jax.export.export(gradient, platforms=[platform])(parameters, x).mlir_module()
        return sorted(re.findall(r'stablehlo.(?:convolution|dot_general).*?(dim.*)', text))

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
