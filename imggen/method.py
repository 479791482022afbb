"""The one interface that every algorithm in imggen implements.

A method is a bundle of pure functions over a state pytree, in the manner of
`optax.GradientTransformation`. It knows no file, no mesh and no loop, so one
loop runs evolution, adversarial training and the optimization of one image.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax
from jax.sharding import PartitionSpec

Batch = Mapping[str, jax.Array]  # Leading axis: the global batch. {} if no data.
Frozen = Any  # Pre-trained parameters that no step changes (a classifier, VGG16).
State = Any  # A flax.struct.dataclass of arrays: exactly what a checkpoint holds.
Metrics = Mapping[str, jax.Array]  # Scalars, averaged over the global batch.
Images = Mapping[str, jax.Array]  # float32 [n, height, width, channels] in [-1, 1].


class InitFn(Protocol):
    def __call__(self, key: jax.Array, frozen: Frozen, batch: Batch) -> State:
        """Builds the first state; `batch` supplies shapes and fixed images only."""


class StepFn(Protocol):
    def __call__(
        self, key: jax.Array, state: State, frozen: Frozen, batch: Batch
    ) -> tuple[State, Metrics]:
        """Makes one update: a generation, a gradient step, an L-BFGS iteration."""


class SampleFn(Protocol):
    def __call__(self, key: jax.Array, state: State, frozen: Frozen, batch: Batch) -> Images:
        """Makes named sets of images, to look at and to score.

        `key` is an array of keys [n], one an image, so that image i depends on
        key i alone and is the same in a batch of any size.
        """


class Phase(NamedTuple):
    """A stretch of a run that repeats one compiled step."""

    name: str
    num_steps: int
    step: StepFn


class Method(NamedTuple):
    """A pure algorithm: how to start, how to advance, what to show."""

    init: InitFn
    phases: tuple[Phase, ...]
    sample: SampleFn
    frozen: Frozen = ()  # An argument of every function, never in a checkpoint.
    state_spec: PartitionSpec = PartitionSpec()  # P('data'): every leaf leads with an image axis.
    latent_size: int | None = None  # Where `sample` takes batch['latent'] [n, latent_size].
    num_images: int | None = None  # Where the state holds so many, and `sample` batch['index'] [n].
    num_classes: int | None = None  # Where `sample` takes batch['label'] int32 [n].
