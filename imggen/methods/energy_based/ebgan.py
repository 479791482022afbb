"""EBGAN (Zhao et al. 2017): the evaluator learns against the generator that it teaches.

The evaluator is an autoencoder; a picture's energy is its squared error. It lowers the
energy of real pictures and raises that of generated ones up to a margin:

  evaluator   E(x) + max(0, m - E(G(z)))
  generator   E(G(z)) + w PT(codes of G(z))

PT, the pulling-away term, keeps the codes of one batch apart. The update is
that of energy_game.py.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from imggen import options
from imggen.losses import energy, reconstruction
from imggen.method import Method
from imggen.methods.energy_based import step


@dataclasses.dataclass(frozen=True)
class Config(step.Config):
    """Options of `config.method`, besides those of every such game.

    Attributes:
      margin: m, in the unit of the energy, the mean squared error of a value.
      pulling_away: w, weight of the pulling-away term.
    """

    margin: float = 0.2
    pulling_away: float = 0.1


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    return step.make(config, _rules(config, axis_name), axis_name=axis_name)


def _rules(config: Config, axis_name: str | None) -> step.Rules:
    def evaluator_loss(control, real_energy, fake_energy):
        del control
        return jnp.mean(energy.margin_critic(real_energy, fake_energy, config.margin))

    def variety(codes):
        alike = energy.pulling_away(codes, axis_name=axis_name)
        return config.pulling_away * alike, {'pulling_away': alike}

    return step.Rules(reconstruction.squared, evaluator_loss, variety)


def score(config: Mapping[str, Any], state: step.State, images: jax.Array) -> jax.Array:
    """Returns the evaluator's energy of each picture [n, height, width, channels]: [n].

    `config` is the `method` section of the run that `state` comes from, without its name.
    """
    config = options.build(Config, config, where='config.method')
    return step.score(config, _rules(config, None), state, images)
