"""Autoencoders that generate: decode a random code.

A variational autoencoder (Kingma and Welling 2014) makes the codes of real pictures
look standard normal while it trains, and samples decode standard normal codes:

  -log p(x | z) + w KL(q(z | x) || N(0, 1)),   z = mean(x) + deviation(x) noise

With w = 0 and no noise it is a plain autoencoder, whose codes follow no known
distribution. With `sample_from='codes'` a last phase, `fit`, takes mean and covariance
of the codes of real pictures, and samples decode Gaussian codes with these moments
(Ghosh et al. 2020).
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
      num_steps: of all phases together.
      fit_share: part of the steps that takes the codes' moments, where samples need them.
      network: `features` and `max_features` of encoder and decoder.
      latent_size: numbers in a code.
      kl_weight: w; at 0 the code is the mean, without noise.
      deviation: of p(x | z), a Gaussian; pictures span 2.
      sample_from: 'prior', standard normal, or 'codes'.
      learning_rate: of Adam.
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
      step: updates made, int32.
      player: the autoencoder.
      fitted: batches whose codes were taken, float32.
      mean: of the codes, [latent size].
      product: mean of code times code, [latent size, latent size].
    """

    step: jax.Array
    player: TrainState
    fitted: jax.Array
    mean: jax.Array
    product: jax.Array


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    if config.sample_from not in ('prior', 'codes'):
        raise UserError(
            f"config.method.sample_from={config.sample_from!r} is no choice: there are 'prior' "
            "and 'codes'."
        )
    if config.latent_size < 1 or config.deviation <= 0.0:
        raise UserError('config.method.latent_size and deviation must be above 0: raise them.')
    optimizer = train_state.adam(config.learning_rate)

    def init(key, frozen, batch):
        del frozen
        images = batch['image']
        encoder, decoder = _networks(config, images.shape)
        encoder_key, decoder_key = jax.random.split(key)
        params = {
            'encoder': encoder.init(encoder_key, images[:1])['params'],
            'decoder': decoder.init(decoder_key, jnp.zeros((1, config.latent_size)))['params'],
        }
        size = config.latent_size
        return State(
            step=jnp.int32(0),
            player=train_state.create({'params': params}, optimizer),
            fitted=jnp.float32(0.0),
            mean=jnp.zeros(size),
            product=jnp.eye(size),
        )

    def step(key, state, frozen, batch):
        del frozen
        images = batch['image']
        noise = latents.draw(
            keys.per_image(key, len(images), axis_name=axis_name), config.latent_size
        )

        def loss_fn(params):
            means, log_variances = _encode(config, params, images)
            spread = jnp.exp(log_variances / 2.0) if config.kl_weight else 0.0
            outputs = _decode(config, params, means + spread * noise, images.shape)
            report = {'squared_error': reconstruction.squared(images, outputs).mean()}
            losses = reconstruction.negative_log_likelihood(images, outputs, config.deviation)
            if config.kl_weight:
                divergences = reconstruction.divergence(means, log_variances)
                report['divergence'] = divergences.mean()
                losses = losses + config.kl_weight * divergences
            return losses.mean(), {**report, 'loss': losses.mean()}

        gradients, report = jax.grad(loss_fn, has_aux=True)(state.player.params)
        gradients = train_state.mean_over(axis_name, gradients)
        report['gradient'] = optax.tree.norm(gradients)
        player = train_state.update(state.player, gradients, optimizer)
        state = state.replace(step=state.step + 1, player=player)
        return state, train_state.mean_over(axis_name, report)

    def fit(key, state, frozen, batch):
        del key, frozen
        codes, _ = _encode(config, state.player.params, batch['image'])
        moments = {'mean': codes.mean(0), 'product': codes.T @ codes / len(codes)}
        moments = train_state.mean_over(axis_name, moments)
        part = 1.0 / (state.fitted + 1.0)
        state = state.replace(
            step=state.step + 1,
            fitted=state.fitted + 1.0,
            mean=state.mean + part * (moments['mean'] - state.mean),
            product=state.product + part * (moments['product'] - state.product),
        )
        return state, {'code_norm': jnp.sqrt(jnp.trace(state.product))}

    def sample(key, state, frozen, batch):
        del frozen
        codes = latents.given_or_drawn(key, batch, config.latent_size)
        if config.sample_from == 'codes':
            covariance = state.product - jnp.outer(state.mean, state.mean)
            values, vectors = jnp.linalg.eigh(covariance)
            # A root by eigenvalues: rounding may leave a covariance just short of positive.
            root = vectors * jnp.sqrt(jnp.maximum(values, 0.0))[None]
            codes = state.mean[None] + codes @ root.T
        generated = _decode(config, state.player.params, codes, batch['image'].shape)
        return {'generated': jnp.clip(generated, -1.0, 1.0)}

    phases = (Phase('train', config.num_steps, step),)
    if config.sample_from == 'codes':
        fitting = max(1, round(config.num_steps * config.fit_share))
        training = config.num_steps - fitting
        if training < 1:
            raise UserError(
                f'config.method.num_steps={config.num_steps} leaves no step for training: raise '
                'it, or lower config.method.fit_share.'
            )
        phases = (Phase('train', training, step), Phase('fit', fitting, fit))
    return Method(init, phases, sample, latent_size=config.latent_size)


def score(config: Mapping[str, Any], state: State, images: jax.Array) -> jax.Array:
    """Returns the squared error of each picture [n, height, width, channels]: [n].

    `config` is the `method` section of the run that `state` comes from, without its name.
    """
    config = options.build(Config, config, where='config.method')
    codes, _ = _encode(config, state.player.params, images)
    outputs = _decode(config, state.player.params, codes, images.shape)
    return reconstruction.squared(images, outputs)


def _encode(config: Config, params, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns means and log variances of the codes, [n, latent size] each."""
    encoder, _ = _networks(config, images.shape)
    both, _ = encoder.apply({'params': params['encoder']}, images)
    return tuple(jnp.split(both, 2, axis=1))


def _decode(config: Config, params, codes: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    _, decoder = _networks(config, shape)
    return decoder.apply({'params': params['decoder']}, codes)


def _networks(config: Config, shape: tuple[int, ...]) -> tuple[Encoder, Decoder]:
    encoder = {**config.network, 'code_size': 2 * config.latent_size}
    decoder = {**config.network, 'shape': shape[1:]}
    return (
        options.build(Encoder, encoder, where='config.method.network'),
        options.build(Decoder, decoder, where='config.method.network'),
    )
