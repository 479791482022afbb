"""EBGAN (Zhao et al. 2017): an evaluator that is trained together with the generator.

The evaluator is an autoencoder, and the energy E of an image is its squared error. The evaluator
lowers the energy of real images and raises the energy of generated images up to a margin m:

  evaluator   E(x) + max(0, m - E(G(z)))
  generator   E(G(z)) + w PT(codes of G(z))

PT, the pulling-away term, keeps the codes of a batch apart. The update is that of
energy_based/step.py.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from imggen import options
from imggen.losses import energy, reconstruction
from imggen.method import Method
from imggen.methods.energy_based import step


@dataclasses.dataclass(frozen=True)
class Config(step.Config):
    """Options of `config.method`, in addition to those of `energy_based.step.Config`.

    Attributes:
      margin: m, in units of the energy, which is a mean squared error.
      pulling_away: w, the weight of the pulling-away term.
    """

    margin: float = 0.2
    pulling_away: float = 0.1


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')

    def evaluator_loss(control, real_energy, fake_energy):
        del control
        return jnp.mean(energy.margin_discriminator(real_energy, fake_energy, config.margin))

    def variety(codes):
        similarity = energy.pulling_away(codes, axis_name=axis_name)
        return config.pulling_away * similarity, {'pulling_away': similarity}

    rules = step.Rules(reconstruction.squared, evaluator_loss, variety)
    return step.make(config, rules, axis_name=axis_name)
