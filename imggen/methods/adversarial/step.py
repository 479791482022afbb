"""One update of a generator and a discriminator: what all adversarial methods share.

The discriminator learns from one batch of real and one of generated images, and then
the generator. The images are generated once, where published trainers draw new ones for
each player: the generator's gradient goes back through the forward pass that the
discriminator learned from, judged by the discriminator as it is after its update.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, latents, options, schedules, train_state
from imggen.augmentation import adaptive
from imggen.errors import UserError
from imggen.losses import adversarial
from imggen.train_state import TrainState

# Beyond the number of any image, so that these draws share no key with a latent.
_BETWEEN, _AUGMENT = 2**30 + 1, 2**30 + 2


@dataclasses.dataclass(frozen=True)
class Config:
    """The options that all adversarial methods have.

    Attributes:
      num_steps: updates of the discriminator.
      loss: one of adversarial.LOSSES.
      r1_gamma, r2_gamma: weights of the penalties on the gradients at real and at
        generated images; 0 for none.
      gamma_end: fraction of both gammas that is left at the end, along a cosine.
      gradient_penalty: weight of the penalty on gradients between real and generated
        images whose norm is not 1 (Wasserstein); 0 for none.
      penalty_every_steps: steps from one with penalties to the next ("lazy"); they
        then weigh as many times as much.
      weight_clip: bound of the discriminator's parameters (Wasserstein); 0 for none.
      discriminator_steps: updates of the discriminator to one of the generator.
      augment: options of adaptive.Augmentation; {} for none.
      latent_size: numbers in a latent vector, standard normal.
      num_classes: of the labels that both players are told; 0 for none.
      learning_rate: of Adam, for both players.
      learning_rate_end: fraction that is left at the end, along a cosine.
      b1, b2: decays of Adam's moments; `b2_end` is b2 at the end, along a cosine.
      ema_half_life_images: of the average generator, in images seen.
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
    """What a checkpoint holds.

    Attributes:
      step: updates made, int32.
      generator, discriminator: the players.
      ema: variables of the average generator.
    """

    step: jax.Array
    generator: TrainState
    discriminator: TrainState
    ema: Any


@struct.dataclass
class AdaptiveState(State):
    """The state where the strength of the augmentation adapts: `control` besides."""

    control: adaptive.Control


class Game(NamedTuple):
    """The game of one config.

    Attributes:
      start: (generator's variables, discriminator's) -> State.
      restart: State -> State, with the optimizers as they are at the start.
      update: (key, state, batch, generate, criticise) -> (state, metrics), where
        generate(variables, latent, label, train=, mutable=) makes images and
        criticise(variables, images, label, train=, mutable=) logits, as the `apply`
        of linen modules does; both return (result, new statistics).
    """

    start: Callable[..., State]
    restart: Callable[[State], State]
    update: Callable[..., tuple[State, Mapping[str, jax.Array]]]


