"""Colors predicted at a small size and joined with the lightness at full size."""

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imggen import color
from imggen.inference import recolor


def step(side, at):
    """Dark on the left, bright from a column on: [side, side, 1]."""
    row = np.where(np.arange(side) < at, -0.5, 0.5).astype(np.float32)
    return np.tile(row, (side, 1))[..., None]


@given(st.floats(-1, 1, width=32), st.integers(0, 9))
@settings(max_examples=10, deadline=None)
def test_one_color_stays_one_color_whatever_the_lightness(value, seed):
    guide = np.random.default_rng(seed).uniform(-1, 1, (40, 56, 1)).astype(np.float32)
    values = np.full((10, 14, 2), value, np.float32)
    enlarged = recolor.guided(values, guide[::4, ::4], guide)
    np.testing.assert_allclose(enlarged, value, atol=1e-5)


def test_an_edge_of_color_lies_on_the_edge_of_lightness():
    guide, full = step(16, 8), step(128, 64)
    enlarged = recolor.guided(0.4 * guide, guide, full)[64, :, 0]
    # Without the guide the edge would be as wide as a small pixel, which is eight large ones.
    assert abs(enlarged[63] - enlarged[64]) > 0.7 * abs(enlarged[0] - enlarged[-1])
    np.testing.assert_allclose(enlarged[[0, -1]], [-0.2, 0.2], atol=0.01)


@given(arrays(np.float32, (12, 20, 1), elements=st.floats(-1, 1, width=32, allow_subnormal=False)))
@settings(max_examples=10, deadline=None)
def test_lightness_is_the_inputs_and_the_network_sees_the_small_picture(inputs):
    seen = []

    def network(small):
        seen.append(small.shape)
        return np.tile(small, 3)

    colored = recolor.colored(network, inputs, (6, 10))
    assert seen == [(6, 10, 1)]
    # A gray answer adds no color.
    before, after = (np.asarray(jax.jit(color.lightness)(each)) for each in (inputs, colored))
    np.testing.assert_allclose(after, before, atol=0.05)
