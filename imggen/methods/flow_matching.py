"""Flow matching (Lipman et al. 2023; rectified flow, Liu et al. 2023): noise moves to images.

With noise x0 ~ N(0, I), an image x1 and a time t in [0, 1]:

  x_t = (1 - t) x0 + t x1        loss = mean |v(x_t, t) - (x1 - x0)|^2

The v that minimizes it is the velocity of a flow that carries noise to images.
`sample` follows the flow of an average of the weights with a number of evaluations of
the network, where an adversarial generator needs one. With labels the velocity is

  v = v(x, none) + guidance (v(x, class) - v(x, none))    Ho and Salimans 2022

which takes two evaluations unless guidance is 1.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, latents, options, train_state
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.networks.flow_unet import FlowUNet
from imggen.train_state import TrainState

_NO_LABEL = 2**30 + 1  # Folded into an image's key, beyond the numbers of images.


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: updates.
      network: options of networks.flow_unet.FlowUNet.
      time: 'uniform' draws t so; 'logit_normal' more often in the middle.
      num_classes: of the labels that the velocity is told; 0 for none.
      class_dropout: part of the images whose label is withheld in training.
      guidance: how far the velocity goes towards the class; 1 for the class alone.
      solver: one of SOLVERS, to sample with.
      evaluations: of the network, for one sample.
      learning_rate: of Adam, after `warmup_steps`; falls to 0 along a cosine.
      warmup_steps: in which the learning rate rises.
      clip_norm: of the gradient.
      ema_half_life_images: of the averaged variables, in images seen.
    """

    num_steps: int
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    time: str = 'uniform'
    num_classes: int = 0
    class_dropout: float = 0.1
    guidance: float = 1.0
    solver: str = 'heun'
    evaluations: int = 20
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    clip_norm: float = 1.0
    ema_half_life_images: float = 10_000.0


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
      step: updates made, int32.
      player: the network that learns.
      ema: averaged variables, which samples are drawn with.
    """

    step: jax.Array
    player: TrainState
    ema: Any


def euler(velocity: Callable, x: jax.Array, evaluations: int) -> jax.Array:
    """Follows x' = velocity(x, t) from t = 0 to 1 in equal steps: x + h v(x, t)."""

    def step(i, x):
        return x + velocity(x, i / evaluations) / evaluations

    return jax.lax.fori_loop(0, evaluations, step, x)


def heun(velocity: Callable, x: jax.Array, evaluations: int) -> jax.Array:
    """Follows x' = velocity(x, t) with the mean of the velocities at both ends of a step.

    A step takes two evaluations. The last is Euler's, as in Karras et al. 2022, algorithm 1:
    a velocity at t = 1 would be asked of a picture that still holds noise, which the network
    has never seen there. Where the number is even the last two are.
    """
    last = 2 - evaluations % 2
    steps = (evaluations - last) // 2 + last

    def step(i, x):
        first = velocity(x, i / steps)
        second = velocity(x + first / steps, (i + 1.0) / steps)
        return x + (first + second) / (2.0 * steps)

    def euler_step(i, x):
        return x + velocity(x, i / steps) / steps

    x = jax.lax.fori_loop(0, steps - last, step, x)
    return jax.lax.fori_loop(steps - last, steps, euler_step, x)


SOLVERS = {'euler': euler, 'heun': heun}

# Standard normal draw [n] -> times in (0, 1).
TIMES = {'uniform': jax.scipy.stats.norm.cdf, 'logit_normal': jax.nn.sigmoid}


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`."""
    config = options.build(Config, config, where='config.method')
    solver = options.choose(SOLVERS, config.solver, where='config.method.solver')
    to_time = options.choose(TIMES, config.time, where='config.method.time')
    network = options.build(
        FlowUNet,
        {**config.network, 'num_classes': config.num_classes},
        where='config.method.network',
    )
    evaluations = config.evaluations
    guided = config.num_classes and config.guidance != 1.0
    if guided:
        evaluations //= 2
    if evaluations < 1:
        raise UserError(
            f'config.method.evaluations={config.evaluations} is less than one step takes; set it '
            f'to {2 if guided else 1} or more.'
        )
    learning_rate = optax.warmup_cosine_decay_schedule(
        0.0,
        config.learning_rate,
        config.warmup_steps,
        max(config.num_steps, config.warmup_steps + 1),
    )
    optimizer = optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(learning_rate))

    def init(key, frozen, batch):
        del frozen
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        variables = network.init(key, batch['image'][:1], jnp.zeros(1), label)
        player = train_state.create(variables, optimizer)
        return State(step=jnp.int32(0), player=player, ema=variables)

    def step(key, state, frozen, batch):
        del frozen
        image = batch['image']
        image_keys = keys.per_image(key, len(image), axis_name=axis_name)
        noise, time = draw_noise(image_keys, image.shape[1:])
        time = to_time(time)
        label = latents.real_labels(batch, config.num_classes)
        if label is not None:
            label = jnp.where(
                _withheld(image_keys, config.class_dropout), config.num_classes, label
            )

        def loss_fn(params):
            velocity = network.apply({'params': params}, between(noise, image, time), time, label)
            return jnp.mean(jnp.square(velocity - (image - noise)))

        loss, gradients = jax.value_and_grad(loss_fn)(state.player.params)
        gradients = train_state.mean_over(axis_name, gradients)
        report = {'loss': loss, 'gradient': optax.tree.norm(gradients)}
        player = train_state.update(state.player, gradients, optimizer)
        ema = train_state.ema_update(
            state.ema,
            player.variables,
            images=len(image),
            half_life_images=config.ema_half_life_images,
            step=state.step,
            axis_name=axis_name,
        )
        state = State(step=state.step + 1, player=player, ema=ema)
        return state, train_state.mean_over(axis_name, report)

    def sample(key, state, frozen, batch):
        del frozen
        noise, _ = draw_noise(key, batch['image'].shape[1:])
        label = latents.given_or_drawn_labels(key, batch, config.num_classes)

        def velocity(x, time):
            times = jnp.full(len(x), time)
            if not guided:
                return network.apply(state.ema, x, times, label)
            none = jnp.full_like(label, config.num_classes)
            with_class, without = (
                network.apply(state.ema, x, times, which) for which in (label, none)
            )
            return without + config.guidance * (with_class - without)

        return {'generated': jnp.clip(solver(velocity, noise, evaluations), -1, 1)}

    return Method(
        init,
        (Phase('train', config.num_steps, step),),
        sample,
        num_classes=config.num_classes or None,
    )


def between(noise: jax.Array, image: jax.Array, time: jax.Array) -> jax.Array:
    """Returns x_t = (1 - t) x0 + t x1 of noise and images [n, ...] at times [n]."""
    time = time.reshape(-1, *[1] * (image.ndim - 1))
    return (1.0 - time) * noise + time * image


def draw_noise(image_keys: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Draws noise [n, *shape] and one more number [n], standard normal, from each key [n]."""

    def one(key):
        noise_key, time_key = jax.random.split(key)
        return jax.random.normal(noise_key, shape), jax.random.normal(time_key)

    return jax.vmap(one)(image_keys)


def _withheld(image_keys, probability):
    draw = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, _NO_LABEL)))
    return draw(image_keys) < probability
