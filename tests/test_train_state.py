"""The moving average of a network's weights."""

import jax.numpy as jnp
import pytest

from imggen import train_state


def decay(*, step, half_life_images=1000.0):
    """What is left of the old average after one step of 50 images."""
    kept = train_state.ema_update(
        jnp.ones(()),
        jnp.zeros(()),
        images=50,
        half_life_images=half_life_images,
        step=step,
        axis_name=None,
    )
    return float(kept)


def test_half_of_an_average_is_new_after_its_half_life():
    assert decay(step=1_000_000) ** (1000 / 50) == pytest.approx(0.5, rel=1e-5)


def test_the_first_values_are_soon_forgotten():
    """The half-life is at most 5 % of the images seen."""
    assert decay(step=39) == pytest.approx(0.5 ** (50 / 100), rel=1e-5)
