"""Flow matching in the latents of an autoencoder (Rombach et al. 2022): few numbers to generate.

The phase 'autoencoder' trains an encoder and a decoder with

  E |x - D(z)| + perceptual_weight E d(x, D(z)) + kl_weight KL(q(z | x) || N(0, 1)),

where z = mean(x) + deviation(x) noise is a small map of latents, d is LPIPS in AlexNet's features,
and the divergence is a mean over the numbers of z. A small kl_weight keeps latents bounded and the
decoder smooth. The state tracks mean and deviation of each channel of mean(x).

The phase 'flow' leaves the autoencoder as it is and trains the flow of methods/flow_matching.py on
mean(x), shifted and scaled to mean 0 and deviation 1. A sample integrates that flow and is decoded
once. What the autoencoder loses is lost for every sample: `reconstructed` shows it.

With `enlarge`, the autoencoder sees pictures reduced by that factor, so large pictures have no more
latents than small ones. A network of networks/super_resolution.py enlarges the decoded pictures.
The first phase trains it together with the decoder; in the loss above, D is then both.

With `autoencoder_fraction=0` there is no first phase: the run takes the autoencoder and its moments
from another one. With `train_encoder=False` it takes them, too, and the first phase trains the
decoder alone: what a parent's flow knows of the latents stays true. With `autoencoder_fraction=1`
as well, the run takes the flow of its parent as it is.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import images, keys, options, train_state
from imggen.errors import UserError
from imggen.features import alexnet
from imggen.losses import perceptual, reconstruction
from imggen.method import Method, Phase
from imggen.methods import flow_matching
from imggen.networks.latent_autoencoder import Decoder, Encoder
from imggen.networks.super_resolution import SuperResolution
from imggen.train_state import TrainState

# Unbounded, those of dense black lines exploded on a GPU. The prior has 0, so no code needs more.
_LOG_VARIANCES = -30.0, 2.0


@dataclasses.dataclass(frozen=True)
class Config(flow_matching.Config):
    """Options of `config.method`, in addition to those of `flow_matching.Config`.

    Those describe the flow of the latents; `num_steps` counts the steps of both phases.

    Attributes:
      autoencoder_fraction: the fraction of the steps that train the autoencoder; at 0, it comes
        from another run, and at 1 the flow does.
      train_encoder: whether the first phase trains the encoder, too; if not, the autoencoder comes
        from another run.
      autoencoder: options `features` and `blocks` of networks.latent_autoencoder.
      latent_channels: number of channels of the latents.
      enlarge: 1, 2 or 4; by how much pictures are reduced before they are encoded, and enlarged
        after they are decoded.
      enlarger: options of networks.super_resolution.SuperResolution.
      perceptual_weight: weight of LPIPS; at 0, AlexNet's weights are not needed.
      kl_weight: weight of the divergence.
      autoencoder_learning_rate: learning rate of Adam in the first phase, with the same rise and
        decay as that of the flow.
    """

    time: str = 'logit_normal'
    autoencoder_fraction: float = 0.25
    train_encoder: bool = True
    autoencoder: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    latent_channels: int = 8
    enlarge: int = 1
    enlarger: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    perceptual_weight: float = 1.0
    kl_weight: float = 1e-3
    autoencoder_learning_rate: float = 1e-3


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      autoencoder: the encoder and the decoder.
      moments: 'mean' and 'square', the means of each channel of the latents and of its square,
        [latent_channels] each.
      flow: the state of the flow.
    """

    step: jax.Array
    autoencoder: TrainState
    moments: Mapping[str, jax.Array]
    flow: flow_matching.State


