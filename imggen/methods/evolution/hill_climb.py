"""Hill climbing: each of many chains keeps the random changes that its classifier prefers.

A chain pursues one class and depends on its own keys alone, so it takes the same path in a
population of any size. The original of this project is `order='sequence'` with the moves
few_pixels and many_pixels: every step tries both.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, options
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution import proposals, search, tally
from imggen.methods.evolution.acceptance import ACCEPTANCES, Answer
from imggen.methods.evolution.objectives import OBJECTIVES, log_odds
from imggen.methods.evolution.tally import Tally


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of steps; each tries one move per chain, or all moves in sequence.
      moves: {name: options}; see evolution.proposals.make.
      problem: options of evolution.problem.Config.
      chains_per_class: number of independent chains for each class.
      order: 'mixed' draws one move per step by weight; 'sequence' tries all moves in order.
      objective: one of OBJECTIVES, which the chains maximize.
      acceptance: one of ACCEPTANCES.
      temperature, temperature_end: temperatures of annealing at the start and at the end, in
        units of the objective; the temperature decays along a cosine.
    """

    num_steps: int
    moves: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    problem: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    chains_per_class: int = 1
    order: str = 'mixed'
    objective: str = 'log_odds'
    acceptance: str = 'greedy'
    temperature: float = 1.0
    temperature_end: float = 0.01


@struct.dataclass
class State:
    """What a checkpoint holds. Every leaf leads with the chain axis.

    Attributes:
      genome: the genome of each chain, [n, size].
      value: its objective, [n].
      odds: its log-odds, [n].
      target: the class that each chain pursues, int32 [n].
      improvements: number of accepted changes, int32 [n].
      tally: evaluations, and when each threshold was passed.
    """

    genome: jax.Array
    value: jax.Array
    odds: jax.Array
    target: jax.Array
    improvements: jax.Array
    tally: Tally


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown or impossible value.
    """
    config = options.build(Config, config, where='config.method')
    problem = problems.make(config.problem)
    ask = _ask(problem, config.objective)

    def init(key, frozen, batch):
        del batch
        target = problem.targets(config.chains_per_class)
        genome = jax.vmap(problem.encoding.init)(keys.per_image(key, len(target)))
        value, odds = ask(frozen, genome, target)
        return State(
            genome=genome,
            value=value,
            odds=odds,
            target=target,
            improvements=jnp.zeros_like(target),
            tally=tally.count(tally.start(target.shape), odds[:, None]),
        )

    return search.make_method(
        problem,
        init,
        Phase('climb', config.num_steps, _step(config, problem, ask, axis_name)),
        genomes=lambda state: state.genome,
        num_images=len(problem.labels) * config.chains_per_class,
    )


def _ask(problem: problems.Problem, name: str):
    """Returns (frozen, genomes [n, size], targets [n]) -> the classifier's Answer."""
    objective = options.choose(OBJECTIVES, name, where='config.method.objective')

    def ask(frozen, genome, target):
        logits = problem.genome_logits(frozen, genome)
        return Answer(objective(logits, target), log_odds(logits, target))

    return ask


def _step(config: Config, problem: problems.Problem, ask, axis_name):
    """Returns the step, which tries one move per chain, or all moves one after another."""
    in_sequence = options.choose(
        {'sequence': True, 'mixed': False}, config.order, where='config.method.order'
    )
    moves = proposals.make(config.moves, problem.encoding)
    num_moves = len(moves) if in_sequence else 1
    attempt = _attempt(config, ask, num_evaluations=1 + config.num_steps * num_moves)
    mixed = proposals.mixed(moves)

    def step(key, state, frozen, batch):
        del batch
        chain_keys = keys.per_image(key, len(state.target), axis_name=axis_name)
        before = state.improvements
        if in_sequence:
            for number, proposal in enumerate(moves):
                move_keys = jax.vmap(lambda key, at=number: jax.random.fold_in(key, at))(chain_keys)
                state = attempt(move_keys, state, frozen, proposal.propose)
        else:
            state = attempt(chain_keys, state, frozen, mixed)
        metrics = search.metrics(
            state.odds,
            state.tally,
            axis_name=axis_name,
            log_odds=jnp.mean(state.odds),
            accepted=jnp.mean(state.improvements - before),
            improvements=jnp.mean(state.improvements.astype(jnp.float32)),
        )
        return state, metrics

    return step


def _attempt(config: Config, ask, *, num_evaluations: int):
    """Returns (keys [n], state, frozen, propose) -> the state after one change per chain."""
    accepts = options.choose(ACCEPTANCES, config.acceptance, where='config.method.acceptance')
    if config.temperature <= 0:
        raise UserError(
            f'config.method.temperature={config.temperature} must be above 0: raise it.'
        )
    temperature = optax.cosine_decay_schedule(
        config.temperature, num_evaluations, alpha=config.temperature_end / config.temperature
    )

    def attempt(chain_keys, state, frozen, propose):
        split = jax.vmap(lambda key: jax.random.split(key, 3))
        choice_key, move_key, accept_key = split(chain_keys).T
        genome, goal = jax.vmap(propose)(choice_key, move_key, state.genome)
        tried, kept = ask(frozen, genome, state.target), Answer(state.value, state.odds)
        accepted = accepts(accept_key, tried, kept, goal, temperature(state.tally.evaluations))
        return State(
            genome=jnp.where(accepted[:, None], genome, state.genome),
            value=jnp.where(accepted, tried.value, state.value),
            odds=jnp.where(accepted, tried.odds, state.odds),
            target=state.target,
            improvements=state.improvements + accepted,
            tally=tally.count(state.tally, tried.odds[:, None]),
        )

    return attempt
