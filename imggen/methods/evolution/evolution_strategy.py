"""Evolution strategies and population searches: evosax's, many runs of one at a time.

A chain is one run of the strategy for one class. In a step each asks for a
generation, has it evaluated, together with those of all other chains, and learns from it.
Genomes are cut to the encoding's limits before they are evaluated and told.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import PartitionSpec as P

from imggen import keys, options, train_state
from imggen.method import Method, Phase
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution import strategies, tally
from imggen.methods.evolution.objectives import OBJECTIVES, log_odds
from imggen.methods.evolution.tally import Tally


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: generations.
      problem: options of evolution.problem.Config.
      strategy: one of strategies.STRATEGIES.
      population_size: genomes in a generation.
      scale: standard deviation of the first generation, or of mutations.
      learning_rate: of OpenES.
      chains_per_class: independent runs that pursue each class.
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
      search: evosax's states.
      genome: the best that each chain found, [n, size].
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
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    problem = problems.make(config.problem)
    objective = options.choose(OBJECTIVES, config.objective, where='config.method.objective')
    options.choose(strategies.STRATEGIES, config.strategy, where='config.method.strategy')
    size, limit = problem.encoding.size, problem.encoding.limit
    strategy = strategies.make(
        config.strategy,
        size=size,
        population_size=config.population_size,
        scale=config.scale,
        learning_rate=config.learning_rate,
    )

    def evaluate(frozen, genomes, target):
        """Values and log-odds [n, k] of genomes [n, k, size]."""
        shape = genomes.shape[:2]
        logits = problem.genome_logits(frozen, genomes.reshape(-1, size))
        wanted = jnp.repeat(target, shape[1], total_repeat_length=shape[0] * shape[1])
        return objective(logits, wanted).reshape(shape), log_odds(logits, wanted).reshape(shape)

    def best(genomes, value, odds):
        """The best of each generation: its genome [n, size], value [n] and log-odds [n]."""
        place = jnp.argmax(value, axis=1)[:, None]
        genome = jnp.take_along_axis(genomes, place[..., None], axis=1)[:, 0]
        pick = lambda of: jnp.take_along_axis(of, place, axis=1)[:, 0]  # noqa: E731
        return genome, pick(value), pick(odds)

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
        genome, value, best_odds = best(genomes, value, odds)
        return State(
            search=jax.vmap(strategy.start)(start_keys, *first),
            genome=genome,
            value=value,
            odds=best_odds,
            target=target,
            tally=tally.count(tally.start(target.shape), odds),
        )

    def step(key, state, frozen, batch):
        del batch
        chain_keys = keys.per_image(key, len(state.target), axis_name=axis_name)
        ask_key, tell_key = jax.vmap(jax.random.split)(chain_keys).T
        genomes, search = jax.vmap(strategy.ask)(ask_key, state.search)
        genomes = jnp.clip(genomes, -limit, limit)
        value, odds = evaluate(frozen, genomes, state.target)
        search = jax.vmap(strategy.tell)(tell_key, genomes, -value, search)
        genome, best_value, best_odds = best(genomes, value, odds)
        better = best_value > state.value
        state = State(
            search=search,
            genome=jnp.where(better[:, None], genome, state.genome),
            value=jnp.where(better, best_value, state.value),
            odds=jnp.where(better, best_odds, state.odds),
            target=state.target,
            tally=tally.count(state.tally, odds),
        )
        report = {
            'log_odds': jnp.mean(state.odds),
            'probability': jnp.mean(jax.nn.sigmoid(state.odds)),
            'generation_log_odds': jnp.mean(odds),
            'reached_0.9999': tally.reached(state.tally, 0.9999),
        }
        return state, train_state.mean_over(axis_name, report)

    return Method(
        init,
        (Phase('evolve', config.num_steps, step),),
        problems.make_sample(problem, lambda state: state.genome),
        frozen=problem.frozen,
        state_spec=P('data'),
        num_images=len(problem.labels) * config.chains_per_class,
    )
