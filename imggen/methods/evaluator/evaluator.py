"""An evaluator learns what real images look like, then trains a generator.

Phase `evaluator` trains the evaluator on real images. Phase `calibrate` measures the energies of
images that the evaluator was not trained on, one in ten, and sets the threshold that separates
good images from bad ones. Phase `generator` trains a generator against the frozen evaluator with
one of three kinds of guidance:

  threshold   max(0, energy(G(z)) - threshold)
  reference   (evaluator(G(z)) - r)^2, where r is a real image that changes every few epochs
  features    mean distance of G(z) and r, in the pixels and at every level of a network

The first two score each image on its own, so one good image is as good as many different ones.
`diversity` subtracts the mean distance between the images of a batch, in the same features. With
the guidance `features`, new references at every step and a weight of 1/2, the loss is an energy
distance between distributions. The network is the evaluator itself or a pretrained one. Energies
stay those of the evaluator: a pretrained network has none, and the distance to the nearest real
image, which could be one, is what `methods.evaluator.imle` lowers.
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
from imggen.method import Method, Phase
from imggen.methods.evaluator import calibration, guidance, networks, pretrained, references
from imggen.networks import dcgan
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of steps, over all phases.
      evaluator_share, calibration_share: fractions of the steps that train the evaluator and
        that set its threshold.
      evaluator_network: one of networks.EVALUATORS.
      evaluator, generator: options of the two networks.
      guidance: one of guidance.GUIDANCE.
      features: the network whose features `guidance='features'` and `diversity` compare:
        'evaluator' or one of pretrained.NETWORKS.
      features_size: images are resized to this height and width for a pretrained network.
      diversity: weight of the mean distance between the images of a batch.
      false_reject_rate: fraction of the held-out images that the threshold rejects.
      num_epochs: number of equal parts into which the generator's training is divided.
      reference_epochs: how many epochs a reference lasts; with 0 the images of every batch are
        the references of that step.
      references: indices of the references in the first batch, which samples/real.png shows;
        () draws them.
      latent_size: length of a latent vector, which is standard normal.
      evaluator_learning_rate, learning_rate: learning rates of Adam, for the evaluator and for
        the generator.
      b1: decay of Adam's first moment, for the generator.
      ema_half_life_images: half-life of the averaged generator, in images; samples come from
        this average. 0 turns averaging off.
    """

    num_steps: int
    evaluator_share: float = 0.4
    calibration_share: float = 0.05
    evaluator_network: str = 'autoencoder'
    evaluator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    guidance: str = 'threshold'
    features: str = 'evaluator'
    features_size: int = 64
    diversity: float = 0.0
    false_reject_rate: float = 0.05
    num_epochs: int = 50
    reference_epochs: int = 10
    references: tuple[int, ...] = ()
    latent_size: int = 64
    evaluator_learning_rate: float = 1e-3
    learning_rate: float = 1e-3
    b1: float = 0.5
    ema_half_life_images: float = 0.0


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      ema: averaged variables of the generator, with which samples are drawn.
      histograms: energies that phase `calibrate` has counted, for all images and for the
        held-out ones, as fractions of a batch: [2, calibration.NUM_BINS].
      references: the references in order, [r, height, width, channels]; () without.
    """

    step: jax.Array
    evaluator: TrainState
    generator: TrainState
    ema: Any
    histograms: jax.Array
    references: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown value, or two options contradict each other.
    """
    config = options.build(Config, config, where='config.method')
    _check(config)
    learning, calibrating, generating = _phase_lengths(config)
    evaluator_optimizer = train_state.adam(config.evaluator_learning_rate)
    generator_optimizer = train_state.adam(config.learning_rate, b1=config.b1)

    def sample(image_keys, state, frozen, batch):
        """Returns generated images and, if the evaluator reconstructs, their reconstructions."""
        del frozen
        latent = latents.given_or_drawn(image_keys, batch, config.latent_size)
        generator = dcgan.generator(config.generator, batch['image'].shape, axis_name=axis_name)
        generated = generator.apply(state.ema, latent, train=False)
        evaluator = _evaluator(config, generated.shape)
        if evaluator.output is None:
            return {'generated': generated}
        reconstructed = jnp.clip(evaluator.output(state.evaluator.params, generated), -1.0, 1.0)
        return {'generated': generated, 'reconstructed': reconstructed}

    def energy(state, images):
        return _evaluator(config, images.shape).energy(state.evaluator.params, images)

    return Method(
        _init(config, evaluator_optimizer, generator_optimizer, axis_name),
        (
            Phase(
                'evaluator',
                learning,
                _evaluator_step(config, evaluator_optimizer, axis_name),
                moves_samples=False,
            ),
            Phase(
                'calibrate',
                calibrating,
                _calibration_step(config, axis_name),
                moves_samples=False,
            ),
            Phase('generator', generating, _generator_step(config, generator_optimizer, axis_name)),
        ),
        sample,
        latent_size=config.latent_size,
        frozen=_frozen(config),
        energy=energy,
        threshold=lambda state: _threshold(config, state),
    )


