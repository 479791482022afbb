"""An evaluator that learns what pictures look like, then teaches a generator.

Phase `evaluator` trains the evaluator on real pictures. Phase `calibrate` measures
its energies on pictures that it did not learn from, one in ten, and sets the
threshold that separates good from bad. Phase `generator` trains a generator against
the evaluator, which stands still, by one of three kinds of guidance:

  threshold   max(0, energy(G(z)) - threshold)
  reference   (evaluator(G(z)) - r)^2, r a real picture that changes every few epochs
  features    mean distance of G(z) and r, in the pixels and at every level of the evaluator

The first two judge each picture by itself, and one good picture is then as good as
many. `diversity` subtracts the mean distance between pictures of one batch, in the
same features; with the guidance `features`, references anew at every step, and a
weight of 1/2, the loss is an energy distance between distributions.
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
from imggen.methods.evaluator import calibration, guidance, networks, references
from imggen.networks.dcgan import Generator
from imggen.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: of all phases together.
      evaluator_share, calibration_share: parts of the steps that train the evaluator
        and set its threshold.
      evaluator_network: one of evaluators.EVALUATORS.
      evaluator, generator: options of the two networks.
      guidance: one of guidance.GUIDANCE.
      diversity: weight of the mean distance between pictures of a batch.
      false_reject_rate: part of the held-out pictures that the threshold rejects.
      num_epochs: equal parts of the generator's training.
      reference_epochs: how many a reference lasts; 0 makes the pictures of every batch
        the references of that step.
      references: places in the first batch, as samples/real.png shows it, of the pictures
        that are references in turn; drawn without.
      latent_size: numbers in a latent vector, standard normal.
      evaluator_learning_rate, learning_rate: of Adam, of the evaluator and the generator.
      b1: decay of Adam's first moment, of the generator.
      ema_half_life_images: of the averaged generator that samples, in images seen; 0 for
        the generator as it is.
    """

    num_steps: int
    evaluator_share: float = 0.4
    calibration_share: float = 0.05
    evaluator_network: str = 'autoencoder'
    evaluator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    generator: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    guidance: str = 'threshold'
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
      step: updates made, int32.
      evaluator, generator: the players.
      ema: variables of the generator that samples.
      errors: histograms of energies in phase `calibrate`, of all pictures and of the
        held-out ones, in parts of a batch: [2, calibration.NUM_BINS].
      references: the references in turn, [r, height, width, channels]; () without.
    """

    step: jax.Array
    evaluator: TrainState
    generator: TrainState
    ema: Any
    errors: jax.Array
    references: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    _check(config)
    num_references = references.count(config.num_epochs, config.reference_epochs)
    imitates = config.guidance != 'threshold' and num_references > 0
    guide = guidance.GUIDANCE[config.guidance]
    lengths = _phase_lengths(config)
    evaluator_optimizer = train_state.adam(config.evaluator_learning_rate)
    generator_optimizer = train_state.adam(config.learning_rate, b1=config.b1)

    def generator_of(batch):
        section = {**config.generator, 'shape': batch['image'].shape[1:], 'axis_name': axis_name}
        return options.build(Generator, section, where='config.method.generator')

    def init(key, frozen, batch):
        del frozen
        evaluator_key, generator_key, reference_key = jax.random.split(key, 3)
        evaluator = _evaluator(config, batch['image'].shape)
        variables = generator_of(batch).init(
            generator_key, jnp.zeros((1, config.latent_size)), train=False
        )
        params = evaluator.init(evaluator_key, batch['image'][:1])
        picked = ()
        if imitates:
            picked = references.pick(
                reference_key, batch['image'], num_references, places=config.references
            )
        return State(
            step=jnp.int32(0),
            evaluator=train_state.create({'params': params}, evaluator_optimizer),
            generator=train_state.create(variables, generator_optimizer),
            ema=variables,
            errors=jnp.zeros((2, calibration.NUM_BINS)),
            references=picked,
        )

    def learn(key, state, frozen, batch):
        del frozen
        images = batch['image']
        evaluator = _evaluator(config, images.shape)
        image_keys = keys.per_image(key, len(images), axis_name=axis_name)
        weights = 1.0 - calibration.held_out(images)

        def loss_fn(params):
            losses = evaluator.loss(image_keys, params, images)
            # Not a mean over those that count, whose number differs from device to device.
            return jnp.mean(weights * losses) / (1.0 - calibration.HELD_OUT_SHARE)

        loss, gradients = jax.value_and_grad(loss_fn)(state.evaluator.params)
        gradients = train_state.mean_over(axis_name, gradients)
        report = {'evaluator_loss': loss, 'evaluator_gradient': optax.tree.norm(gradients)}
        player = train_state.update(state.evaluator, gradients, evaluator_optimizer)
        state = state.replace(step=state.step + 1, evaluator=player)
        return state, train_state.mean_over(axis_name, report)

    def calibrate(key, state, frozen, batch):
        del key, frozen
        images = batch['image']
        energies = _evaluator(config, images.shape).energy(state.evaluator.params, images)
        rows = (jnp.ones(len(images)), calibration.held_out(images))
        counts = [calibration.count(energies, weights / len(images)) for weights in rows]
        counts = jnp.stack(counts)
        errors = state.errors + train_state.mean_over(axis_name, counts)
        state = state.replace(step=state.step + 1, errors=errors)
        report = train_state.mean_over(axis_name, {'real_energy': jnp.mean(energies)})
        return state, {**report, 'threshold': threshold_of(state, config.false_reject_rate)}

    def teach(key, state, frozen, batch):
        del frozen
        generator, real = generator_of(batch), batch['image']
        evaluator = _evaluator(config, real.shape)
        latent = latents.draw(
            keys.per_image(key, len(real), axis_name=axis_name), config.latent_size
        )
        threshold = threshold_of(state, config.false_reject_rate)
        taught = state.step - lengths[0] - lengths[1]
        targets = real
        if imitates:
            turn = references.turn(taught, lengths[2], config.num_epochs, config.reference_epochs)
            targets = state.references[turn][None]

        def loss_fn(params):
            variables = {'params': params, **state.generator.batch_stats}
            fake, statistics = generator.apply(
                variables, latent, train=True, mutable=['batch_stats']
            )
            energies = evaluator.energy(state.evaluator.params, fake)
            report = {
                'energy': jnp.mean(energies),
                'accepted': jnp.mean(energies <= threshold, dtype=jnp.float32),
            }
            loss = guide(
                evaluator, state.evaluator.params, fake, targets, threshold, axis_name=axis_name
            )
            if config.diversity:
                spread = guidance.diversity(
                    evaluator, state.evaluator.params, fake, axis_name=axis_name
                )
                loss, report['diversity'] = loss - config.diversity * spread, spread
            return loss, ({**report, 'generator_loss': loss}, statistics)

        gradient = jax.grad(loss_fn, has_aux=True)
        gradients, (report, statistics) = gradient(state.generator.params)
        gradients = train_state.mean_over(axis_name, gradients)
        report['generator_gradient'] = optax.tree.norm(gradients)
        player = train_state.update(
            state.generator, gradients, generator_optimizer, batch_stats=statistics
        )
        ema = train_state.ema_update(
            state.ema,
            player.variables,
            images=len(real),
            half_life_images=config.ema_half_life_images,
            step=taught,
            axis_name=axis_name,
        )
        state = state.replace(step=state.step + 1, generator=player, ema=ema)
        return state, train_state.mean_over(axis_name, report)

    def sample(key, state, frozen, batch):
        """Generated pictures and, where the evaluator makes pictures, what it makes of them."""
        del frozen
        latent = latents.given_or_drawn(key, batch, config.latent_size)
        generated = generator_of(batch).apply(state.ema, latent, train=False)
        evaluator = _evaluator(config, generated.shape)
        if evaluator.output is None:
            return {'generated': generated}
        reconstructed = jnp.clip(evaluator.output(state.evaluator.params, generated), -1.0, 1.0)
        return {'generated': generated, 'reconstructed': reconstructed}

    steps = (('evaluator', learn), ('calibrate', calibrate), ('generator', teach))
    phases = (
        Phase(name, length, step) for (name, step), length in zip(steps, lengths, strict=True)
    )
    return Method(init, tuple(phases), sample, latent_size=config.latent_size)


def threshold_of(state: State, false_reject_rate: float) -> jax.Array:
    """Returns the calibrated threshold: scalar.

    Of a set so small that none is held out, from the pictures that the evaluator knows.
    """
    everyone, unseen = state.errors
    counts = jnp.where(jnp.sum(unseen) > 0, unseen, everyone)
    return calibration.threshold(counts, false_reject_rate)


def score(config: Mapping[str, Any], state: State, images: jax.Array) -> jax.Array:
    """Returns the evaluator's energy of each picture [n, height, width, channels]: [n].

    `config` is the `method` section of the run that `state` comes from, without its name.
    """
    config = options.build(Config, config, where='config.method')
    return _evaluator(config, images.shape).energy(state.evaluator.params, images)


def _evaluator(config: Config, shape: tuple[int, ...]) -> networks.Evaluator:
    build = networks.EVALUATORS[config.evaluator_network]
    return build(config.evaluator, shape[1:])


def _phase_lengths(config: Config) -> tuple[int, int, int]:
    """Returns the steps of the three phases, of which each has at least one."""
    learning = max(1, round(config.num_steps * config.evaluator_share))
    calibrating = max(1, round(config.num_steps * config.calibration_share))
    teaching = config.num_steps - learning - calibrating
    if teaching < 1:
        raise UserError(
            f'config.method.num_steps={config.num_steps} leaves the generator no step: raise it, '
            'or lower config.method.evaluator_share.'
        )
    return learning, calibrating, teaching


def _check(config: Config) -> None:
    options.choose(guidance.GUIDANCE, config.guidance, where='config.method.guidance')
    options.choose(
        networks.EVALUATORS, config.evaluator_network, where='config.method.evaluator_network'
    )
    if not 0.0 <= config.false_reject_rate < 1.0:
        raise UserError(
            f'config.method.false_reject_rate={config.false_reject_rate} is no part of the real '
            'pictures that leaves some: at 1 the threshold rejects everything; set 0 to below 1.'
        )
    if config.evaluator_network == 'cnn' and (config.guidance != 'threshold' or config.diversity):
        raise UserError(
            "config.method.evaluator_network='cnn' makes no picture and has no levels: set "
            "config.method.guidance='threshold' and config.method.diversity=0."
        )
