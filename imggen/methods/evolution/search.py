"""What all searches share: how one becomes a `Method`, and the metrics of its steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from imggen import train_state
from imggen.method import InitFn, Method, Phase
from imggen.methods.evolution import tally
from imggen.methods.evolution.problem import Problem
from imggen.methods.evolution.tally import Tally


def make_method(
    problem: Problem,
    init: InitFn,
    phase: Phase,
    *,
    genomes: Callable[[Any], jax.Array],
    num_images: int,
) -> Method:
    """Returns the method of a search whose state leads with an axis over chains or archives.

    `sample` shows the images in the state: those of batch['index'] int32 [n] if it is given,
    otherwise one drawn from each key.

    `genomes` maps a state to all genomes in it, [num_images, size].
    """

    def sample(image_keys, state, frozen, batch):
        held = genomes(state)
        if 'index' in batch:
            index = batch['index']
        else:
            draw = lambda key: jax.random.randint(key, (), 0, len(held))
            index = jax.vmap(draw)(image_keys)
        return {'generated': problem.images(frozen, held[index])}

    return Method(
        init,
        (phase,),
        sample,
        frozen=problem.frozen,
        state_spec=P('data'),
        num_images=num_images,
    )


def metrics(
    odds: jax.Array, evaluated: Tally, *, axis_name: str | None, **others: jax.Array
) -> dict[str, jax.Array]:
    """Returns the metrics of a step, averaged over devices.

    They are `others`; 'probability', the mean probability of the target class; and
    'reached_0.9999', the share of chains and classes that reached this probability.

    Args:
      odds: log-odds of the target class of all images in the state.
      evaluated: the tally of the state.
      axis_name: the pmap axis; None under jit.
      **others: further scalars.
    """
    values = {
        **others,
        'probability': jnp.mean(jax.nn.sigmoid(odds)),
        'reached_0.9999': tally.reached(evaluated, 0.9999),
    }
    return train_state.mean_over(axis_name, values)
