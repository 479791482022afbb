"""The training step of generators of images from latents: `gan` and `growing_gan`.

It adds to the update of adversarial/update.py what these two methods share: latents and labels,
augmentation of what the discriminator sees, schedules, and a moving average of the generator.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, latents, options, train_state
from imggen.augmentation import adaptive
from imggen.errors import UserError
from imggen.losses import adversarial
from imggen.methods.adversarial import update
from imggen.train_state import TrainState

_AID = 2**30 + 7  # Folded into the key of a step; other streams are in update.py.


@dataclasses.dataclass(frozen=True)
class Config:
    """The options that both methods have.

    Attributes:
      num_steps: number of updates of the discriminator.
      loss: one of losses.adversarial.LOSSES.
      r1_gamma, r2_gamma: weights of the gradient penalties on real and on generated images; 0
        for none.
      gamma_end: the fraction of both gammas that is left at the end, along a cosine.
      gradient_penalty: weight of the penalty that keeps the norm of gradients between real and
        generated images at 1 (Wasserstein); 0 for none.
      penalty_every_steps: the interval of lazy penalties: they are computed once in this many
        steps and multiplied by it.
      weight_clip: bound on the absolute value of the discriminator's parameters (Wasserstein); 0
        for none.
      discriminator_steps: updates of the discriminator for each update of the generator.
      augment: options of adaptive.Augmentation; {} for none.
      latent_size: length of a latent vector, which is standard normal.
      num_classes: number of classes that both networks are conditioned on; 0 for none.
      learning_rate: learning rate of Adam, for both networks.
      learning_rate_end: the fraction of it that is left at the end, along a cosine.
      b1, b2: decay rates of Adam's moments.
      b2_end: b2 at the end, along a cosine; None for a constant b2.
      ema_half_life_images: half-life of the moving average of the generator, in images.
    """

    num_steps: int
    loss: str = 'nonsaturating'
    r1_gamma: float = 0.0
    r2_gamma: float = 0.0
    gamma_end: float = 1.0
    gradient_penalty: float = 0.0
    penalty_every_steps: int = 1
    weight_clip: float = 0.0
    discriminator_steps: int = 1
    augment: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    latent_size: int = 64
    num_classes: int = 0
    learning_rate: float = 2e-4
    learning_rate_end: float = 1.0
    b1: float = 0.5
    b2: float = 0.999
    b2_end: float | None = None
    ema_half_life_images: float = 10_000.0


@struct.dataclass
class State:
    """What a checkpoint holds. Samples are drawn with the generator's averaged variables, `ema`."""

    step: jax.Array
    generator: TrainState
    discriminator: TrainState
    ema: Any


@struct.dataclass
class AdaptiveState(State):
    """The state if the probability of augmentation adapts, with its `control`."""

    control: adaptive.Control


@struct.dataclass
class AidedState(State):
    """The state with a second discriminator, whose train state is `heads`."""

    heads: TrainState


class Aid(NamedTuple):
    """A second discriminator, on the features of a frozen network (Kumari et al. 2022).

    Its loss is binary cross-entropy with a target of 0.8 for real images.

    Attributes:
      apply: (variables, images, train=, rngs=, mutable=) -> (logits [n, k], changed collections).
      optimizer: the optimizer of its parameters.
      weight: weight of its loss in the loss of the generator.
      first_step: the first step in which the generator learns from it.
    """

    apply: Callable
    optimizer: optax.GradientTransformation
    weight: float
    first_step: int


class Setup(NamedTuple):
    """What stays the same over the steps of a run.

    `axis_name` is the pmap axis that the step runs under; None under jit.
    """

    config: Config
    loss: adversarial.Loss
    augmentation: adaptive.Augmentation
    generator_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation
    axis_name: str | None


