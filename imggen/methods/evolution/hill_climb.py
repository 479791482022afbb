"""Hill climbing: many chains, each keeps the random changes that its classifier likes.

A chain pursues one class and depends on its own keys alone, so that it goes the same
way in a population of any size. The original of this project is `order='sequence'`
with the moves few_pixels and many_pixels: both are tried in every step.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import PartitionSpec as P

from imggen import keys, options, schedules, train_state
from imggen.method import Method, Phase
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution import proposals, tally
from imggen.methods.evolution.acceptance import ACCEPTANCES, Answer
from imggen.methods.evolution.objectives import OBJECTIVES, log_odds
from imggen.methods.evolution.tally import Tally


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: of the loop; each tries one move a chain, or all of them in sequence.
      moves: options by name of the move; see evolution.proposals.make.
      problem: options of evolution.problem.Config.
      chains_per_class: independent chains that pursue each class.
      order: 'mixed' draws one move a step, by weight; 'sequence' tries all in order.
      objective: one of OBJECTIVES, which chains climb.
      acceptance: one of ACCEPTANCES.
      temperature, temperature_end: of annealing, in units of the objective, along a cosine.
      ask_again: without, moves after the first of a sequence are accepted on the classifier's
        answer to the first, unseen: the original's oversight.
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
    ask_again: bool = True


@struct.dataclass
class State:
    """What a checkpoint holds. Every leaf leads with the chain axis.

    Attributes:
      genome: what each chain keeps, [n, size].
      value: its objective, as the chain believes it to be, [n].
      odds: its log-odds, as the chain believes them to be, [n].
      target: the class that each chain pursues, int32 [n].
      improvements: changes kept, int32 [n].
      tally: evaluations, and when each threshold was passed.
    """

    genome: jax.Array
    value: jax.Array
    odds: jax.Array
    target: jax.Array
    improvements: jax.Array
    tally: Tally


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    problem = problems.make(config.problem)
    objective = options.choose(OBJECTIVES, config.objective, where='config.method.objective')
    accepts = options.choose(ACCEPTANCES, config.acceptance, where='config.method.acceptance')
    in_sequence = options.choose(
        {'sequence': True, 'mixed': False}, config.order, where='config.method.order'
    )
    moves = proposals.make(config.moves, problem.encoding)
    mixed = proposals.mixed(moves)
    num_answers = len(moves) if in_sequence and config.ask_again else 1
    num_evaluations = 1 + config.num_steps * num_answers

    def ask(frozen, genome, target):
        logits = problem.genome_logits(frozen, genome)
        return Answer(objective(logits, target), log_odds(logits, target))

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

    def attempt(key, state, frozen, propose, answer):
        """Tries one change a chain; without an `answer` the classifier is asked about it."""
        choice_key, move_key, accept_key = jax.vmap(lambda key: jax.random.split(key, 3))(key).T
        genome, goal = jax.vmap(propose)(choice_key, move_key, state.genome)
        counted = state.tally
        if answer is None:
            answer = ask(frozen, genome, state.target)
            counted = tally.count(state.tally, answer.odds[:, None])
        progress = state.tally.evaluations / num_evaluations
        temperature = schedules.cosine(config.temperature, config.temperature_end, progress)
        kept = Answer(state.value, state.odds)
        accepted = accepts(accept_key, answer, kept, goal, temperature)
        state = State(
            genome=jnp.where(accepted[:, None], genome, state.genome),
            value=jnp.where(accepted, answer.value, state.value),
            odds=jnp.where(accepted, answer.odds, state.odds),
            target=state.target,
            improvements=state.improvements + accepted,
            tally=counted,
        )
        return state, answer

    def step(key, state, frozen, batch):
        del batch
        chain_keys = keys.per_image(key, len(state.target), axis_name=axis_name)
        before, answer = state.improvements, None
        if in_sequence:
            for number, proposal in enumerate(moves):
                move_keys = jax.vmap(lambda key, at=number: jax.random.fold_in(key, at))(chain_keys)
                state, said = attempt(move_keys, state, frozen, proposal.propose, answer)
                answer = None if config.ask_again else said
        else:
            state, _ = attempt(chain_keys, state, frozen, mixed, None)
        report = {
            'log_odds': jnp.mean(state.odds),
            'probability': jnp.mean(jax.nn.sigmoid(state.odds)),
            'accepted': jnp.mean(state.improvements - before),
            'improvements': jnp.mean(state.improvements.astype(jnp.float32)),
            'reached_0.9999': tally.reached(state.tally, 0.9999),
        }
        return state, train_state.mean_over(axis_name, report)

    return Method(
        init,
        (Phase('climb', config.num_steps, step),),
        problems.make_sample(problem, lambda state: state.genome),
        frozen=problem.frozen,
        state_spec=P('data'),
        num_images=len(problem.labels) * config.chains_per_class,
    )
