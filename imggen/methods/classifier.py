"""An image classifier: AdamW, label smoothing, and an EMA of the weights.

Trained on Fashion-MNIST, it measures the images of other methods and is the target of evolution.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct

from imggen import options, train_state
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.networks.classifier import Classifier, DenseClassifier
from imggen.train_state import TrainState

ARCHITECTURES = {'convolutional': Classifier, 'dense': DenseClassifier}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of updates.
      architecture: one of ARCHITECTURES.
      network: options of the module.
      learning_rate: the peak learning rate of AdamW, reached after a tenth of the steps.
      weight_decay: weight decay of AdamW.
      label_smoothing: probability that is spread evenly over all classes.
      ema_half_life_images: half-life of the averaged variables, in images.
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
    """What a checkpoint holds. The averaged variables, `ema`, classify images."""

    step: jax.Array
    network: TrainState
    ema: Any


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    network = _network(config, axis_name)
    optimizer = _optimizer(config)

    def init(key, frozen, batch):
        del frozen
        if 'label' not in batch:
            raise UserError(
                'a classifier learns from labels, but the data set has none: set '
                "config.data.labels='folders', or to a file of labels."
            )
        variables = network.init(key, batch['image'][:1], train=False)
        return State(jnp.int32(0), train_state.create(variables, optimizer), ema=variables)

    def step(key, state, frozen, batch):
        del frozen
        if axis_name is not None:  # Dropout differs between devices.
            key = jax.random.fold_in(key, jax.lax.axis_index(axis_name))

        def loss_fn(params):
            variables = {'params': params, **state.network.batch_stats}
            (logits, _), batch_stats = network.apply(
                variables,
                batch['image'],
                train=True,
                mutable=['batch_stats'],
                rngs={'dropout': key},
            )
            one_hot = jax.nn.one_hot(batch['label'], network.num_classes)
            targets = optax.smooth_labels(one_hot, config.label_smoothing)
            loss = optax.softmax_cross_entropy(logits, targets).mean()
            accuracy = jnp.mean(jnp.argmax(logits, -1) == batch['label'])
            return loss, ({'loss': loss, 'accuracy': accuracy}, batch_stats)

        gradients, (metrics, batch_stats) = jax.grad(loss_fn, has_aux=True)(state.network.params)
        gradients = train_state.mean_over(axis_name, gradients)
        metrics['gradient'] = optax.tree.norm(gradients)
        updated = train_state.update(state.network, gradients, optimizer, batch_stats=batch_stats)
        ema = train_state.ema_update(
            state.ema,
            updated.variables,
            images=len(batch['image']),
            half_life_images=config.ema_half_life_images,
            step=state.step,
            axis_name=axis_name,
        )
        return State(state.step + 1, updated, ema), train_state.mean_over(axis_name, metrics)

    def sample(image_keys, state, frozen, batch):
        """Returns the images of the batch, sorted by their most likely class."""
        del image_keys, frozen
        logits, _ = network.apply(state.ema, batch['image'], train=False)
        order = jnp.argsort(jnp.argmax(logits, -1), stable=True)
        return {'by_class': batch['image'][order]}

    return Method(
        init,
        (Phase('train', config.num_steps, step),),
        sample,
        output=None,
        num_targets=network.num_classes,
    )


def make_network(config: Mapping[str, Any]) -> nn.Module:
    """Returns the network that the options of `Config` describe, for inference."""
    return _network(options.build(Config, config, where='config.method'), None)


def _network(config: Config, axis_name: str | None) -> nn.Module:
    kind = options.choose(ARCHITECTURES, config.architecture, where='config.method.architecture')
    # The dense network has no batch statistics.
    given = {'axis_name': axis_name} if kind is Classifier else {}
    return options.build(kind, config.network, where='config.method.network', **given)


def _optimizer(config: Config) -> optax.GradientTransformation:
    num_steps = max(1, config.num_steps)
    learning_rate = optax.warmup_cosine_decay_schedule(
        0.0,
        config.learning_rate,
        warmup_steps=num_steps / 10,  # Need not be a whole number.
        decay_steps=num_steps,
    )
    return optax.adamw(learning_rate, weight_decay=config.weight_decay)