def _init(config: Config, evaluator_optimizer, generator_optimizer, axis_name):
    num_references = _num_references(config)

    def init(key, frozen, batch):
        del frozen
        images = batch['image']
        evaluator_key, generator_key, reference_key = jax.random.split(key, 3)
        variables = dcgan.generator(config.generator, images.shape, axis_name=axis_name).init(
            generator_key, jnp.zeros((1, config.latent_size)), train=False
        )
        params = _evaluator(config, images.shape).init(evaluator_key, images[:1])
        picked = ()
        if num_references:
            picked = references.pick(
                reference_key, images, num_references, places=config.references
            )
        return State(
            step=jnp.int32(0),
            evaluator=train_state.create({'params': params}, evaluator_optimizer),
            generator=train_state.create(variables, generator_optimizer),
            ema=variables,
            histograms=jnp.zeros((2, calibration.NUM_BINS)),
            references=picked,
        )

    return init


def _evaluator_step(config: Config, optimizer, axis_name):
    """Returns the step that trains the evaluator on the images that are not held out."""

    def step(key, state, frozen, batch):
        del frozen
        images = batch['image']
        evaluator = _evaluator(config, images.shape)
        image_keys = keys.per_image(key, len(images), axis_name=axis_name)
        weights = 1.0 - calibration.held_out(images)

        def loss_fn(params):
            losses = evaluator.loss(image_keys, params, images)
            # Divide by the expected number of images: the true one differs between devices.
            return jnp.mean(weights * losses) / (1.0 - calibration.HELD_OUT_SHARE)

        loss, gradients = jax.value_and_grad(loss_fn)(state.evaluator.params)
        gradients = train_state.mean_over(axis_name, gradients)
        metrics = {'evaluator_loss': loss, 'evaluator_gradient': optax.tree.norm(gradients)}
        updated = train_state.update(state.evaluator, gradients, optimizer)
        state = state.replace(step=state.step + 1, evaluator=updated)
        return state, train_state.mean_over(axis_name, metrics)

    return step


def _calibration_step(config: Config, axis_name):
    """Returns the step that counts the energies of a batch."""

    def step(key, state, frozen, batch):
        del key, frozen
        images = batch['image']
        energies = _evaluator(config, images.shape).energy(state.evaluator.params, images)
        rows = (jnp.ones(len(images)), calibration.held_out(images))
        counts = [calibration.count(energies, weights / len(images)) for weights in rows]
        counts = jnp.stack(counts)
        histograms = state.histograms + train_state.mean_over(axis_name, counts)
        state = state.replace(step=state.step + 1, histograms=histograms)
        metrics = train_state.mean_over(axis_name, {'real_energy': jnp.mean(energies)})
        return state, {**metrics, 'threshold': _threshold(config, state)}

    return step


def _generator_step(config: Config, optimizer, axis_name):
    """Returns the step that trains the generator against the frozen evaluator."""
    learning, calibrating, generating = _phase_lengths(config)
    imitates = _num_references(config) > 0

    def step(key, state, frozen, batch):
        real = batch['image']
        generator = dcgan.generator(config.generator, real.shape, axis_name=axis_name)
        image_keys = keys.per_image(key, len(real), axis_name=axis_name)
        latent = latents.draw(image_keys, config.latent_size)
        phase_step = state.step - learning - calibrating
        targets = real
        if imitates:
            turn = references.turn(
                phase_step, generating, config.num_epochs, config.reference_epochs
            )
            targets = state.references[turn][None]

        def loss_fn(params):
            variables = {'params': params, **state.generator.batch_stats}
            fake, batch_stats = generator.apply(
                variables, latent, train=True, mutable=['batch_stats']
            )
            loss, metrics = _guidance_loss(config, state, frozen, fake, targets, axis_name)
            return loss, ({**metrics, 'generator_loss': loss}, batch_stats)

        gradient = jax.grad(loss_fn, has_aux=True)
        gradients, (metrics, batch_stats) = gradient(state.generator.params)
        gradients = train_state.mean_over(axis_name, gradients)
        metrics['generator_gradient'] = optax.tree.norm(gradients)
        updated = train_state.update(state.generator, gradients, optimizer, batch_stats=batch_stats)
        ema = train_state.ema_update(
            state.ema,
            updated.variables,
            images=len(real),
            half_life_images=config.ema_half_life_images,
            step=phase_step,
            axis_name=axis_name,
        )
        state = state.replace(step=state.step + 1, generator=updated, ema=ema)
        return state, train_state.mean_over(axis_name, metrics)

    return step


