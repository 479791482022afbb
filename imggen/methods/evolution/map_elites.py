"""MAP-Elites over classes (Nguyen et al. 2015): one search fills a cell for every class.

A chain is an archive of its own. In a step each makes a generation of children from
parents of all its cells, so that what one class found may serve another.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import PartitionSpec as P

from imggen import keys, options, train_state
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.evolution import archive, tally, variation
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution.archive import Archive
from imggen.methods.evolution.objectives import log_odds
from imggen.methods.evolution.tally import Tally


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: generations.
      problem: options of evolution.problem.Config.
      archives: independent archives.
      initial: random images that an archive starts with.
      children: of a generation, an archive.
      bins: of brightness and of roughness; (1, 1) for one cell a class.
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
      archive: cells of each archive, [n, cells, ...].
      target: the class of each cell, int32 [n, cells].
      tally: evaluations, and when each class passed each threshold anywhere in an
        archive, [n, classes, thresholds].
    """

    archive: Archive
    target: jax.Array
    tally: Tally


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    problem = problems.make(config.problem)
    bins = tuple(config.bins)
    if len(bins) != 2 or min(bins) < 1:
        raise UserError(f'config.method.bins={bins} are no two numbers of at least 1.')
    num_classes, num_bins = len(problem.labels), bins[0] * bins[1]
    limit = problem.encoding.limit

    def insert(state, frozen, genomes):
        """Classifiers a generation [n, k, size] and puts it into the archives."""
        shape = genomes.shape[:2]
        images = problem.images(frozen, genomes.reshape(-1, genomes.shape[-1]))
        logits = problem.logits(frozen, images)
        of_class = lambda number: log_odds(logits, jnp.full(len(logits), number))  # noqa: E731
        odds = jax.vmap(of_class, out_axes=-1)(jnp.asarray(problem.labels))
        odds = odds.reshape(*shape, num_classes)
        where = archive.bin_of(images, bins).reshape(shape)
        return State(
            archive=jax.vmap(archive.insert)(state.archive, genomes, odds, where),
            target=state.target,
            tally=tally.count(state.tally, odds.swapaxes(1, 2)),
        )

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
        return insert(state, frozen, jnp.clip(genomes, -limit, limit))

    def breed(key, elites):
        """Children [k, size] of one archive's elites."""
        parent_key, key = jax.random.split(key)
        first, second = archive.draw_parents(parent_key, elites, 2 * config.children).reshape(
            2, config.children, -1
        )
        child_keys = jax.random.split(key, (2, config.children))
        cross = partial(variation.crossover, rate=config.crossover_rate, eta=config.crossover_eta)
        mutate = partial(variation.mutate, rate=config.mutation_rate, eta=config.mutation_eta)
        child = jax.vmap(cross)(child_keys[0], first / limit, second / limit)
        return limit * jax.vmap(mutate)(child_keys[1], jnp.clip(child, -1.0, 1.0))

    def step(key, state, frozen, batch):
        del batch
        archive_keys = keys.per_image(key, len(state.target), axis_name=axis_name)
        before = state.archive.odds
        state = insert(state, frozen, jax.vmap(breed)(archive_keys, state.archive))
        odds = state.archive.odds
        report = {
            'probability': jnp.mean(jax.nn.sigmoid(odds)),
            'coverage': jnp.mean(odds > archive.EMPTY),
            'coverage_0.99': jnp.mean(jax.nn.sigmoid(odds) >= 0.99),
            'improved': jnp.mean(odds > before),
            'reached_0.9999': tally.reached(state.tally, 0.9999),
        }
        return state, train_state.mean_over(axis_name, report)

    def genomes(state):
        return state.archive.genome.reshape(-1, problem.encoding.size)

    return Method(
        init,
        (Phase('illuminate', config.num_steps, step),),
        problems.make_sample(problem, genomes),
        frozen=problem.frozen,
        state_spec=P('data'),
        num_images=config.archives * num_bins * num_classes,
    )
