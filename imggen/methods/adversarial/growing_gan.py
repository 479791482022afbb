"""Progressive growing (Karras et al. 2018): trains small images first, then twice the size.

There is one phase per resolution, over a state of fixed shape (networks/growing.py). A phase
begins with the fade of its new layers. The weight of the fade is a function of the step alone, so
that a run that is interrupted in the middle of a fade resumes exactly. Each phase starts with new
optimizers: the moments of layers that had no gradient would make their first updates too large.

The weights of the penalties are those of the full size. At half the size a gradient with respect to
a pixel counts four times in R1 and R2, so these are weighted by a quarter. `gradient_penalty` is
not.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from imggen import latents, options
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.adversarial import step as adversarial_step
from imggen.networks import growing
from imggen.networks.blocks import crop


@dataclasses.dataclass(frozen=True)
class Config(adversarial_step.Config):
    """Options of `config.method`, in addition to those of `adversarial.step.Config`.

    The schedules of Adam restart with each phase; those of the penalties run over all phases.

    Attributes:
      features: features of each level, the smallest size first; 28 x 28 with three levels grows
        through 7, 14 and 28.
      shares: relative number of steps of each level, for example (1, 1, 2); () for equal shares.
        (0, 0, 1) trains all layers from the start, without growth.
      fade: the fraction of a phase during which its new layers are faded in.
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
    lengths = [
        end - start for start, end in zip(starts, (*starts[1:], config.num_steps), strict=True)
    ]
    levels = range(len(config.features))
    setups = [_setup(config, level, lengths[level], axis_name) for level in levels]
    networks = functools.partial(_networks, config, axis_name)

    def init(key, frozen, batch):
        del frozen
        generator, discriminator = networks(batch['image'].shape[1:])
        generator_key, discriminator_key = jax.random.split(key)
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        real = growing.at_level(batch['image'][:1], levels[-1], 1.0, levels=len(levels))
        full = {'level': levels[-1], 'fade': 1.0, 'train': False}
        latent = jnp.zeros((1, config.latent_size))
        return adversarial_step.create_state(
            setups[0],
            generator.init(generator_key, latent, label, **full),
            discriminator.init(discriminator_key, real, label, **full),
        )

    def step_at(level, key, state, frozen, batch):
        del frozen
        both = networks(batch['image'].shape[1:])
        return _advance(setups[level], level, starts, key, state, batch, both)

    def sample(image_keys, state, frozen, batch):
        """Images of the current level, enlarged to the full size."""
        del frozen
        shape = batch['image'].shape[1:]
        latent = latents.given_or_drawn(image_keys, batch, config.latent_size)
        label = latents.given_or_drawn_labels(image_keys, batch, config.num_classes)
        apply = functools.partial(networks(shape)[0].apply, state.ema, latent, label, train=False)

        def images_at(level, step):
            images = apply(level=level, fade=fade_at(step, level, starts, config))
            for _ in range(levels[-1] - level):
                images = growing.up(images)
            return jnp.clip(crop(images, shape[:2]), -1, 1)

        current = jnp.sum(state.step >= jnp.asarray(starts)) - 1
        branches = [functools.partial(images_at, level) for level in levels]
        return {'generated': jax.lax.switch(current, branches, state.step)}

    return Method(
        init,
        tuple(
            Phase(f'level_{level}', lengths[level], functools.partial(step_at, level))
            for level in levels
        ),
        sample,
        latent_size=config.latent_size,
        num_classes=config.num_classes or None,
        logits_have_scale=setups[0].loss.has_scale,
    )


def _advance(
    setup: adversarial_step.Setup,
    level: int,
    starts: tuple[int, ...],
    key: jax.Array,
    state: adversarial_step.State,
    batch: Mapping[str, jax.Array],
    networks: tuple[growing.Generator, growing.Discriminator],
):
    """Makes one step of a level; returns the new state and metrics."""
    fade = fade_at(state.step, level, starts, setup.config)
    if starts[level]:
        restart = functools.partial(adversarial_step.restart_optimizers, setup)
        state = jax.lax.cond(state.step == starts[level], restart, lambda state: state, state)
    real = growing.at_level(batch['image'], level, fade, levels=len(starts))
    generator, discriminator = networks
    state, metrics = adversarial_step.advance(
        key,
        setup,
        state,
        {**batch, 'image': real},
        functools.partial(generator.apply, level=level, fade=fade),
        functools.partial(discriminator.apply, level=level, fade=fade),
    )
    return state, {**metrics, 'fade': fade}


def _setup(config: Config, level: int, num_steps: int, axis_name: str | None):
    """Returns the setup of a level, with the weights of its penalties."""
    weight = 0.25 ** (len(config.features) - 1 - level)
    gammas = {name: weight * getattr(config, name) for name in ('r1_gamma', 'r2_gamma')}
    return adversarial_step.make_setup(
        dataclasses.replace(config, **gammas), axis_name=axis_name, schedule_steps=max(1, num_steps)
    )


def _networks(config: Config, axis_name: str | None, shape: tuple[int, int, int]):
    """Builds the generator and the discriminator for images that grow to a shape."""
    shared = {
        'features': config.features,
        'num_classes': config.num_classes,
        'axis_name': axis_name,
    }
    return (
        options.build(
            growing.Generator,
            config.generator,
            where='config.method.generator',
            **shared,
            shape=shape,
        ),
        options.build(
            growing.Discriminator,
            config.discriminator,
            where='config.method.discriminator',
            **shared,
        ),
    )


def level_starts(config: Config) -> tuple[int, ...]:
    """Returns the step at which the phase of each level starts.

    Raises:
      UserError: `shares` does not assign steps to each level.
    """
    shares = config.shares or (1,) * len(config.features)
    if len(shares) != len(config.features) or min(shares) < 0 or sum(shares) <= 0:
        raise UserError(
            f'config.method.shares={shares} does not assign steps to each of the '
            f'{len(config.features)} levels of config.method.features: give one number per level.'
        )
    before = [sum(shares[:level]) / sum(shares) for level in range(len(shares))]
    return tuple(round(config.num_steps * part) for part in before)


def fade_at(step: jax.Array, level: int, starts: tuple[int, ...], config: Config) -> jax.Array:
    """Returns the weight of a level's new layers at a step, a scalar in [0, 1].

    A level is not faded in if no steps were spent on a level below it.
    """
    if not starts[level] or not config.fade:
        return jnp.float32(1.0)
    end = (*starts[1:], config.num_steps)[level]
    return jnp.clip((step - starts[level]) / (config.fade * max(end - starts[level], 1)), 0.0, 1.0)
