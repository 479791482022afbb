"""Acceptance: whether a chain of hill climbing keeps what it tried.

A rule maps (keys [n], asked, kept, goal [n], temperature [n]) to bool [n]; `asked` is the
classifier's answer to what was tried, `kept` that to what the chain has.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Answer(NamedTuple):
    """What the classifier says of one image a chain: the objective [n] and the log-odds [n]."""

    value: jax.Array
    odds: jax.Array


def greedy(key, asked: Answer, kept: Answer, goal, temperature):
    """Keeps what is at least as good."""
    del key, goal, temperature
    return asked.value >= kept.value


def target_probability(key, asked: Answer, kept: Answer, goal, temperature):
    """Keeps what comes closer to a probability, `goal`."""
    del key, temperature
    return _distance(asked, goal) < _distance(kept, goal)


def annealing(key, asked: Answer, kept: Answer, goal, temperature):
    """Keeps with probability min(1, exp((f' - f) / T)) (Metropolis et al. 1953)."""
    del goal
    # -log u of a uniform u is exponential: u <= exp(x) where -x <= -log u.
    exponential = jax.vmap(lambda key: jax.random.exponential(key))(key)
    return (kept.value - asked.value) / temperature <= exponential


ACCEPTANCES = {
    'greedy': greedy,
    'target_probability': target_probability,
    'annealing': annealing,
}


def _distance(answer, goal):
    return jnp.abs(jax.nn.sigmoid(answer.odds) - goal)