@struct.dataclass
class EnlargingState(State):
    """What a checkpoint holds if `enlarge` is not 1: also the network that enlarges pictures."""

    enlarger: TrainState


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown or impossible value.
    """
    config = options.build(Config, config, where='config.method')
    learning = _num_autoencoder_steps(config)
    optimizer = flow_matching.make_optimizer(
        config, learning_rate=config.autoencoder_learning_rate, num_steps=learning
    )
    generating = config.num_steps - learning
    flow = flow_matching.unbounded(
        dataclasses.replace(config, num_steps=generating), axis_name=axis_name
    )

    def init(key, frozen, batch):
        image = batch['image'][:1]
        _check_size(config, image)
        encoder_key, decoder_key, flow_key = jax.random.split(key, 3)
        encoder, decoder, enlarger = _networks(config, image.shape)
        (latents, _), encoder = encoder.init_with_output(encoder_key, _reduced(config, image))
        small, decoder = decoder.init_with_output(decoder_key, latents)
        params = {'encoder': encoder['params'], 'decoder': decoder['params']}
        state = State(
            step=jnp.int32(0),
            autoencoder=train_state.create({'params': params}, optimizer),
            moments={name: jnp.zeros(config.latent_channels) for name in ('mean', 'square')},
            flow=flow.init(flow_key, frozen, {**batch, 'image': latents}),
        )
        if enlarger is None:
            return state
        variables = enlarger.init(jax.random.fold_in(decoder_key, 1), small)
        enlarger = train_state.create(variables, optimizer)
        return EnlargingState(**vars(state), enlarger=enlarger)

    def flow_step(key, state, frozen, batch):
        batch = {**batch, 'image': _standard_latents(config, state, batch['image'])}
        advanced, metrics = flow.phases[0].step(key, state.flow, frozen, batch)
        return state.replace(step=state.step + 1, flow=advanced), metrics

    autoencoder_step = _autoencoder_step(config, optimizer, axis_name)
    return flow._replace(
        init=init,
        phases=(
            Phase('autoencoder', learning, autoencoder_step),
            Phase('flow', generating, flow_step),
        ),
        sample=_sample(config, flow),
        frozen=_frozen(config) if learning else (),
        untrained=_untrained(config, learning),
        reconstruct=partial(_reconstruct, config),
    )


def _sample(config: Config, flow: Method):
    """Returns `Method.sample`: images, and what the autoencoder makes of those of the batch."""

    def sample(image_keys, state, frozen, batch):
        image = batch['image'][: len(image_keys)]
        latents = _standard_latents(config, state, image)
        drawn = flow.sample(image_keys, state.flow, frozen, {**batch, 'image': latents})
        return {
            'generated': _decode_standard(config, state, drawn[flow.output], image.shape),
            'reconstructed': _reconstruct(config, state, image),
        }

    return sample


def _reconstruct(config: Config, state: State, image: jax.Array) -> jax.Array:
    latents = _standard_latents(config, state, image)
    return _decode_standard(config, state, latents, image.shape)


def _num_autoencoder_steps(config: Config) -> int:
    """Returns the number of steps of the first phase; raises UserError if it leaves none."""
    if config.latent_channels < 1:
        raise UserError(
            f'config.method.latent_channels={config.latent_channels}: set it to 1 or more.'
        )
    if not 0 <= config.autoencoder_fraction <= 1:
        raise UserError(
            f'config.method.autoencoder_fraction={config.autoencoder_fraction}: set it to 0 or '
            'more and at most 1.'
        )
    if config.autoencoder_fraction == 1 and config.train_encoder:
        raise UserError(
            'config.method.autoencoder_fraction=1 leaves the flow what it is, which would not know '
            'the latents of another encoder: set config.method.train_encoder=False.'
        )
    if config.autoencoder_fraction in (0, 1):
        return round(config.autoencoder_fraction * config.num_steps)
    learning = round(config.autoencoder_fraction * config.num_steps)
    if not 0 < learning < config.num_steps:
        raise UserError(
            f'config.method.autoencoder_fraction={config.autoencoder_fraction} of '
            f'num_steps={config.num_steps} leaves a phase without steps: change one of them.'
        )
    return learning


def _untrained(config: Config, learning: int) -> tuple[str, ...]:
    """Returns the names of the networks that come from another run."""
    if learning and config.train_encoder:
        return ()
    names = ['autoencoder', 'moments']
    if not learning and config.enlarge > 1:
        names.append('enlarger')
    if learning and learning == config.num_steps:
        names += ['flow.ema', *(['flow.early'] if config.early else [])]
    return tuple(names)


def _check_size(config: Config, image: jax.Array) -> None:
    """Raises UserError if images cannot be reduced, or AlexNet is needed and they are too small."""
    height, width = image.shape[1:3]
    if config.enlarge not in (1, 2, 4):
        raise UserError(f'config.method.enlarge={config.enlarge}: set it to 1, 2 or 4.')
    if height % config.enlarge or width % config.enlarge:
        raise UserError(
            f'pictures of {height} x {width} cannot be reduced by config.method.enlarge='
            f'{config.enlarge}: change it, or config.data.size.'
        )
    needs_alexnet = config.autoencoder_fraction and config.perceptual_weight
    if needs_alexnet and min(height, width) < alexnet.MIN_SIDE:
        raise UserError(
            f'config.method.perceptual_weight needs pictures of {alexnet.MIN_SIDE} pixels a side '
            'or more: enlarge config.data.size, or set it to 0.'
        )


def _autoencoder_step(config: Config, optimizer: optax.GradientTransformation, axis_name):
    """Returns the step that trains the autoencoder."""

    def step(key, state, frozen, batch):
        image = batch['image']
        image_keys = keys.per_image(key, len(image), axis_name=axis_name)

        def loss_fn(params):
            means, log_variances = _encode(config, params, image)
            if not config.train_encoder:
                means, log_variances = jax.lax.stop_gradient((means, log_variances))
            noise, _ = flow_matching.draw_noise(image_keys, means.shape[1:])
            latents = means + jnp.exp(log_variances / 2.0) * noise
            output = _decode(config, params, latents, image.shape)
            flat = (part.reshape(len(image), -1) for part in (means, log_variances))
            metrics = {
                'l1': reconstruction.absolute(output, image).mean(),
                'divergence': reconstruction.divergence(*flat).mean() / means[0].size,
            }
            total = metrics['l1'] + config.kl_weight * metrics['divergence']
            if config.perceptual_weight:
                metrics['perceptual'] = perceptual.mean_lpips(alexnet, frozen, output, image)
                total += config.perceptual_weight * metrics['perceptual']
            return total, (metrics, means)

        gradients, (metrics, means) = jax.grad(loss_fn, has_aux=True)(_params(state))
        gradients = train_state.mean_over(axis_name, gradients)
        metrics['gradient'] = optax.tree.norm(gradients)
        updated = {
            name: train_state.update(getattr(state, name), gradient, optimizer)
            for name, gradient in gradients.items()
        }
        advanced = state.replace(step=state.step + 1, **updated)
        if config.train_encoder:
            moments = {'mean': means.mean((0, 1, 2)), 'square': jnp.square(means).mean((0, 1, 2))}
            moments = train_state.ema_update(
                state.moments,
                train_state.mean_over(axis_name, moments),
                images=len(image),
                half_life_images=config.ema_half_life_images,
                step=state.step,
                axis_name=axis_name,
            )
            advanced = advanced.replace(moments=moments)
        return advanced, train_state.mean_over(axis_name, metrics)

    return step


def _frozen(config: Config) -> Mapping[str, Any] | tuple[()]:
    """Returns AlexNet and the heads of LPIPS; () without the perceptual term."""
    if not config.perceptual_weight:
        return ()
    return {'network': alexnet.pretrained(), 'heads': alexnet.lpips_heads()}


def _standard_latents(config: Config, state: State, image: jax.Array) -> jax.Array:
    """Encodes images to latents whose channels have mean 0 and deviation 1."""
    means, _ = _encode(config, _params(state), image)
    mean, deviation = _scale(state)
    return (means - mean) / deviation


def _decode_standard(config: Config, state: State, latents: jax.Array, shape) -> jax.Array:
    """Decodes such latents to images in [-1, 1] of `shape` [..., height, width, channels]."""
    mean, deviation = _scale(state)
    decoded = _decode(config, _params(state), latents * deviation + mean, shape)
    return jnp.clip(decoded, -1.0, 1.0)


def _scale(state: State) -> tuple[jax.Array, jax.Array]:
    """Returns mean and deviation of each channel of the latents, [1, 1, 1, latent_channels]."""
    mean, square = (state.moments[name][None, None, None] for name in ('mean', 'square'))
    return mean, jnp.sqrt(jnp.maximum(square - jnp.square(mean), 1e-8))


def _params(state: State) -> dict[str, Any]:
    """Returns the parameters of the networks between images and latents, by their names."""
    names = ['autoencoder', *(['enlarger'] if isinstance(state, EnlargingState) else [])]
    return {name: getattr(state, name).params for name in names}


def _encode(config: Config, params, image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns means and bounded log variances, [n, height / s, width / s, latent_channels]."""
    encoder, *_ = _networks(config, image.shape)
    params = {'params': params['autoencoder']['encoder']}
    means, log_variances = encoder.apply(params, _reduced(config, image))
    return means, jnp.clip(log_variances, *_LOG_VARIANCES)


def _decode(config: Config, params, latents: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Returns images of `shape` [..., height, width, channels], not bounded."""
    _, decoder, enlarger = _networks(config, shape)
    decoded = decoder.apply({'params': params['autoencoder']['decoder']}, latents)
    return decoded if enlarger is None else enlarger.apply({'params': params['enlarger']}, decoded)


def _reduced(config: Config, image: jax.Array) -> jax.Array:
    return image if config.enlarge == 1 else images.downscale(image, config.enlarge)


def _networks(
    config: Config, shape: tuple[int, ...]
) -> tuple[Encoder, Decoder, SuperResolution | None]:
    """Returns the networks for images of `shape` [..., height, width, channels]."""
    height, width, channels = shape[-3:]
    small = height // config.enlarge, width // config.enlarge, channels
    where, enlarger = 'config.method.autoencoder', None
    if config.enlarge > 1:
        enlarger = options.build(
            SuperResolution, config.enlarger, where='config.method.enlarger', scale=config.enlarge
        )
    return (
        options.build(Encoder, config.autoencoder, where=where, channels=config.latent_channels),
        options.build(Decoder, config.autoencoder, where=where, shape=small),
        enlarger,
    )
