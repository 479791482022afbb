"""Variation of genomes in [-1, 1]: how MAP-Elites makes children from parents."""

import jax
import jax.numpy as jnp


def crossover(
    key: jax.Array, first: jax.Array, second: jax.Array, *, rate: float, eta: float
) -> jax.Array:
    """Makes one child [size] by simulated binary crossover (Deb & Agrawal 1995).

    child = ((1 + b) first + (1 - b) second) / 2, with a spread b for each number:
      b = (2u)^(1/(eta + 1)) if u < 1/2, else (2 (1 - u))^(-1/(eta + 1)), u uniform.

    Args:
      key: the key of the child.
      first, second: the parents, [size].
      rate: probability of crossover; otherwise the child is a copy of `first`.
      eta: a larger value keeps children closer to their parents.
    """
    rate_key, spread_key = jax.random.split(key)
    # u is 1 minus a number in [0, 1), so it is never 0.
    u = 1.0 - jax.random.uniform(spread_key, first.shape)
    spread = jnp.where(u < 0.5, 2.0 * u, 0.5 / jnp.maximum(1.0 - u, 2.0**-24)) ** (1 / (eta + 1))
    child = 0.5 * ((1.0 + spread) * first + (1.0 - spread) * second)
    return jnp.where(jax.random.uniform(rate_key) < rate, child, first)


def mutate(key: jax.Array, genome: jax.Array, *, rate: float, eta: float) -> jax.Array:
    """Changes a genome [size] in [-1, 1] by polynomial mutation (Deb 2001).

    x' = x + 2 d, d = (2r)^(1/(eta + 1)) - 1 if r < 1/2, else 1 - (2 (1 - r))^(1/(eta + 1)),
    with r uniform, and x' clipped to [-1, 1]. The factor 2 is the width of the interval; the
    mean of |d| is 1 / (eta + 2).

    Args:
      key: the key of the genome.
      genome: [size].
      rate: probability that a number changes.
      eta: a larger value makes smaller changes.
    """
    u = jax.random.uniform(key, genome.shape)
    # Given u < rate, u / rate is uniform again, so one draw decides both.
    r = jnp.minimum(u / rate, 1.0)
    power = 1.0 / (eta + 1.0)
    change = jnp.where(r < 0.5, (2.0 * r) ** power - 1.0, 1.0 - (2.0 * (1.0 - r)) ** power)
    return jnp.where(u < rate, jnp.clip(genome + 2.0 * change, -1.0, 1.0), genome)
