"""Evolution strategies of the library evosax, with one way to start them.

evosax minimizes, while our searches maximize: fitness is the negative of the objective.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from imggen.errors import UserError


class Strategy(NamedTuple):
    """Pure functions of one search; every leaf of its state is an array.

    Attributes:
      starts_with_population: whether `start` takes an evaluated population, or the genome to
        search around.
      start: (key, genomes [population, size], fitness [population]) -> state, or
        (key, genome [size]) -> state.
      ask: (key, state) -> genomes [population, size], state.
      tell: (key, genomes, fitness [population], state) -> state.
    """

    starts_with_population: bool
    start: Callable[..., Any]
    ask: Callable[[jax.Array, Any], tuple[jax.Array, Any]]
    tell: Callable[..., Any]


class Algorithm(NamedTuple):
    """An algorithm of evosax.

    Attributes:
      name: its class in evosax.algorithms.
      scale: how it takes the standard deviation: as the parameter 'std_init', as the argument
        'std_schedule', or not at all ('').
      has_optimizer: whether it takes an optimizer for its mean.
      starts_with_population: see `Strategy`.
      min_population, divisor: the population size is at least this, and a multiple of this.
    """

    name: str
    scale: str = ''
    has_optimizer: bool = False
    starts_with_population: bool = False
    min_population: int = 2
    divisor: int = 1


STRATEGIES = {
    'open_es': Algorithm('Open_ES', 'std_schedule', has_optimizer=True, divisor=2),
    'snes': Algorithm('SNES', 'std_init'),
    'sep_cma_es': Algorithm('Sep_CMA_ES', 'std_init'),
    'cma_es': Algorithm('CMA_ES', 'std_init'),
    'genetic': Algorithm('SimpleGA', 'std_schedule', starts_with_population=True),
    'differential': Algorithm(
        'DifferentialEvolution', starts_with_population=True, min_population=4
    ),
}


def make(
    name: str, *, size: int, population_size: int, scale: float, learning_rate: float
) -> Strategy:
    """Returns one of STRATEGIES over genomes of `size` numbers.

    Args:
      scale: standard deviation of the first generation, or of mutations; 'differential' does
        not use it.
      learning_rate: learning rate of Adam on the mean; only 'open_es' uses it.

    Raises:
      UserError: the strategy does not take this population size.
    """
    kind = STRATEGIES[name]
    if population_size < kind.min_population or population_size % kind.divisor:
        raise UserError(
            f'config.method.population_size={population_size} does not fit {name}: choose '
            f'{"an even number" if kind.divisor == 2 else "a number"} of at least '
            f'{kind.min_population}.'
        )
    algorithm, params = _build(kind, size, population_size, scale, learning_rate)

    def start(key, *first):
        with jax.numpy_rank_promotion('allow'):  # evosax broadcasts.
            state = algorithm.init(key, *first, params)
        # Some leaves are Python numbers, whose weak types would change in a loop.
        return jax.tree.map(
            lambda leaf: jax.lax.convert_element_type(leaf, jnp.result_type(leaf)), state
        )

    def ask(key, state):
        with jax.numpy_rank_promotion('allow'):
            return algorithm.ask(key, state, params)

    def tell(key, genomes, fitness, state):
        with jax.numpy_rank_promotion('allow'):
            return algorithm.tell(key, genomes, fitness, state, params)[0]

    return Strategy(kind.starts_with_population, start, ask, tell)


def _build(kind: Algorithm, size, population_size, scale, learning_rate):
    """Returns the algorithm and its parameters."""
    from evosax import algorithms  # Slow to import.

    arguments = {}
    if kind.has_optimizer:
        arguments['optimizer'] = optax.adam(learning_rate)
    if kind.scale == 'std_schedule':
        arguments['std_schedule'] = optax.constant_schedule(scale)
    algorithm = getattr(algorithms, kind.name)(population_size, jnp.zeros(size), **arguments)
    params = algorithm.default_params
    if kind.scale == 'std_init':
        params = params.replace(std_init=jnp.asarray(scale, jnp.float32))
    return algorithm, params