def make_setup(config: Config, *, axis_name: str | None, schedule_steps: int) -> Setup:
    """Builds the setup of a config.

    `schedule_steps` is the length of the schedules of Adam.

    Raises:
      UserError: an option has an unknown or impossible value.
    """
    for name in ('discriminator_steps', 'penalty_every_steps'):
        if (steps := getattr(config, name)) < 1:
            raise UserError(f'config.method.{name} is {steps}; set it to 1 or more.')
    where = 'config.method.augment'
    generator_steps = max(1, schedule_steps // config.discriminator_steps)
    return Setup(
        config,
        loss=options.choose(adversarial.LOSSES, config.loss, where='config.method.loss'),
        augmentation=options.build(adaptive.Augmentation, config.augment, where=where),
        generator_optimizer=make_optimizer(config, generator_steps),
        discriminator_optimizer=make_optimizer(config, schedule_steps),
        axis_name=axis_name,
    )


def make_optimizer(config: Config, num_steps: int) -> optax.GradientTransformation:
    """Returns Adam, whose learning rate and b2 follow cosines over `num_steps`."""
    start, end = config.b2, config.b2_end
    b2 = start
    if end is not None and not math.isclose(start, end):
        left = optax.cosine_decay_schedule(1.0, num_steps)
        b2 = lambda step: end + (start - end) * left(step)
    learning_rate = optax.cosine_decay_schedule(
        config.learning_rate, num_steps, alpha=config.learning_rate_end
    )
    return train_state.adam(learning_rate, b1=config.b1, b2=b2)


def create_state(
    setup: Setup, generator_variables, discriminator_variables, *, heads: TrainState | None = None
) -> State:
    """Builds the initial state from the variables that the modules returned from `init`.

    `heads` is the train state of a second discriminator; None for none.
    """
    generator = train_state.create(generator_variables, setup.generator_optimizer)
    state = {
        'step': jnp.int32(0),
        'generator': generator,
        'discriminator': train_state.create(discriminator_variables, setup.discriminator_optimizer),
        'ema': generator.variables,
    }
    if heads is not None:
        return AidedState(**state, heads=heads)
    if setup.augmentation.target:
        return AdaptiveState(**state, control=adaptive.start(setup.augmentation))
    return State(**state)


def restart_optimizers(setup: Setup, state: State) -> State:
    """Returns the state with new optimizers."""
    generator, discriminator = state.generator.variables, state.discriminator.variables
    return state.replace(
        generator=train_state.create(generator, setup.generator_optimizer),
        discriminator=train_state.create(discriminator, setup.discriminator_optimizer),
    )


def advance(
    key: jax.Array,
    setup: Setup,
    state: State,
    batch: Mapping[str, jax.Array],
    generator_apply: Callable,
    discriminator_apply: Callable,
    *,
    aid: Aid | None = None,
) -> tuple[State, Mapping[str, jax.Array]]:
    """Makes one step; returns the new state and metrics.

    Args:
      batch: 'image' and, if the config has classes, 'label'.
      generator_apply: (variables, latent, label, train=, rngs=, mutable=) -> (images, changed
        collections), the `apply` of a linen module.
      discriminator_apply: the same for (variables, images, label, ...) -> logits [n].
      aid: a second discriminator; None for none.
    """
    config = setup.config
    real, label = batch['image'], latents.real_labels(batch, config.num_classes)
    generated = _generate(setup, key, state, generator_apply, label, len(real))
    discriminate = update.Discriminate(
        lambda variables, images, **how: discriminator_apply(
            variables, images, label, train=True, **how
        ),
        key,
        _augment(setup, state),
        setup.axis_name,
    )
    discriminator, metrics, overfitting = _update_discriminator(
        setup, state, discriminate, real, generated.images
    )
    loss_fn = functools.partial(
        update.generator_loss,
        discriminator=discriminator,
        discriminate=discriminate,
        real=real,
        loss=setup.loss,
    )
    new = {}
    if aid is not None:
        new['heads'], aid_metrics, loss_fn = _update_aid(
            setup, state, aid, key, real, generated.images, loss_fn
        )
        metrics |= aid_metrics
    generator, generator_metrics = _update_generator(setup, state, generated, loss_fn)
    ema = train_state.ema_update(
        state.ema,
        generator.variables,
        images=len(real),
        half_life_images=config.ema_half_life_images,
        step=state.step,
        axis_name=setup.axis_name,
    )
    metrics |= generator_metrics
    new |= {'generator': generator, 'discriminator': discriminator, 'ema': ema}
    if setup.augmentation.target:
        new['control'] = _adapt(setup, state, overfitting, len(real))
        metrics['augment_probability'] = state.control.probability
    state = state.replace(step=state.step + 1, **new)
    return state, train_state.mean_over(setup.axis_name, metrics)


def _update_aid(setup: Setup, state: AidedState, aid: Aid, key, real, fake, loss_fn: Callable):
    """Updates the second discriminator.

    Returns:
      Its train state, metrics, and the loss of the generator with both discriminators.
    """
    discriminate = update.Discriminate(
        lambda variables, images, **how: aid.apply(variables, images, train=True, **how),
        jax.random.fold_in(key, _AID),
        _augment(setup, state),
        setup.axis_name,
    )
    heads, metrics, _ = update.update_discriminator(
        state.heads,
        discriminate,
        real,
        fake,
        loss=adversarial.SMOOTHED,
        optimizer=aid.optimizer,
    )
    weight = aid.weight * (state.step >= aid.first_step)

    def both(images):
        value, metrics = loss_fn(images)
        aided, _ = update.generator_loss(
            images, heads, discriminate, real, loss=adversarial.SMOOTHED
        )
        return value + weight * aided, metrics | {'aided_generator_loss': aided}

    return heads, {f'aided_{name}': value for name, value in metrics.items()}, both


def _generate(setup: Setup, key, state: State, generator_apply, label, count: int):
    """Generates images [count] from latents that are drawn from the keys of the images."""
    image_keys = keys.per_image(key, count, axis_name=setup.axis_name)
    latent = latents.draw(image_keys, setup.config.latent_size)
    return update.generate(
        key,
        lambda variables, **how: generator_apply(variables, latent, label, train=True, **how),
        state.generator,
        axis_name=setup.axis_name,
    )


def _augment(setup: Setup, state: State):
    """Returns (keys [n], images) -> augmented images; None without augmentation."""
    augmentation = setup.augmentation
    if not augmentation.kinds:
        return None
    probability = state.control.probability if augmentation.target else augmentation.probability
    return lambda image_keys, images: adaptive.augment(
        image_keys, images, probability, augmentation.kinds
    )


def _adapt(setup: Setup, state: State, overfitting, num_images: int) -> adaptive.Control:
    if setup.axis_name is not None:
        num_images *= jax.lax.axis_size(setup.axis_name)
    return adaptive.adapt(
        state.control,
        setup.augmentation,
        train_state.mean_over(setup.axis_name, overfitting),
        state.step,
        images_per_step=num_images,
    )


def _update_discriminator(setup: Setup, state: State, discriminate, real, fake):
    config = setup.config
    gamma_scale = optax.cosine_decay_schedule(1.0, max(1, config.num_steps), alpha=config.gamma_end)
    discriminator, metrics, overfitting = update.update_discriminator(
        state.discriminator,
        discriminate,
        real,
        fake,
        loss=setup.loss,
        optimizer=setup.discriminator_optimizer,
        penalties=update.Penalties(
            config.r1_gamma, config.r2_gamma, config.gradient_penalty, config.penalty_every_steps
        ),
        gamma_scale=gamma_scale(state.step),
        step=state.step,
    )
    if bound := config.weight_clip:
        clipped = jax.tree.map(lambda leaf: jnp.clip(leaf, -bound, bound), discriminator.params)
        discriminator = discriminator.replace(params=clipped)
    return discriminator, metrics, overfitting


def _update_generator(setup: Setup, state: State, generated: update.Generated, loss_fn: Callable):
    """Updates the generator in the last of every `discriminator_steps` steps.

    Its metrics are multiplied by that number, and are 0 in the other steps, so that their mean
    over steps is their mean over updates.
    """

    def update_now():
        return update.update_generator(
            state.generator,
            generated,
            loss_fn,
            optimizer=setup.generator_optimizer,
            axis_name=setup.axis_name,
        )

    every = setup.config.discriminator_steps
    if every == 1:
        return update_now()

    def update_and_scale():
        generator, metrics = update_now()
        return generator, jax.tree.map(lambda value: every * value, metrics)

    def skip():
        _, metrics = jax.eval_shape(update_now)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), metrics)
        return state.generator, zeros

    return jax.lax.cond(state.step % every == every - 1, update_and_scale, skip)
