"""An image classifier: AdamW, label smoothing, and an average of the weights.

As the classifier of Fashion-MNIST it says what the pictures of other methods look like.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct

from imggen import options, schedules, train_state
from imggen.method import Method, Phase
from imggen.networks.classifier import Classifier, DenseClassifier
from imggen.train_state import TrainState

ARCHITECTURES = {'convolutional': Classifier, 'dense': DenseClassifier}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: updates.
      architecture: one of ARCHITECTURES.
      network: options of the module.
      learning_rate: of AdamW at its peak, after a tenth of the steps.
      weight_decay: of AdamW.
      label_smoothing: probability spread evenly over all classes.
      ema_half_life_images: of the averaged variables, in images seen.
    """

    num_steps: int
    architecture: str = 'convolutional'
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    ema_half_life_images: float = 50_000.0


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      step: updates made, int32.
      player: the network that learns.
      ema: averaged variables, which classify.
    """

    step: jax.Array
    player: TrainState
    ema: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    network = _network(config, axis_name)
    optimizer = optax.adamw(
        lambda step: schedules.warmup_cosine(config.learning_rate, step / config.num_steps),
        weight_decay=config.weight_decay,
    )

    def init(key, frozen, batch):
        del frozen
        variables = network.init(key, batch['image'][:1], train=False)
        player = train_state.create(variables, optimizer)
        return State(step=jnp.int32(0), player=player, ema=variables)

    def step(key, state, frozen, batch):
        del frozen
        dropout_key = (
            key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))
        )

        def loss_fn(params):
            variables = {'params': params, **state.player.batch_stats}
            (logits, _), statistics = network.apply(
                variables,
                batch['image'],
                train=True,
                mutable=['batch_stats'],
                rngs={'dropout': dropout_key},
            )
            targets = optax.smooth_labels(
                jax.nn.one_hot(batch['label'], network.num_classes), config.label_smoothing
            )
            loss = optax.softmax_cross_entropy(logits, targets).mean()
            accuracy = jnp.mean(jnp.argmax(logits, -1) == batch['label'])
            return loss, ({'loss': loss, 'accuracy': accuracy}, statistics)

        gradients, (report, statistics) = jax.grad(loss_fn, has_aux=True)(state.player.params)
        gradients = train_state.mean_over(axis_name, gradients)
        report['gradient'] = optax.tree.norm(gradients)
        player = train_state.update(state.player, gradients, optimizer, batch_stats=statistics)
        ema = train_state.ema_update(
            state.ema,
            player.variables,
            images=len(batch['image']),
            half_life_images=config.ema_half_life_images,
            step=state.step,
            axis_name=axis_name,
        )
        state = State(step=state.step + 1, player=player, ema=ema)
        return state, train_state.mean_over(axis_name, report)

    def sample(key, state, frozen, batch):
        """The images of a batch by their most likely class, for a first look."""
        del key, frozen
        logits, _ = network.apply(state.ema, batch['image'], train=False)
        order = jnp.argsort(jnp.argmax(logits, -1), stable=True)
        return {'by_class': batch['image'][order]}

    return Method(init, (Phase('train', config.num_steps, step),), sample, output=None)


def make_network(config: Mapping[str, Any]) -> nn.Module:
    """Returns the network that the options of `Config` describe, to classify with."""
    return _network(options.build(Config, config, where='config.method'), None)


def _network(config: Config, axis_name: str | None) -> nn.Module:
    kind = options.choose(ARCHITECTURES, config.architecture, where='config.method.architecture')
    section = dict(config.network)
    if kind is Classifier:  # The other has no statistics of a batch.
        section['axis_name'] = axis_name
    return options.build(kind, section, where='config.method.network')
