"""Evolution strategies of the library evosax, with one way to start them.

evosax makes numbers small; here a value is made large, so fitness is its negative.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imggen.errors import UserError


class Strategy(NamedTuple):
    """Pure functions of one search; every state leaf is an array.

    Attributes:
      starts_with_population: whether `start` takes the first population, evaluated, or
        the genome that it searches around.
      start: (key, genomes [population, size], fitness [population]) -> state, or
        (key, genome [size]) -> state.
      ask: (key, state) -> genomes [population, size], state.
      tell: (key, genomes, fitness [population], state) -> state.
    """

    starts_with_population: bool
    start: Callable[..., Any]
    ask: Callable[[jax.Array, Any], tuple[jax.Array, Any]]
    tell: Callable[..., Any]


def make(
    name: str, *, size: int, population_size: int, scale: float, learning_rate: float
) -> Strategy:
    """Returns one of STRATEGIES over genomes of `size` numbers.

    Args:
      name: which; 'differential' has no use for `scale`, and only 'open_es' for
        `learning_rate`.
      size: numbers in a genome.
      population_size: genomes in a generation.
      scale: standard deviation of the first generation, or of mutations.
      learning_rate: of Adam on the mean.
    """
    least, multiple = _POPULATIONS.get(name, (2, 1))
    if population_size < least or population_size % multiple:
        raise UserError(
            f'config.method.population_size={population_size} is no size for {name}: take '
            f'{"an even number" if multiple == 2 else "a number"} of at least {least}.'
        )
    algorithm, params = STRATEGIES[name](size, population_size, scale, learning_rate)
    with_population = name in ('genetic', 'differential')

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

    return Strategy(with_population, start, ask, tell)


def _open_es(size, population_size, scale, learning_rate):
    import optax
    from evosax.algorithms import Open_ES

    algorithm = Open_ES(
        population_size,
        jnp.zeros(size),
        optimizer=optax.adam(learning_rate),
        std_schedule=optax.constant_schedule(scale),
    )
    return algorithm, algorithm.default_params


def _snes(size, population_size, scale, learning_rate):
    from evosax.algorithms import SNES

    return _scaled(SNES(population_size, jnp.zeros(size)), scale)


def _sep_cma_es(size, population_size, scale, learning_rate):
    from evosax.algorithms import Sep_CMA_ES

    return _scaled(Sep_CMA_ES(population_size, jnp.zeros(size)), scale)


def _cma_es(size, population_size, scale, learning_rate):
    from evosax.algorithms import CMA_ES

    return _scaled(CMA_ES(population_size, jnp.zeros(size)), scale)


def _genetic(size, population_size, scale, learning_rate):
    import optax
    from evosax.algorithms import SimpleGA

    schedule = optax.constant_schedule(scale)
    algorithm = SimpleGA(population_size, jnp.zeros(size), std_schedule=schedule)
    return algorithm, algorithm.default_params


def _differential(size, population_size, scale, learning_rate):
    from evosax.algorithms import DifferentialEvolution

    algorithm = DifferentialEvolution(population_size, jnp.zeros(size))
    return algorithm, algorithm.default_params


# (size, population size, scale, learning rate) -> algorithm, its parameters.
STRATEGIES = {
    'open_es': _open_es,
    'snes': _snes,
    'sep_cma_es': _sep_cma_es,
    'cma_es': _cma_es,
    'genetic': _genetic,
    'differential': _differential,
}
_POPULATIONS = {'open_es': (2, 2), 'differential': (4, 1)}  # The least, and a divisor.


def _scaled(algorithm, scale):
    params = algorithm.default_params
    return algorithm, params.replace(std_init=jnp.asarray(scale, jnp.float32))
