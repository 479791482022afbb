"""GFMN (Santos et al. 2019): generated images get the moments of real ones, without an adversary.

Phase `measure` averages the mean and the variance of every feature of a pretrained network over
real images. In phase `generator` the batches are too small to compare these with their own moments.
Moving averages v of the differences, which Adam updates, carry what many batches say:

  v <- Adam step on |v - (moment(real) - moment(G(z)))|^2 / 2,  the loss is -v . moment(G(z)) / d

for the mean and for the variance. Each feature counts on its own: the moments say nothing of what
occurs together, so images of many kinds may mix.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, latents, options, train_state
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.methods.evaluator import pretrained, student


@dataclasses.dataclass(frozen=True)
class Config(student.Config):
    """Options of `config.method`, in addition to those of `student.Config`.

    Attributes:
      measure_share: fraction of the steps that measure real images.
      average_learning_rate: learning rate of Adam for the moving averages v. Features differ by
        about 0.3 between images. The paper makes two million steps with 1e-5.
    """

    measure_share: float = 0.1
    average_learning_rate: float = 3e-4


@struct.dataclass
class State:
    """What a checkpoint holds. Moments are {'mean', 'variance'}, [d] each.

    Attributes:
      measured: number of batches in `real`, float32.
      real: means over real images of each feature and of its square, {'mean', 'square'}.
      average: v.
      opt_state: Adam's moments of v.
    """

    student: student.State
    measured: jax.Array
    real: Mapping[str, jax.Array]
    average: Mapping[str, jax.Array]
    opt_state: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown or impossible value.
    """
    config = options.build(Config, config, where='config.method')
    if not 0 <= config.measure_share < 1:
        raise UserError(
            f'config.method.measure_share={config.measure_share}: set it to 0 or more, below 1.'
        )
    if config.average_learning_rate <= 0:
        raise UserError(
            f'config.method.average_learning_rate={config.average_learning_rate}: set it above 0, '
            'or nothing is learned.'
        )
    measuring = max(1, round(config.num_steps * config.measure_share))
    if measuring >= config.num_steps:
        raise UserError(
            f'config.method.num_steps={config.num_steps} leaves no step for the generator: raise '
            'it, or lower config.method.measure_share.'
        )

    def init(key, frozen, batch):
        images = batch['image']
        embed = functools.partial(_features, config, frozen)
        zeros = jnp.zeros(jax.eval_shape(embed, images[:1]).shape[1])
        average = {'mean': zeros, 'variance': zeros}
        return State(
            student=student.create(key, config, images.shape),
            measured=jnp.float32(0.0),
            real={'mean': zeros, 'square': zeros},
            average=average,
            opt_state=_optimizer(config).init(average),
        )

    def sample(image_keys, state, frozen, batch):
        del frozen
        return student.sample(config, image_keys, state.student, batch)

    return Method(
        init,
        (
            Phase('measure', measuring, _measure_step(config, axis_name), moves_samples=False),
            Phase('generator', config.num_steps - measuring, _generator_step(config, axis_name)),
        ),
        sample,
        latent_size=config.latent_size,
        frozen=pretrained.load(config.network),
    )


def _measure_step(config: Config, axis_name):
    """Returns the step that adds a batch to the moments of real images."""

    def step(key, state, frozen, batch):
        del key
        images = batch['image']
        found = _means(_features(config, frozen, images), axis_name)
        weight = 1.0 / (state.measured + 1.0)
        real = optax.incremental_update(found, state.real, weight)
        variance = jnp.mean(_moments(real)['variance'])
        return state.replace(measured=state.measured + 1.0, real=real), {'variance': variance}

    return step


def _generator_step(config: Config, axis_name):
    """Returns the step that moves the averages, then the generator."""
    optimizer = _optimizer(config)

    def step(key, state, frozen, batch):
        shape = batch['image'].shape
        latent = latents.draw(
            keys.per_image(key, shape[0], axis_name=axis_name), config.latent_size
        )
        generated = student.generate(key, config, state.student, latent, shape, axis_name=axis_name)
        embed = functools.partial(_features, config, frozen)
        fake = _moments(_means(embed(generated.images), axis_name))
        gap = jax.tree.map(jnp.subtract, _moments(state.real), fake)
        errors = jax.tree.map(jnp.subtract, state.average, gap)
        changes, opt_state = optimizer.update(errors, state.opt_state)
        average = optax.apply_updates(state.average, changes)

        def loss_fn(images):
            # The gradient of v . variance, whatever the devices: the mean of all images is fixed.
            features = embed(images)
            spread = jnp.square(features - fake['mean'][None])
            return -jnp.mean(features * average['mean'][None] + spread * average['variance'][None])

        learned, metrics = student.learn(
            config, state.student, generated, loss_fn, axis_name=axis_name
        )
        metrics |= {
            f'{name}_gap': jnp.sqrt(jnp.mean(jnp.square(each))) for name, each in gap.items()
        }
        state = state.replace(student=learned, average=average, opt_state=opt_state)
        return state, train_state.mean_over(axis_name, metrics)

    return step


def _features(config: Config, frozen, images: jax.Array) -> jax.Array:
    """Returns features [n, d], whose mean squared difference is the distance of two images."""
    embedded = pretrained.embed(config.network, frozen, images, **config.distance)
    return embedded * embedded.shape[1] ** 0.5


def _means(features: jax.Array, axis_name: str | None) -> Mapping[str, jax.Array]:
    """Returns the means of features [n, d] and of their squares over the whole batch."""
    means = {'mean': features.mean(0), 'square': jnp.square(features).mean(0)}
    return train_state.mean_over(axis_name, means)


def _moments(means: Mapping[str, jax.Array]) -> Mapping[str, jax.Array]:
    """Turns the result of `_means` into means and variances."""
    variance = jnp.maximum(means['square'] - jnp.square(means['mean']), 0.0)
    return {'mean': means['mean'], 'variance': variance}


def _optimizer(config: Config) -> optax.GradientTransformation:
    return train_state.adam(config.average_learning_rate, b1=0.5)
