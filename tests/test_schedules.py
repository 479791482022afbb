"""Schedules at known points."""

import numpy as np
import pytest

from imggen import schedules

QUARTERS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize(
    'start, end, expected',
    [
        (2e-4, 5e-5, [2e-4, 1.780e-4, 1.25e-4, 7.197e-5, 5e-5]),
        (0.05, 0.005, [0.05, 0.0434, 0.0275, 0.0116, 0.005]),
        (0.0, 0.55, [0.0, 0.0805, 0.275, 0.4695, 0.55]),
    ],
    ids=['learning rate', 'gamma', 'augmentation'],
)
def test_a_cosine_at_the_published_points(start, end, expected):
    found = schedules.cosine(start, end, QUARTERS)
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=1e-9)
    assert float(schedules.cosine(start, end, 1.7)) == pytest.approx(end)


def test_a_constant_then_a_line():
    found = schedules.constant_then_linear(0.5, QUARTERS)
    np.testing.assert_allclose(found, [1.0, 1.0, 1.0, 0.5, 0.0])


def test_a_warm_up_then_a_cosine():
    found = schedules.warmup_cosine(2.0, QUARTERS, warmup=0.5)
    np.testing.assert_allclose(found, [0.0, 1.0, 2.0, 1.0, 0.0], atol=1e-6)