def _guidance_loss(config: Config, state: State, frozen, fake, targets, axis_name):
    """Returns the generator's loss, a scalar, and metrics of the images `fake`."""
    evaluator, params = _evaluator(config, fake.shape), state.evaluator.params
    threshold = _threshold(config, state)
    energies = evaluator.energy(params, fake)
    if config.features != 'evaluator':
        evaluator = evaluator._replace(features=lambda _, images: _levels(config, frozen, images))
    metrics = {
        'energy': jnp.mean(energies),
        'accepted': jnp.mean(energies <= threshold, dtype=jnp.float32),
    }
    guide = guidance.GUIDANCE[config.guidance]
    loss = guide(evaluator, params, fake, targets, threshold, axis_name=axis_name)
    if config.diversity:
        spread = guidance.diversity(evaluator, params, fake, axis_name=axis_name)
        loss, metrics['diversity'] = loss - config.diversity * spread, spread
    return loss, metrics


def _frozen(config: Config) -> Mapping[str, Any] | tuple[()]:
    """Returns the weights of the pretrained network; () without one."""
    if config.features == 'evaluator':
        return ()
    return pretrained.load(config.features, where='config.method.features')


def _levels(config: Config, frozen, images: jax.Array) -> tuple[jax.Array, ...]:
    """Returns the pixels and the levels of the pretrained network, [n, d] each.

    The mean squared difference of a level is its part of LPIPS.
    """
    levels = pretrained.levels(config.features, frozen, images, size=config.features_size)
    return (images.reshape(len(images), -1), *(level * level.shape[1] ** 0.5 for level in levels))


def _threshold(config: Config, state: State) -> jax.Array:
    """Returns the calibrated threshold, a scalar.

    If the data set is so small that no image is held out, all images set the threshold.
    """
    everything, held_out = state.histograms
    counts = jnp.where(jnp.sum(held_out) > 0, held_out, everything)
    return calibration.threshold(counts, config.false_reject_rate)


def _evaluator(config: Config, shape: tuple[int, ...]) -> networks.Evaluator:
    build = networks.EVALUATORS[config.evaluator_network]
    return build(config.evaluator, shape[1:])


def _num_references(config: Config) -> int:
    """Returns the number of references in the state; 0 if each batch has its own or none."""
    number = references.count(config.num_epochs, config.reference_epochs)
    return 0 if config.guidance == 'threshold' else number


def _phase_lengths(config: Config) -> tuple[int, int, int]:
    """Returns the steps of the three phases, at least one each."""
    learning = max(1, round(config.num_steps * config.evaluator_share))
    calibrating = max(1, round(config.num_steps * config.calibration_share))
    generating = config.num_steps - learning - calibrating
    if generating < 1:
        raise UserError(
            f'config.method.num_steps={config.num_steps} leaves no step for the generator: raise '
            'it, or lower config.method.evaluator_share.'
        )
    return learning, calibrating, generating


def _check(config: Config) -> None:
    options.choose(guidance.GUIDANCE, config.guidance, where='config.method.guidance')
    options.choose(
        networks.EVALUATORS, config.evaluator_network, where='config.method.evaluator_network'
    )
    if not 0.0 <= config.false_reject_rate < 1.0:
        raise UserError(
            f'config.method.false_reject_rate={config.false_reject_rate} must be at least 0 and '
            'below 1: at 1 the threshold would reject every image.'
        )
    if config.diversity < 0:
        raise UserError(f'config.method.diversity={config.diversity}: set it to 0 or more.')
    if config.evaluator_network == 'cnn' and (config.guidance != 'threshold' or config.diversity):
        raise UserError(
            "config.method.evaluator_network='cnn' outputs no image and has no features: set "
            "config.method.guidance='threshold' and config.method.diversity=0."
        )
