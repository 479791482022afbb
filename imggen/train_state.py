"""Optimizers, and the player: a network's variables together with its optimizer's state."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

Schedule = Callable[[jax.Array], jax.Array]  # Step (int32) -> value.


@struct.dataclass
class Player:
    """A network that learns.

    Attributes:
      params: its parameters.
      statistics: its other variables (running means of batch normalization); {} without.
      opt_state: its optimizer's state.
    """

    params: Any
    statistics: Any
    opt_state: Any

    @property
    def variables(self):
        """What a linen module's `apply` takes."""
        return {'params': self.params, **self.statistics}


def new_player(variables, optimizer: optax.GradientTransformation) -> Player:
    """Splits what `module.init` returned into parameters and the rest."""
    statistics = {name: value for name, value in variables.items() if name != 'params'}
    params = variables['params']
    return Player(params=params, statistics=statistics, opt_state=optimizer.init(params))


def update(player: Player, gradients, optimizer, *, statistics=None) -> Player:
    """Moves a player's parameters along `gradients`; takes over new `statistics` if given."""
    updates, opt_state = optimizer.update(gradients, player.opt_state, player.params)
    return Player(
        params=optax.apply_updates(player.params, updates),
        statistics=player.statistics if statistics is None else statistics,
        opt_state=opt_state,
    )


def adam(
    learning_rate: float | Schedule, *, b1: float = 0.9, b2: float | Schedule = 0.999, eps=1e-8
) -> optax.GradientTransformation:
    """Adam whose learning rate and second decay may follow a schedule of the step."""
    if callable(b2):
        return optax.inject_hyperparams(optax.adam)(
            learning_rate=learning_rate, b1=b1, b2=b2, eps=eps
        )
    return optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)


def mean_over(axis_name: str | None, tree):
    """Averages over the devices of a pmap axis; the identity under jit, where XLA does it."""
    return tree if axis_name is None else jax.lax.pmean(tree, axis_name)


def global_norm(tree) -> jax.Array:
    """Returns the Euclidean norm over all leaves: scalar."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def ema(average, value, decay):
    """Exponential moving average: decay * average + (1 - decay) * value, leaf by leaf."""
    return jax.tree.map(lambda a, v: decay * a + (1.0 - decay) * v, average, value)
