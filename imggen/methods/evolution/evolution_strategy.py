"""Evolution strategies and population searches of evosax, many runs in parallel.

A chain is one run of the strategy for one class. In each step every chain proposes a generation,
all generations are evaluated together, and each chain learns from its own. Genomes are clipped to
the limits of the encoding before they are evaluated.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from imggen import keys, options
from imggen.method import Method, Phase
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution import search, strategies, tally
from imggen.methods.evolution.objectives import OBJECTIVES, log_odds
from imggen.methods.evolution.tally import Tally


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of generations.
      problem: options of evolution.problem.Config.
      strategy: one of strategies.STRATEGIES.
      population_size: number of genomes in a generation.
      scale: standard deviation of the first generation, or of mutations.
      learning_rate: learning rate of OpenES.
      chains_per_class: number of independent runs for each class.
      objective: one of OBJECTIVES.
    """

    num_steps: int
    problem: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    strategy: str = 'snes'
    population_size: int = 32
    scale: float = 0.3
    learning_rate: float = 0.1
    chains_per_class: int = 1
    objective: str = 'log_odds'


@struct.dataclass
class State:
    """What a checkpoint holds. Every leaf leads with the chain axis.

    Attributes:
      search: the states of evosax.
      genome: the best genome that each chain found, [n, size].
      value: its objective, [n].
      odds: its log-odds, [n].
      target: the class that each chain pursues, int32 [n].
      tally: evaluations, and when each threshold was passed.
    """

    search: Any
    genome: jax.Array
    value: jax.Array
    odds: jax.Array
    target: jax.Array
    tally: Tally


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option is unknown, or the strategy does not take this population size.
    """
    config = options.build(Config, config, where='config.method')
    problem = problems.make(config.problem)
    options.choose(strategies.STRATEGIES, config.strategy, where='config.method.strategy')
    strategy = strategies.make(
        config.strategy,
        size=problem.encoding.size,
        population_size=config.population_size,
        scale=config.scale,
        learning_rate=config.learning_rate,
    )
    evaluate = _evaluate(problem, config.objective)

    def init(key, frozen, batch):
        del batch
        target = problem.targets(config.chains_per_class)
        chain_keys = keys.per_image(key, len(target))
        count = config.population_size if strategy.starts_with_population else 1
        genomes = jax.vmap(
            lambda key: jax.vmap(problem.encoding.init)(jax.random.split(key, count))
        )(chain_keys)
        value, odds = evaluate(frozen, genomes, target)
        start_keys = jax.vmap(lambda key: jax.random.fold_in(key, count))(chain_keys)
        first = (genomes, -value) if strategy.starts_with_population else (genomes[:, 0],)
        genome, best_value, best_odds = _best(genomes, value, odds)
        return State(
            search=jax.vmap(strategy.start)(start_keys, *first),
            genome=genome,
            value=best_value,
            odds=best_odds,
            target=target,
            tally=tally.count(tally.start(target.shape), odds),
        )

    return search.make_method(
        problem,
        init,
        Phase('evolve', config.num_steps, _step(problem, strategy, evaluate, axis_name)),
        genomes=lambda state: state.genome,
        num_images=len(problem.labels) * config.chains_per_class,
    )


def _step(problem: problems.Problem, strategy: strategies.Strategy, evaluate, axis_name):
    """Returns the step, which is one generation of every chain."""
    limit = problem.encoding.limit

    def step(key, state, frozen, batch):
        del batch
        chain_keys = keys.per_image(key, len(state.target), axis_name=axis_name)
        ask_key, tell_key = jax.vmap(jax.random.split)(chain_keys).T
        genomes, searches = jax.vmap(strategy.ask)(ask_key, state.search)
        genomes = jnp.clip(genomes, -limit, limit)
        value, odds = evaluate(frozen, genomes, state.target)
        searches = jax.vmap(strategy.tell)(tell_key, genomes, -value, searches)
        genome, best_value, best_odds = _best(genomes, value, odds)
        better = best_value > state.value
        state = State(
            search=searches,
            genome=jnp.where(better[:, None], genome, state.genome),
            value=jnp.where(better, best_value, state.value),
            odds=jnp.where(better, best_odds, state.odds),
            target=state.target,
            tally=tally.count(state.tally, odds),
        )
        metrics = search.metrics(
            state.odds,
            state.tally,
            axis_name=axis_name,
            log_odds=jnp.mean(state.odds),
            generation_log_odds=jnp.mean(odds),
        )
        return state, metrics

    return step


def _evaluate(problem: problems.Problem, name: str):
    """Returns (frozen, genomes [n, k, size], targets [n]) -> values and log-odds, [n, k] each."""
    objective = options.choose(OBJECTIVES, name, where='config.method.objective')

    def evaluate(frozen, genomes, target):
        shape = genomes.shape[:2]
        logits = problem.genome_logits(frozen, genomes.reshape(-1, genomes.shape[-1]))
        targets = jnp.repeat(target, shape[1], total_repeat_length=shape[0] * shape[1])
        return objective(logits, targets).reshape(shape), log_odds(logits, targets).reshape(shape)

    return evaluate


def _best(genomes, value, odds):
    """Returns the best of each generation: its genome [n, size], value [n] and log-odds [n]."""
    place = jnp.argmax(value, axis=1)[:, None]
    genome = jnp.take_along_axis(genomes, place[..., None], axis=1)[:, 0]
    pick = lambda values: jnp.take_along_axis(values, place, axis=1)[:, 0]
    return genome, pick(value), pick(odds)
