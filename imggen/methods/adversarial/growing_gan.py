"""Progressive growing (Karras et al. 2018): a small game first, then one of twice the size.

One phase a resolution over a state of fixed shape (networks/growing.py). A phase
begins with the fade of its new layers, whose weight is a function of the step alone,
so that a run that is cut in the middle of a fade goes on as it would have. The
optimizers start anew with each phase: the moments of layers that had no gradient
would make their first updates too large.

The penalties' weights are for the full size; at half the size a gradient with respect
to a pixel counts four times, and they weigh a quarter.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from imggen import latents, options
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.adversarial import step as game
from imggen.networks import growing
from imggen.networks.blocks import crop


@dataclasses.dataclass(frozen=True)
class Config(game.Config):
    """Options of `config.method`, besides those of every game.

    Schedules of Adam run anew in each phase, those of the penalties over the run.

    Attributes:
      features: of each level, the smallest size first; 28 x 28 with three grows
        7, 14, 28.
      shares: of the steps, what each level gets, for example (1, 1, 2); () for equal
        shares. (0, 0, 1) trains all layers from the start, without growth.
      fade: part of a phase in which its new layers are faded in.
      generator, discriminator: further options of the two modules.
    """

    features: tuple[int, ...] = (128, 64, 32)
    shares: tuple[float, ...] = ()
    fade: float = 0.5
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    starts = level_starts(config)
    levels = len(config.features)
    ends = (*starts[1:], config.num_steps)

    def game_at(level):
        weight = 0.25 ** (levels - 1 - level)
        gammas = {name: weight * getattr(config, name) for name in ('r1_gamma', 'r2_gamma')}
        return game.make(
            dataclasses.replace(config, **gammas),
            axis_name=axis_name,
            schedule_steps=max(1, ends[level] - starts[level]),
        )

    games = [game_at(level) for level in range(levels)]

    def networks(batch):
        shared = {
            'features': config.features,
            'num_classes': config.num_classes,
            'axis_name': axis_name,
        }
        generator = {**config.generator, **shared, 'shape': batch['image'].shape[1:]}
        discriminator = {**config.discriminator, **shared}
        return (
            options.build(growing.Generator, generator, where='config.method.generator'),
            options.build(
                growing.Discriminator, discriminator, where='config.method.discriminator'
            ),
        )

    def init(key, frozen, batch):
        del frozen
        generator, discriminator = networks(batch)
        generator_key, discriminator_key = jax.random.split(key)
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        real = growing.at_level(batch['image'][:1], levels - 1, 1.0, levels=levels)
        grown = {'level': levels - 1, 'fade': 1.0, 'train': False}
        latent = jnp.zeros((1, config.latent_size))
        return games[0].start(
            generator.init(generator_key, latent, label, **grown),
            discriminator.init(discriminator_key, real, label, **grown),
        )

    def step_at(level):
        def step(key, state, frozen, batch):
            del frozen
            generator, discriminator = networks(batch)
            fade = fade_at(state.step, level, starts, config)
            if starts[level]:
                state = jax.lax.cond(
                    state.step == starts[level], games[level].restart, lambda state: state, state
                )
            real = growing.at_level(batch['image'], level, fade, levels=levels)
            state, report = games[level].update(
                key,
                state,
                {**batch, 'image': real},
                lambda *args, **kwargs: generator.apply(*args, **kwargs, level=level, fade=fade),
                lambda *args, **kwargs: discriminator.apply(
                    *args, **kwargs, level=level, fade=fade
                ),
            )
            return state, {**report, 'fade': fade}

        return step

    def sample(key, state, frozen, batch):
        """Images as far as they have grown, enlarged to the full size."""
        del frozen
        generator, _ = networks(batch)
        latent = latents.given_or_drawn(key, batch, config.latent_size)
        label = latents.given_or_drawn_labels(key, batch, config.num_classes)

        def images_at(level):
            def images(step):
                fade = fade_at(step, level, starts, config)
                grown = generator.apply(
                    state.ema, latent, label, level=level, fade=fade, train=False
                )
                for _ in range(levels - 1 - level):
                    grown = growing.up(grown)
                return jnp.clip(crop(grown, batch['image'].shape[1:3]), -1, 1)

            return images

        reached = jnp.sum(state.step >= jnp.asarray(starts)) - 1
        branches = [images_at(level) for level in range(levels)]
        return {'generated': jax.lax.switch(reached, branches, state.step)}

    return Method(
        init,
        tuple(
            Phase(f'level_{level}', ends[level] - starts[level], step_at(level))
            for level in range(levels)
        ),
        sample,
        latent_size=config.latent_size,
        num_classes=config.num_classes or None,
    )


def level_starts(config: Config) -> tuple[int, ...]:
    """Returns the step at which each level's phase starts."""
    shares = config.shares or (1,) * len(config.features)
    if len(shares) != len(config.features) or min(shares) < 0 or sum(shares) <= 0:
        raise UserError(
            f'config.method.shares={shares} gives no part of the steps to each of the '
            f'{len(config.features)} levels of config.method.features: give as many numbers.'
        )
    before = [sum(shares[:level]) / sum(shares) for level in range(len(shares))]
    return tuple(round(config.num_steps * part) for part in before)


def fade_at(step: jax.Array, level: int, starts: tuple[int, ...], config: Config) -> jax.Array:
    """Returns the weight of a level's new layers at a step: scalar in [0, 1].

    A level that nothing was trained below needs no fade.
    """
    if not starts[level] or not config.fade:
        return jnp.float32(1.0)
    end = (*starts[1:], config.num_steps)[level]
    return jnp.clip((step - starts[level]) / (config.fade * max(end - starts[level], 1)), 0.0, 1.0)
