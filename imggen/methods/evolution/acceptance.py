"""Acceptance rules: whether a chain of hill climbing keeps what it tried.

A rule maps (keys [n], tried, kept, goal [n], temperature [n]) to bool [n]. `tried` and `kept` are
the classifier's answers to the new images and to the images that the chains hold.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Answer(NamedTuple):
    """The classifier's answer to one image per chain: objective [n] and log-odds [n]."""

    value: jax.Array
    odds: jax.Array


def greedy(chain_keys, tried: Answer, kept: Answer, goal, temperature):
    """Accepts an objective that is at least as large."""
    del chain_keys, goal, temperature
    return tried.value >= kept.value


def target_probability(chain_keys, tried: Answer, kept: Answer, goal, temperature):
    """Accepts a probability that is closer to `goal`."""
    del chain_keys, temperature
    return _distance(tried, goal) < _distance(kept, goal)


def annealing(chain_keys, tried: Answer, kept: Answer, goal, temperature):
    """Accepts with probability min(1, exp((f' - f) / T)) (Metropolis et al. 1953)."""
    del goal
    # For uniform u, -log u is exponential, and u <= exp(x) is equivalent to -x <= -log u.
    exponential = jax.vmap(lambda key: jax.random.exponential(key))(chain_keys)
    return (kept.value - tried.value) / temperature <= exponential


ACCEPTANCES = {
    'greedy': greedy,
    'target_probability': target_probability,
    'annealing': annealing,
}


def _distance(answer, goal):
    return jnp.abs(jax.nn.sigmoid(answer.odds) - goal)