def make(
    config: Config, *, axis_name: str | None = None, schedule_steps: int | None = None
) -> Game:
    """Makes the game; UserError for an unknown loss or option of the augmentation.

    Args:
      config: the options.
      axis_name: the pmap axis that the update runs under; None under jit.
      schedule_steps: how long Adam's schedules are; as long as the run by default.
    """
    loss = options.choose(adversarial.LOSSES, config.loss, where='config.method.loss')
    augmentation = options.build(
        adaptive.Augmentation, config.augment, where='config.method.augment'
    )
    for name in ('discriminator_steps', 'penalty_every_steps'):
        if (steps := getattr(config, name)) < 1:
            raise UserError(f'config.method.{name} is {steps}; set it to 1 or more.')
    turns = config.discriminator_steps
    schedule_steps = schedule_steps or config.num_steps
    critic_optimizer = _optimizer(config, schedule_steps)
    optimizer = _optimizer(config, max(1, schedule_steps // turns))

    def start(generator, discriminator):
        state = {
            'step': jnp.int32(0),
            'generator': train_state.create(generator, optimizer),
            'discriminator': train_state.create(discriminator, critic_optimizer),
            'ema': generator,
        }
        if augmentation.target:
            return AdaptiveState(**state, control=adaptive.start(augmentation))
        return State(**state)

    def restart(state):
        return state.replace(
            generator=train_state.create(state.generator.variables, optimizer),
            discriminator=train_state.create(state.discriminator.variables, critic_optimizer),
        )

    def update(key, state, batch, generate, criticise):
        real, label = batch['image'], latents.real_labels(batch, config.num_classes)
        image_keys = keys.per_image(key, len(real), axis_name=axis_name)
        latent = latents.draw(image_keys, config.latent_size)
        gamma_scale = schedules.cosine(1.0, config.gamma_end, state.step / config.num_steps)
        strength = state.control.probability if augmentation.target else augmentation.probability

        def draws(stream):
            return keys.per_image(jax.random.fold_in(key, stream), len(real), axis_name=axis_name)

        def augmented(images, use):
            if not augmentation.kinds:
                return images
            return adaptive.augment(draws(_AUGMENT + use), images, strength, augmentation.kinds)

        def generated(params):
            variables = {'params': params, **state.generator.batch_stats}
            return generate(variables, latent, label, train=True, mutable=['batch_stats'])

        def criticised(params, statistics, images, use):
            variables = {'params': params, **statistics}
            images = augmented(images, use)
            return criticise(variables, images, label, train=True, mutable=['batch_stats'])

        fake, pull_back, generator_statistics = jax.vjp(
            generated, state.generator.params, has_aux=True
        )

        def discriminator_loss(params, *, weight):
            def critic(statistics, use):
                return lambda images: criticised(params, statistics, images, use)

            statistics = state.discriminator.batch_stats
            real_logits, r1, statistics = adversarial.penalized(
                critic(statistics, 0), real, weight * config.r1_gamma, gamma_scale
            )
            fake_logits, r2, statistics = adversarial.penalized(
                critic(statistics, 1), fake, weight * config.r2_gamma, gamma_scale
            )
            game = jnp.mean(loss.discriminator(real_logits, fake_logits))
            report = {'discriminator_loss': game}
            report |= {'real_logit': real_logits.mean(), 'fake_logit': fake_logits.mean()}
            report |= {'r1': r1.mean()} if config.r1_gamma else {}
            report |= {'r2': r2.mean()} if config.r2_gamma else {}
            penalty = jnp.mean(r1 + r2)
            if config.gradient_penalty:
                slopes = jnp.zeros(len(real))
                if weight:
                    slopes = adversarial.slope_penalty(
                        critic(statistics, 0), draws(_BETWEEN), real, fake
                    )
                report['gradient_penalty'] = weight * config.gradient_penalty * slopes.mean()
                penalty += report['gradient_penalty']
            sure = real_logits - fake_logits if loss.relative else real_logits
            return game + penalty, (report, statistics, jnp.mean(jnp.sign(sure)))

        def gradient(weight):
            params = state.discriminator.params
            return jax.grad(discriminator_loss, has_aux=True)(params, weight=weight)

        every = config.penalty_every_steps
        if every == 1:
            gradients, aux = gradient(1)
        else:
            gradients, aux = jax.lax.cond(
                state.step % every == 0, lambda: gradient(every), lambda: gradient(0)
            )
        report, statistics, sign = aux
        gradients = train_state.mean_over(axis_name, gradients)
        report['discriminator_gradient'] = optax.tree.norm(gradients)
        critic = train_state.update(
            state.discriminator, gradients, critic_optimizer, batch_stats=statistics
        )
        if bound := config.weight_clip:
            clipped = jax.tree.map(lambda leaf: jnp.clip(leaf, -bound, bound), critic.params)
            critic = critic.replace(params=clipped)

        def generator_loss(fake):
            real_logits, _ = criticised(critic.params, critic.batch_stats, real, 2)
            fake_logits, _ = criticised(critic.params, critic.batch_stats, fake, 3)
            return jnp.mean(loss.generator(real_logits, fake_logits))

        def generator_turn():
            value, gradient_at_fake = jax.value_and_grad(generator_loss)(fake)
            (gradients,) = pull_back(gradient_at_fake)
            gradients = train_state.mean_over(axis_name, gradients)
            report = {'generator_loss': value}
            report['generator_gradient'] = optax.tree.norm(gradients)
            player = train_state.update(
                state.generator, gradients, optimizer, batch_stats=generator_statistics
            )
            return player, report

        player, of_generator = _every(turns, state, generator_turn)
        report |= of_generator

        images_per_step = len(real) * jax.lax.axis_size(axis_name) if axis_name else len(real)
        ema = train_state.ema_update(
            state.ema,
            player.variables,
            images=len(real),
            half_life_images=config.ema_half_life_images,
            step=state.step,
            axis_name=axis_name,
        )
        changes = {}
        if augmentation.target:
            sign = train_state.mean_over(axis_name, sign)
            changes['control'] = adaptive.adapt(
                state.control, augmentation, sign, state.step, images_per_step=images_per_step
            )
            report['augment_probability'] = state.control.probability
        state = state.replace(
            step=state.step + 1,
            generator=player,
            discriminator=critic,
            ema=ema,
            **changes,
        )
        return state, train_state.mean_over(axis_name, report)

    return Game(start, restart, update)


def _every(turns, state, generator_turn):
    """Updates the generator in the last of `turns` steps.

    Its report then counts `turns` times and otherwise 0, so that the mean over steps
    is that over the generator's updates.
    """
    if turns == 1:
        return generator_turn()

    def learn():
        player, report = generator_turn()
        return player, jax.tree.map(lambda value: turns * value, report)

    def rest():
        _, report = jax.eval_shape(generator_turn)
        return state.generator, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), report)

    return jax.lax.cond(state.step % turns == turns - 1, learn, rest)


def _optimizer(config: Config, num_steps: int):
    def learning_rate(step):
        return schedules.cosine(
            config.learning_rate, config.learning_rate * config.learning_rate_end, step / num_steps
        )

    b2 = config.b2
    if config.b2_end is not None and not math.isclose(config.b2_end, config.b2):
        b2 = lambda step: schedules.cosine(config.b2, config.b2_end, step / num_steps)  # noqa: E731
    return train_state.adam(learning_rate, b1=config.b1, b2=b2)
