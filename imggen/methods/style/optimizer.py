"""What optimizes one image: a rule that is fed one evaluation at a time.

The caller evaluates the loss where `point` says and hands value and gradient to
`advance`. A step of the loop is then one evaluation, whatever the rule does with it:
budgets count evaluations, the loss is compiled once, and under `vmap` no image waits
for another's line search.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

# Above every loss and length; finite, since a state that is not is never saved.
UNBOUNDED = float(jnp.finfo(jnp.float32).max)


class Optimizer(NamedTuple):
    """Pure functions over one image [height, width, channels]; map them over a batch.

    Attributes:
      init: image -> state.
      point: state -> the image to evaluate next.
      advance: (state, value, gradient at `point`) -> state.
      result: state -> the best image so far.
      loss: state -> the loss at the image that the search stands at.
    """

    init: Callable[[jax.Array], Any]
    point: Callable[[Any], jax.Array]
    advance: Callable[[Any, jax.Array, jax.Array], Any]
    result: Callable[[Any], jax.Array]
    loss: Callable[[Any], jax.Array]
