"""BEGAN (Berthelot et al. 2017): an autoencoder and a generator that are kept in balance.

The energy L of an image is the absolute error of the autoencoder. A controller keeps the energy of
generated images at gamma times the energy of real ones, by changing k, the weight of generated
images in the loss of the autoencoder:

  evaluator   L(x) - k L(G(z))
  generator   L(G(z))
  controller  k <- clip(k + lambda (gamma L(x) - L(G(z))), 0, 1)

A smaller gamma gives cleaner but more similar images. The metric `convergence`,
L(x) + |gamma L(x) - L(G(z))|, decreases while training goes well; few adversarial losses offer
such a metric. The update is that of energy_based/step.py.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.losses import energy, reconstruction
from imggen.method import Method
from imggen.methods.energy_based import step


@dataclasses.dataclass(frozen=True)
class Config(step.Config):
    """Options of `config.method`, in addition to those of `energy_based.step.Config`.

    Attributes:
      gamma: target for the energy of generated images relative to the energy of real ones.
      gain: lambda, the gain of the controller of k. The state holds k as its `control`.
    """

    gamma: float = 0.7
    gain: float = 0.01


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')

    def evaluator_loss(ratio, real_energy, fake_energy):
        return real_energy.mean() - ratio * fake_energy.mean()

    def adapt(ratio, metrics):
        means = (metrics['real_energy'], metrics['fake_energy'])
        convergence = energy.convergence(*means, gamma=config.gamma)
        new_ratio = energy.balance(ratio, *means, gamma=config.gamma, gain=config.gain)
        return new_ratio, {'convergence': convergence, 'ratio': ratio}

    rules = step.Rules(reconstruction.absolute, evaluator_loss, adapt=adapt, control=0.0)
    return step.make(config, rules, axis_name=axis_name)
