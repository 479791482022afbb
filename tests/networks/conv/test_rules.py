"""Every form of a convolution's maps equals the stock convolution, and is chosen by shape.

Values, first and second derivatives are compared with `lax.conv_general_dilated` under
JAX's own differentiation.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax
from jax.test_util import check_grads

from imggen.networks.conv import kernels, rules
from imggen.networks.conv.layers import conv
from imggen.networks.conv.window import Window

_MAPS = ('forward', 'input_gradient', 'weight_gradient')
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


# Batch, size, channels, features, kernel, stride, padding, groups. Together they take every form.
_CASES = [
    (64, (8, 6), 1, 8, (4, 4), (2, 2), ((1, 1), (1, 1)), 1),
    (2, (9, 8), 3, 5, (4, 4), (2, 2), ((1, 1), (1, 1)), 1),
    (1, (41, 32), 5, 7, (4, 2), (2, 2), ((1, 1), (0, 0)), 1),
    (64, (33, 32), 64, 5, (4, 4), (2, 2), ((1, 1), (1, 1)), 1),
    (16, (7, 9), 6, 5, (3, 3), (1, 1), ((1, 1), (1, 1)), 1),
    (32, (7, 9), 6, 5, (3, 3), (2, 2), ((0, 1), (1, 1)), 1),
    (1, (31, 30), 6, 5, (3, 2), (1, 1), ((1, 1), (0, 2)), 1),
    (1, (41, 30), 6, 5, (3, 3), (2, 2), ((1, 1), (1, 1)), 1),
    (3, (20, 20), 3, 5, (3, 3), (1, 1), ((1, 1), (1, 1)), 1),
    (16, (9, 8), 6, 3, (3, 3), (1, 1), ((1, 1), (0, 2)), 1),
    (2, (2, 3), 6, 5, (4, 4), (2, 2), ((1, 1), (1, 1)), 1),
    (2, (4, 3), 6, 5, (3, 3), (2, 2), ((1, 1), (1, 1)), 1),
    (2, (4, 4), 6, 5, (4, 4), (1, 1), ((0, 0), (0, 0)), 1),
    (2, (9, 8), 6, 5, (5, 3), (3, 2), ((2, 2), (0, 1)), 1),
    (2, (4, 4), 6, 5, (2, 2), (1, 1), ((2, 2), (2, 2)), 1),
    (2, (11, 8), 9, 5, (2, 2), (3, 3), ((0, 0), (0, 0)), 1),
    (2, (9, 8), 6, 5, (1, 1), (2, 2), ((0, 0), (0, 0)), 1),
    (2, (9, 8), 6, 4, (3, 3), (1, 1), ((1, 1), (1, 1)), 2),
    (2, (8, 8), 2, 4, (4, 4), (2, 2), ((1, 1), (1, 1)), 2),
    (2, (9, 8), 20, 40, (3, 3), (2, 2), ((1, 1), (1, 1)), 20),
]


def _arguments(case):
    batch, size, channels, features, kernel_size, stride, padding, groups = case
    window = Window(kernel_size, stride, padding, size, groups)
    x = _normal(0, batch, *size, channels)
    kernel = _normal(1, *kernel_size, channels // groups, features)
    weights = _normal(2, batch, *window.output_size, features)
    return window, x, kernel, weights


def _forms(case):
    """Returns the forms that the rules choose for a case."""
    window, x, kernel, g = _arguments(case)
    return (
        rules.forward_form(x.shape, kernel.shape, window),
        rules.input_gradient_form(g.shape, kernel.shape, window),
        rules.weight_gradient_form(x.shape, g.shape, window),
    )


def test_the_cases_take_every_form():
    """Constants may be fitted anew; a form that no case takes then needs a case."""
    taken = {form.__name__ for case in _CASES for form in _forms(case)}
    # The stock gradients are what other platforms run.
    taken |= {'stock_input_gradient', 'stock_weight_gradient'}
    pattern = f'[a-z]+_({"|".join(_MAPS)})'
    offered = {*vars(kernels), *vars(rules)}
    assert taken == {name for name in offered if re.fullmatch(pattern, name)}


@pytest.mark.parametrize('case', _CASES, ids=str)
def test_values_and_derivatives_equal_the_stock_convolution(case):
    window, *operands = _arguments(case)
    geometry = {'stride': window.stride, 'padding': window.padding, 'groups': window.groups}
    forms = (
        functools.partial(conv, **geometry, form='fast'),
        functools.partial(conv, **geometry, form='stock'),
        functools.partial(_reference, **geometry),
    )
    run = jax.jit(lambda *operands: [_first_and_second(form, *operands) for form in forms])
    fast, stock, expected = run(*operands)
    _assert_close(fast, expected)
    _assert_close(stock, expected)


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
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
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
