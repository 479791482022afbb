"""RS-IMLE (Vashist et al. 2024): every real image chooses its nearest sample, which comes nearer.

For each batch of n real images x a pool of m latents is drawn. Samples that are closer than epsilon
to an image of the batch are rejected: they are good enough, and to train on them alone would make
the latents of training unlike those of sampling. Then

  z(x) = the latent of the pool whose sample is nearest to x, and the loss is mean d(x, G(z(x)))

with the distance d of a pretrained network. No kind of image can be left out, because every image
chooses; there is no adversary, and nothing is averaged over unlike images as long as their choices
differ.

The paper draws one pool for the whole data set, keeps the choices for some epochs and searches in
random projections. Here the pool is that of a batch, a choice is used once, and the search is
exact, by one matrix product. The state holds the generator alone.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from imggen import keys, latents, options, train_state
from imggen.errors import UserError
from imggen.losses import energy
from imggen.method import Method, Phase
from imggen.methods.evaluator import pretrained, student


@dataclasses.dataclass(frozen=True)
class Config(student.Config):
    """Options of `config.method`, in addition to those of `student.Config`.

    Attributes:
      pool_factor: number of samples in the pool for each real image of the batch.
      epsilon: samples at a smaller distance from any image of the batch are rejected.
    """

    pool_factor: int = 10
    epsilon: float = 0.05


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown or impossible value.
    """
    config = options.build(Config, config, where='config.method')
    if config.pool_factor < 1:
        raise UserError(f'config.method.pool_factor={config.pool_factor}: set it to 1 or more.')
    if config.epsilon < 0:
        raise UserError(f'config.method.epsilon={config.epsilon}: set it to 0 or more.')

    def init(key, frozen, batch):
        del frozen
        return student.create(key, config, batch['image'].shape)

    def step(key, state, frozen, batch):
        real = batch['image']
        embed = functools.partial(pretrained.embed, config.network, frozen, **config.distance)
        targets = embed(real)
        latent, rejected = _chosen(config, key, state, targets, embed, real.shape, axis_name)
        generated = student.generate(key, config, state, latent, real.shape, axis_name=axis_name)

        def loss_fn(fake):
            return jnp.square(embed(fake) - targets).sum(1).mean()

        state, metrics = student.learn(config, state, generated, loss_fn, axis_name=axis_name)
        return state, train_state.mean_over(axis_name, {**metrics, 'rejected': rejected})

    def sample(image_keys, state, frozen, batch):
        del frozen
        return student.sample(config, image_keys, state, batch)

    return Method(
        init,
        (Phase('train', config.num_steps, step),),
        sample,
        latent_size=config.latent_size,
        frozen=pretrained.load(config.network),
    )


def nearest(
    real: jax.Array, pool: jax.Array, epsilon: float, *, axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Finds the nearest sample that is not rejected; if all are, the nearest of all.

    Args:
      real: embeddings of the real images on this device, [n, d].
      pool: embeddings of the samples of all devices, [m, d].
      epsilon: the squared distance to any real image below which a sample is rejected.
      axis_name: the pmap axis; None under jit.

    Returns:
      Indices in the pool, int32 [n], and which samples are rejected, bool [m].
    """
    distances = energy.squared_distances(real, pool)
    closest = distances.min(0)
    if axis_name is not None:
        closest = jax.lax.pmin(closest, axis_name)
    rejected = closest < epsilon
    left_out = rejected & ~jnp.all(rejected)
    return jnp.argmin(jnp.where(left_out[None], jnp.inf, distances), axis=1), rejected


def _chosen(config: Config, key, state, targets, embed, shape, axis_name):
    """Returns the latents that the real images choose, [n, latent_size], and the share rejected."""
    pool_keys = keys.per_image(key, config.pool_factor * len(targets), axis_name=axis_name)
    latent = latents.draw(pool_keys, config.latent_size)
    pool = student.generate(key, config, state, latent, shape, axis_name=axis_name).images
    latent, pool = (energy.gather_batch(rows, axis_name) for rows in (latent, embed(pool)))
    index, rejected = nearest(targets, pool, config.epsilon, axis_name=axis_name)
    return latent[index], jnp.mean(rejected, dtype=jnp.float32)
