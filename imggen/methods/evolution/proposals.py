"""Proposals: the moves of a hill climb, tried one after another or drawn by weight.

A proposal maps (choice key, move key, genome [size]) to a new genome and the probability that
the acceptance rule 'target_probability' aims at with this move.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import options
from imggen.errors import UserError
from imggen.methods.evolution.encodings import Encoding
from imggen.methods.evolution.moves import MOVES

PIXEL_MOVES = {
    'few_pixels': {'weight': 0.2, 'least': 1, 'most': 20},
    'sketch': {'weight': 0.8, 'max_width': 4.0},
}
GENOME_MOVES = {'gaussian': {'scale': 0.1}}

_WHERE = 'config.method.moves'
Propose = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class Proposal(NamedTuple):
    """A move and its weight.

    Attributes:
      propose: (choice key, move key, genome) -> (genome, target probability).
      weight: share of the steps that try it, with `order='mixed'`.
    """

    propose: Propose
    weight: float


def make(section: Mapping[str, Mapping[str, Any]], encoding: Encoding) -> list[Proposal]:
    """Builds the moves that are switched on.

    Args:
      section: {name of a move: its options}. Besides the options of its class in MOVES, a
        move takes `weight` (1 by default; 0 switches it off) and `target`, a probability (1 by
        default). {} stands for PIXEL_MOVES, or for GENOME_MOVES if genomes are not images.
      encoding: the encoding of the genomes.

    Raises:
      UserError: a move or an option is unknown, a move of pixels meets genomes that are not
        images, or no move is switched on.
    """
    is_image = encoding.image_shape is not None
    proposals = []
    for name, given in (section or (PIXEL_MOVES if is_image else GENOME_MOVES)).items():
        kind = options.choose(MOVES, name, where=_WHERE)
        given = dict(given)
        weight, target = given.pop('weight', 1.0), given.pop('target', 1.0)
        move = options.build(kind, given, where=f'{_WHERE}.{name}')
        if weight <= 0:
            continue
        if name != 'gaussian' and not is_image:
            raise UserError(
                f'{_WHERE}.{name} changes pixels, but this encoding has none: set its weight to '
                f'0 and use {_WHERE}.gaussian.'
            )
        proposals.append(Proposal(_bounded(move, encoding, target), weight))
    if not proposals:
        raise UserError(f'{_WHERE} has no move: give at least one move a weight above 0.')
    return proposals


def mixed(proposals: list[Proposal]) -> Propose:
    """Returns a proposal that draws one of the moves by weight."""
    weights = np.asarray([proposal.weight for proposal in proposals])
    bounds = np.asarray(np.cumsum(weights)[:-1] / weights.sum(), np.float32)

    def propose(choice_key, move_key, genome):
        made = [proposal.propose(choice_key, move_key, genome) for proposal in proposals]
        if len(made) == 1:
            return made[0]
        which = jnp.sum(jax.random.uniform(choice_key) >= bounds)
        return jax.tree.map(lambda *leaves: jax.lax.select_n(which, *leaves), *made)

    return propose


def _bounded(move, encoding: Encoding, target: float) -> Propose:
    def propose(choice_key, move_key, genome):
        del choice_key
        moved = move(move_key, genome.reshape(encoding.image_shape or genome.shape))
        moved = jnp.clip(moved, -encoding.limit, encoding.limit)
        return moved.reshape(genome.shape), jnp.float32(target)

    return propose
