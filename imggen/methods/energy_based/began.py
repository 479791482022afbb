"""BEGAN (Berthelot et al. 2017): an autoencoder and a generator held in balance.

A picture's energy L is the absolute error of the autoencoder. A control keeps the
energy of generated pictures at gamma times that of real ones, by how much the
autoencoder attends to them, k:

  evaluator   L(x) - k L(G(z))
  generator   L(G(z))
  control     k <- clip(k + lambda (gamma L(x) - L(G(z))), 0, 1)

Smaller gamma gives cleaner and more alike pictures. The metric `convergence`,
L(x) + |gamma L(x) - L(G(z))|, falls while training goes well, which few adversarial
losses tell. The update is that of energy_game.py.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from imggen import options
from imggen.losses import energy, reconstruction
from imggen.method import Method
from imggen.methods.energy_based import step


@dataclasses.dataclass(frozen=True)
class Config(step.Config):
    """Options of `config.method`, besides those of every such game.

    Attributes:
      gamma: energy of generated pictures that is aimed at, in that of real ones.
      gain: lambda, of the control k, which the state holds as its `control`.
    """

    gamma: float = 0.7
    gain: float = 0.01


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    return step.make(config, _rules(config), axis_name=axis_name)


def _rules(config: Config) -> step.Rules:
    def evaluator_loss(ratio, real_energy, fake_energy):
        return real_energy.mean() - ratio * fake_energy.mean()

    def adapt(ratio, report):
        means = (report['real_energy'], report['fake_energy'])
        metrics = {'convergence': energy.convergence(*means, gamma=config.gamma), 'ratio': ratio}
        return energy.balance(ratio, *means, gamma=config.gamma, gain=config.gain), metrics

    return step.Rules(reconstruction.absolute, evaluator_loss, adapt=adapt, control=0.0)


def score(config: Mapping[str, Any], state: step.State, images: jax.Array) -> jax.Array:
    """Returns the evaluator's energy of each picture [n, height, width, channels]: [n].

    `config` is the `method` section of the run that `state` comes from, without its name.
    """
    config = options.build(Config, config, where='config.method')
    return step.score(config, _rules(config), state, images)
