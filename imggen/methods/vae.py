"""Autoencoders that generate: a decoder turns a random code into an image.

A variational autoencoder (Kingma and Welling 2014) trains an encoder and a decoder, and pulls
the codes of real images towards a standard normal distribution:

  -log p(x | z) + w KL(q(z | x) || N(0, 1)),   z = mean(x) + deviation(x) noise

Samples decode standard normal codes. With w = 0 there is no noise, and the network is a plain
autoencoder, whose codes follow an unknown distribution. With `sample_from='codes'` a last phase,
`fit`, estimates the mean and the covariance of the codes of real images, and samples decode
Gaussian codes with these moments (Ghosh et al. 2020).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, latents, options, train_state
from imggen.errors import UserError
from imggen.losses import reconstruction
from imggen.method import Method, Phase
from imggen.networks.autoencoder import Decoder, Encoder
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of steps, over all phases.
      fit_share: fraction of the steps that phase `fit` takes with `sample_from='codes'`.
      network: options `features` and `max_features` of both the encoder and the decoder.
      latent_size: length of a code.
      kl_weight: w; at 0 the code is the mean, without noise.
      deviation: standard deviation of p(x | z), a Gaussian over pixels in [-1, 1].
      sample_from: 'prior' (standard normal codes) or 'codes' (the moments of real codes).
      learning_rate: learning rate of Adam.
    """

    num_steps: int
    fit_share: float = 0.05
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    latent_size: int = 16
    kl_weight: float = 1.0
    deviation: float = 0.3
    sample_from: str = 'prior'
    learning_rate: float = 1e-3


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      network: the encoder and the decoder.
      fitted: number of batches whose codes are in the moments, float32.
      mean: mean of the codes, [latent_size].
      product: mean of the outer product of a code with itself, [latent_size, latent_size].
    """

    step: jax.Array
    network: TrainState
    fitted: jax.Array
    mean: jax.Array
    product: jax.Array


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown or impossible value.
    """
    config = options.build(Config, config, where='config.method')
    phases = _phases(config, axis_name)

    def init(key, frozen, batch):
        del frozen
        images = batch['image']
        encoder, decoder = _networks(config, images.shape)
        encoder_key, decoder_key = jax.random.split(key)
        size = config.latent_size
        params = {
            'encoder': encoder.init(encoder_key, images[:1])['params'],
            'decoder': decoder.init(decoder_key, jnp.zeros((1, size)))['params'],
        }
        return State(
            step=jnp.int32(0),
            network=train_state.create({'params': params}, _optimizer(config)),
            fitted=jnp.float32(0.0),
            mean=jnp.zeros(size),
            product=jnp.eye(size),
        )

    def sample(image_keys, state, frozen, batch):
        del frozen
        codes = latents.given_or_drawn(image_keys, batch, config.latent_size)
        if config.sample_from == 'codes':
            covariance = state.product - jnp.outer(state.mean, state.mean)
            values, vectors = jnp.linalg.eigh(covariance)
            # A Cholesky root would fail if rounding made an eigenvalue slightly negative.
            root = vectors * jnp.sqrt(jnp.maximum(values, 0.0))[None]
            codes = state.mean[None] + codes @ root.T
        generated = _decode(config, state.network.params, codes, batch['image'].shape)
        return {'generated': jnp.clip(generated, -1.0, 1.0)}

    def energy(state, images):
        codes, _ = _encode(config, state.network.params, images)
        outputs = _decode(config, state.network.params, codes, images.shape)
        return reconstruction.squared(images, outputs)

    return Method(init, phases, sample, latent_size=config.latent_size, energy=energy)


def _phases(config: Config, axis_name) -> tuple[Phase, ...]:
    if config.sample_from not in ('prior', 'codes'):
        raise UserError(
            f"config.method.sample_from={config.sample_from!r} is unknown: choose 'prior' or "
            "'codes'."
        )
    if config.latent_size < 1 or config.deviation <= 0.0:
        raise UserError('config.method.latent_size and deviation must be above 0: raise them.')
    step = _train_step(config, axis_name)
    if config.sample_from == 'prior':
        return (Phase('train', config.num_steps, step),)
    fitting = max(1, round(config.num_steps * config.fit_share))
    training = config.num_steps - fitting
    if training < 1:
        raise UserError(
            f'config.method.num_steps={config.num_steps} leaves no step for training: raise it, '
            'or lower config.method.fit_share.'
        )
    return (Phase('train', training, step), Phase('fit', fitting, _fit_step(config, axis_name)))


def _train_step(config: Config, axis_name):
    """Returns the step that trains the encoder and the decoder."""
    optimizer = _optimizer(config)

    def step(key, state, frozen, batch):
        del frozen
        images = batch['image']
        image_keys = keys.per_image(key, len(images), axis_name=axis_name)
        noise = latents.draw(image_keys, config.latent_size)

        def loss_fn(params):
            means, log_variances = _encode(config, params, images)
            spread = jnp.exp(log_variances / 2.0) if config.kl_weight else 0.0
            outputs = _decode(config, params, means + spread * noise, images.shape)
            metrics = {'squared_error': reconstruction.squared(images, outputs).mean()}
            losses = reconstruction.negative_log_likelihood(images, outputs, config.deviation)
            if config.kl_weight:
                divergences = reconstruction.divergence(means, log_variances)
                metrics['divergence'] = divergences.mean()
                losses = losses + config.kl_weight * divergences
            return losses.mean(), {**metrics, 'loss': losses.mean()}

        gradients, metrics = jax.grad(loss_fn, has_aux=True)(state.network.params)
        gradients = train_state.mean_over(axis_name, gradients)
        metrics['gradient'] = optax.tree.norm(gradients)
        updated = train_state.update(state.network, gradients, optimizer)
        state = state.replace(step=state.step + 1, network=updated)
        return state, train_state.mean_over(axis_name, metrics)

    return step


def _fit_step(config: Config, axis_name):
    """Returns the step that adds the codes of a batch to the moments."""

    def step(key, state, frozen, batch):
        del key, frozen
        codes, _ = _encode(config, state.network.params, batch['image'])
        moments = {'mean': codes.mean(0), 'product': codes.T @ codes / len(codes)}
        moments = train_state.mean_over(axis_name, moments)
        weight = 1.0 / (state.fitted + 1.0)
        state = state.replace(
            step=state.step + 1,
            fitted=state.fitted + 1.0,
            mean=state.mean + weight * (moments['mean'] - state.mean),
            product=state.product + weight * (moments['product'] - state.product),
        )
        return state, {'code_norm': jnp.sqrt(jnp.trace(state.product))}

    return step


def _optimizer(config: Config) -> optax.GradientTransformation:
    return train_state.adam(config.learning_rate)


def _encode(config: Config, params, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the means and log variances of the codes, [n, latent_size] each."""
    encoder, _ = _networks(config, images.shape)
    both, _ = encoder.apply({'params': params['encoder']}, images)
    return tuple(jnp.split(both, 2, axis=1))


def _decode(config: Config, params, codes: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Decodes codes [n, latent_size] to images of `shape` [..., height, width, channels]."""
    _, decoder = _networks(config, shape)
    return decoder.apply({'params': params['decoder']}, codes)


def _networks(config: Config, shape: tuple[int, ...]) -> tuple[Encoder, Decoder]:
    where = 'config.method.network'
    return (
        options.build(Encoder, config.network, where=where, code_size=2 * config.latent_size),
        options.build(Decoder, config.network, where=where, shape=shape[1:]),
    )
