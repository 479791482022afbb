"""The interface that every method implements.

A method is a bundle of pure functions over a state, in the manner of
`optax.GradientTransformation`. It does not know about files, devices or the loop, so that the
same loop runs evolution, adversarial training and the optimization of a single image.

A complete method, which learns the mean of all images that it sees:

    class State(struct.PyTreeNode):
        step: jax.Array
        mean: jax.Array


    def make(config, *, axis_name=None):
        def init(key, frozen, batch):
            return State(jnp.int32(0), jnp.zeros(batch['image'].shape[1:]))

        def step(key, state, frozen, batch):
            error = batch['image'].mean(0) - state.mean
            if axis_name is not None:
                error = jax.lax.pmean(error, axis_name)
            state = State(state.step + 1, state.mean + error / (state.step + 1))
            return state, {'change': jnp.abs(error).mean()}

        def sample(image_keys, state, frozen, batch):
            noise = jax.vmap(lambda key: jax.random.normal(key, state.mean.shape))(image_keys)
            return {'generated': jnp.clip(state.mean[None] + 0.1 * noise, -1.0, 1.0)}

        return Method(init, (Phase('train', config['num_steps'], step),), sample)

`docs/add_a_method.md` shows how to run, measure and test it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
from jax.sharding import PartitionSpec

Batch = Mapping[str, jax.Array]  # Every leaf leads with the global batch. {} without data.
Frozen = Any  # A pytree of pre-trained parameters that no step changes, such as VGG16's.
State = Any  # A `flax.struct` dataclass of arrays: exactly what a checkpoint holds.
Metrics = Mapping[str, jax.Array]  # float32 scalars, averaged over the global batch.
Images = Mapping[str, jax.Array]  # float32 [n, height, width, channels] in [-1, 1].


class InitFn(Protocol):
    """Builds the initial state.

    Args:
      batch: the batch of step 0. Use its shapes; use its values only if the data set is
        one fixed batch (style transfer).

    Returns:
      A pytree of arrays. It holds no key: step t gets its key from the loop.
    """

    def __call__(self, key: jax.Array, frozen: Frozen, batch: Batch) -> State: ...


class StepFn(Protocol):
    """Makes one update: a gradient step, a generation, an evaluation of L-BFGS.

    The loop compiles it, so it must be traceable.

    Args:
      key: a different key at each step. `keys.per_image` derives one per image, so
        that a draw does not depend on how the batch is spread over devices.
      state: a state of the structure that `init` returned.
      batch: 'image' float32 [n, height, width, channels] in [-1, 1]; 'label' int32 [n] if
        the data set has labels; 'input' and 'target' for pairs.

    Returns:
      The next state and scalar metrics by name, the same names at every step. Under
      pmap (`axis_name`) both must be equal on all devices: average them.
    """

    def __call__(
        self, key: jax.Array, state: State, frozen: Frozen, batch: Batch
    ) -> tuple[State, Metrics]: ...


class SampleFn(Protocol):
    """Makes n images, or several sets of n images, to look at and to measure.

    Args:
      image_keys: keys [n]. Image i must depend on key i alone, so that it is the same in a
        batch of any size.
      batch: arrays in the shapes of a training batch, without 'label'. It also holds what
        the caller asks for: 'latent' float32 [n, latent_size] if the method has
        `latent_size`, 'label' int32 [n] if it has `num_classes`, 'guidance' float32 [n] if it
        has `guidance`, 'index' int32 [n] if it has `num_images`, 'input' if it has a
        `translation`. The method draws what is absent.

    Returns:
      Sets of images by name. `Method.output` names the set that is the result; the others
      stand beside it on sheets.
    """

    def __call__(
        self, image_keys: jax.Array, state: State, frozen: Frozen, batch: Batch
    ) -> Images: ...


class Phase(NamedTuple):
    """A part of a run that repeats one compiled step.

    The name is shown in the progress line and stored with every record. `moves_samples` says
    whether the step changes what `sample` draws.
    """

    name: str
    num_steps: int
    step: StepFn
    moves_samples: bool = True


class Translation(NamedTuple):
    """How a method that maps images to images can be applied to other images.

    Attributes:
      scale: height of the output divided by the height of the input.
      sees_whole_image: whether each output pixel depends on statistics of the whole input, so
        that tiles of one image may differ in tone.
      keeps_lightness: whether the output has the lightness of the input, so that only its colors
        are predicted.
    """

    scale: int = 1
    sees_whole_image: bool = False
    keeps_lightness: bool = False


class Method(NamedTuple):
    """A pure algorithm: how it starts, how it advances, what it shows.

    Attributes:
      init: builds the initial state.
      phases: what runs, in order.
      sample: makes images.
      frozen: pre-trained parameters, an argument of every function; they are not part of
        checkpoints. () if there are none.
      untrained: names of the networks of the state that no phase trains whole. A run takes them
        from another one (`init_from`).
      state_spec: how the state lies on the devices. P(): a copy on each. P('data'): every leaf
        leads with an axis over images and is split along it.
      output: the set of `sample` that is the result: what is written, measured and exported;
        None if `sample` shows images of the data set only (a classifier).
      latent_size: length of a latent; None without latents.
      num_images: number of images in the state, for methods that search images; None if
        `sample` draws images.
      num_classes: number of classes that `sample` distinguishes; None without labels.
      num_targets: number of classes that a step learns to tell; None if it learns none.
      guidance: the factor of guidance that `sample` takes by default; None without.
      translation: set if `sample` maps batch['input'] to the output; None if it generates.
      energy: (state, images [n, height, width, channels]) -> float32 [n], small for images
        like those of the data set; None without an evaluator.
      reconstruct: (state, images [n, height, width, channels]) -> the same images, in [-1, 1], by
        the autoencoder whose decoder makes all samples; None without one.
      threshold: state -> the energy, a scalar, above which an image is rejected; None without
        one.
      logits_have_scale: whether the gap between the metrics `real_logit` and `fake_logit` can
        be compared with a constant; False for Wasserstein losses.
    """

    init: InitFn
    phases: tuple[Phase, ...]
    sample: SampleFn
    frozen: Frozen = ()
    untrained: tuple[str, ...] = ()
    state_spec: PartitionSpec = PartitionSpec()
    output: str | None = 'generated'
    latent_size: int | None = None
    num_images: int | None = None
    num_classes: int | None = None
    num_targets: int | None = None
    guidance: float | None = None
    translation: Translation | None = None
    energy: Callable[[State, jax.Array], jax.Array] | None = None
    reconstruct: Callable[[State, jax.Array], jax.Array] | None = None
    threshold: Callable[[State], jax.Array] | None = None
    logits_have_scale: bool = True
