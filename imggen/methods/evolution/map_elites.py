"""MAP-Elites over classes (Nguyen et al. 2015): one search fills a cell for every class.

Each chain is an archive. In a step an archive makes a generation of children from parents in all
its cells, so that what it found for one class may serve another.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from imggen import keys, options
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.evolution import archive, search, tally, variation
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution.archive import Archive
from imggen.methods.evolution.objectives import log_odds_of_each
from imggen.methods.evolution.tally import Tally


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of generations.
      problem: options of evolution.problem.Config.
      archives: number of independent archives.
      initial: number of random images that an archive starts with.
      children: number of children in a generation of one archive.
      bins: number of bins of brightness and of roughness; (1, 1) for one cell per class.
      crossover_rate, crossover_eta: see variation.crossover.
      mutation_rate, mutation_eta: see variation.mutate.
    """

    num_steps: int
    problem: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    archives: int = 1
    initial: int = 200
    children: int = 200
    bins: tuple[int, int] = (1, 1)
    crossover_rate: float = 0.5
    crossover_eta: float = 10.0
    mutation_rate: float = 0.1
    mutation_eta: float = 15.0


@struct.dataclass
class State:
    """What a checkpoint holds. Every leaf leads with the archive axis.

    Attributes:
      archive: the cells of each archive, [n, cells, ...].
      target: the class of each cell, int32 [n, cells].
      tally: evaluations, and when each class passed each threshold anywhere in an archive,
        [n, classes, thresholds].
    """

    archive: Archive
    target: jax.Array
    tally: Tally


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: `bins` is not a pair of positive numbers, or an option is unknown.
    """
    config = options.build(Config, config, where='config.method')
    problem = problems.make(config.problem)
    bins = tuple(config.bins)
    if len(bins) != 2 or min(bins) < 1:
        raise UserError(f'config.method.bins={bins} must be two numbers of at least 1.')
    num_classes, num_bins = len(problem.labels), bins[0] * bins[1]
    limit = problem.encoding.limit
    insert = _insert(problem, bins)

    def init(key, frozen, batch):
        del batch
        archive_keys = keys.per_image(key, config.archives)
        genomes = jax.vmap(
            lambda key: jax.vmap(problem.encoding.init)(jax.random.split(key, config.initial))
        )(archive_keys)
        new = archive.empty(num_bins * num_classes, problem.encoding.size)
        state = State(
            archive=jax.tree.map(lambda leaf: jnp.stack([leaf] * config.archives), new),
            target=jnp.tile(jnp.asarray(problem.labels), (config.archives, num_bins)),
            tally=tally.start((config.archives, num_classes)),
        )
        parents = jnp.full((config.archives, config.initial, 2), archive.NO_PARENT)
        return insert(state, frozen, jnp.clip(genomes, -limit, limit), parents)

    return search.make_method(
        problem,
        init,
        Phase('illuminate', config.num_steps, _step(_breed(config, limit), insert, axis_name)),
        genomes=lambda state: state.archive.genome.reshape(-1, problem.encoding.size),
        num_images=config.archives * num_bins * num_classes,
    )


def _step(breed, insert, axis_name):
    """Returns the step, which is one generation of every archive."""

    def step(key, state, frozen, batch):
        del batch
        archive_keys = keys.per_image(key, len(state.target), axis_name=axis_name)
        before = state.archive.odds
        state = insert(state, frozen, *jax.vmap(breed)(archive_keys, state.archive))
        odds = state.archive.odds
        metrics = search.metrics(
            odds,
            state.tally,
            axis_name=axis_name,
            **{
                'coverage': jnp.mean(odds > archive.EMPTY),
                'coverage_0.5': jnp.mean(odds >= 0.0),
                'coverage_0.9': jnp.mean(jax.nn.sigmoid(odds) >= 0.9),
                'coverage_0.99': jnp.mean(jax.nn.sigmoid(odds) >= 0.99),
                'goal_switches': jnp.mean(state.archive.switches.astype(jnp.float32)),
                'improved': jnp.mean(odds > before),
            },
        )
        return state, metrics

    return step


def _insert(problem: problems.Problem, bins: tuple[int, int]):
    """Returns (state, frozen, genomes [n, k, size], parents [n, k, 2]) -> the next state."""

    def insert(state, frozen, genomes, parents):
        shape = genomes.shape[:2]

        def evaluate(genomes):
            images = problem.images(frozen, genomes)
            return problem.logits(frozen, images), archive.bin_of(images, bins)

        logits, where = problem.in_parts(evaluate, genomes.reshape(-1, genomes.shape[-1]))
        odds = log_odds_of_each(logits)[:, jnp.asarray(problem.labels)]
        odds = odds.reshape(*shape, len(problem.labels))
        return State(
            archive=jax.vmap(archive.insert)(
                state.archive, genomes, odds, where.reshape(shape), parents
            ),
            target=state.target,
            tally=tally.count(state.tally, odds.swapaxes(1, 2)),
        )

    return insert


def _breed(config: Config, limit: float):
    """Returns (key, one archive) -> children [k, size] and the cells of their parents [k, 2]."""
    cross = partial(variation.crossover, rate=config.crossover_rate, eta=config.crossover_eta)
    mutate = partial(variation.mutate, rate=config.mutation_rate, eta=config.mutation_eta)

    def breed(key, elites):
        parent_key, key = jax.random.split(key)
        parents = archive.draw_parents(parent_key, elites, 2 * config.children)
        parents = parents.reshape(2, config.children)
        first, second = elites.genome[parents]
        child_keys = jax.random.split(key, (2, config.children))
        child = jax.vmap(cross)(child_keys[0], first / limit, second / limit)
        children = limit * jax.vmap(mutate)(child_keys[1], jnp.clip(child, -1.0, 1.0))
        return children, parents.T

    return breed
