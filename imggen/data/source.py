"""The interface of a data source: what a step reads, as a function of the step."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from imggen.method import Batch

Window = Any  # A pytree of arrays: what the device needs for several steps.


class Source(NamedTuple):
    """Batches as a pure function of (seed, step), in two halves.

    `window` runs on the host and returns what the device needs for the steps
    [first_step, first_step + num_steps). A small set is one window, which stays on the device; a
    large set streams, with a few batches in a window.

    `gather` runs inside the compiled step and makes the batch of one step from the window: it
    selects, augments and scales to float32 in [-1, 1].

    Attributes:
      window: (first_step, num_steps) -> Window.
      gather: (window, step) -> Batch; traceable, `step` is an int32 scalar.
      max_window_steps: the most steps that one window holds; None for no limit.
      num_examples: size of the set; None without a set (evolution).
      description: one line for the log: what was found and where.
      class_names: names of the classes in the order of their labels; () without names.
      class_counts: number of examples of each class; () without labels, or if they are unknown.
      postprocess: (float images [n, height, width, channels] in [-1, 1]) -> {file name
        without suffix: uint8 [height, width, 3 or 4]}. Style transfer alone sets it: image i,
        made from the i-th content, gets the size and the alpha of the content's file.
      preview: count -> the batch that sheets of samples are drawn for, float32 in [-1, 1], or
        None for the batch of step 0. Pairs with a held-out part return up to `count` held-out
        pairs, spread evenly over that part.
      skipped: a sentence for each file that gave no example.
    """

    window: Callable[[int, int], Window]
    gather: Callable[[Window, jax.Array], Batch]
    max_window_steps: int | None = None
    num_examples: int | None = None
    description: str = ''
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    postprocess: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None
    preview: Callable[[int], Mapping[str, np.ndarray] | None] = lambda count: None
    skipped: tuple[str, ...] = ()

    def batch(self, step: int) -> Batch:
        """Returns the batch of one step, for inspection and tests."""
        return jax.jit(self.gather)(self.window(step, 1), step)
