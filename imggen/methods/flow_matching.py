"""Flow matching (Lipman et al. 2023; rectified flow, Liu et al. 2023): noise flows to images.

With noise x0 ~ N(0, I), an image x1 and a time t in [0, 1]:

  x_t = (1 - t) x0 + t x1        loss = mean |v(x_t, t) - (x1 - x0)|^2

The v that minimizes the loss is the velocity of a flow that carries noise to images. `sample`
integrates the flow of the averaged network with a fixed number of network evaluations, where an
adversarial generator needs one. With guidance the velocity is

  v = v_worse + guidance (v - v_worse),

which takes two evaluations unless guidance is 1. The worse velocity is that of the network without
the class (classifier-free guidance, Ho and Salimans 2022), or that of the network early in its
training (autoguidance, Karras et al. 2024), which needs no classes. With `guidance_falls` the
factor at time t is 1 + (guidance - 1) (1 - t): `guidance` at the noise and 1 at the image.
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

_NO_LABEL = 2**30 + 1  # Folded into an image's key; larger than any image index.


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of updates.
      network: options of networks.flow_unet.FlowUNet.
      time: one of TIMES: 'uniform', or 'logit_normal' to train more often in the middle.
      num_classes: number of classes that the velocity depends on; 0 for none.
      class_dropout: fraction of the images whose label is hidden in training.
      guidance: the factor above; at 1 only the better velocity is used.
      guidance_falls: whether the factor falls to 1 along a line, from the noise to the image.
      early: fraction of the steps after which the averaged network is kept as the worse one; at 0
        the worse one is the network without the class.
      solver: one of SOLVERS, to sample with.
      evaluations: network evaluations per sample.
      learning_rate: learning rate of Adam after `warmup_steps`; it decays to 0 along a cosine.
      warmup_steps: number of steps in which the learning rate rises from 0.
      clip_norm: largest norm of the gradient; larger ones are scaled down.
      ema_half_life_images: half-life of the averaged variables, in images.
    """

    num_steps: int
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    time: str = 'uniform'
    num_classes: int = 0
    class_dropout: float = 0.1
    guidance: float = 1.0
    guidance_falls: bool = False
    early: float = 0.0
    solver: str = 'heun'
    evaluations: int = 20
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    clip_norm: float = 1.0
    ema_half_life_images: float = 10_000.0


@struct.dataclass
class State:
    """What a checkpoint holds. Samples are drawn with the averaged variables, `ema`."""

    step: jax.Array
    network: TrainState
    ema: Any


@struct.dataclass
class GuidedState(State):
    """What a checkpoint holds with autoguidance: also the averaged variables of an early step."""

    early: Any


def euler(velocity: Callable, x: jax.Array, evaluations: int) -> jax.Array:
    """Integrates x' = velocity(x, t) from t = 0 to 1 in equal steps h: x + h v(x, t)."""

    def step(i, x):
        return x + velocity(x, i / evaluations) / evaluations

    return jax.lax.fori_loop(0, evaluations, step, x)


def heun(velocity: Callable, x: jax.Array, evaluations: int) -> jax.Array:
    """Integrates x' = velocity(x, t) with the mean of the velocities at both ends of a step.

    A step takes two evaluations. The last step is an Euler step, as in Karras et al. 2022,
    algorithm 1, because a velocity at t = 1 would be evaluated at an image that still contains
    noise, which the network has never seen there. If `evaluations` is even, the last two steps
    are Euler steps.
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


def adams(velocity: Callable, x: jax.Array, evaluations: int) -> jax.Array:
    """Integrates x' = velocity(x, t) by the two-step method of Adams and Bashforth.

    With steps h_i = t_{i+1} - t_i between the times t(u) = u / (3 - 2 u) of equidistant u, which
    lie denser near the noise (Esser et al. 2024), and r = h_i / h_{i-1}:

      x_{i+1} = x_i + h_i ((1 + r / 2) v_i - r / 2 v_{i-1})

    The first step is an Euler step. A step takes one evaluation, none of them at t = 1.
    """

    def time(i):
        return i / (3.0 * evaluations - 2.0 * i)

    def step(i, carry):
        x, before = carry
        size = time(i + 1.0) - time(i)
        half_ratio = jnp.where(i == 0, 0.0, size / (time(i) - time(i - 1.0)) / 2.0)
        now = velocity(x, time(i))
        return x + size * ((1.0 + half_ratio) * now - half_ratio * before), now

    x, _ = jax.lax.fori_loop(0, evaluations, step, (x, jnp.zeros_like(x)))
    return x


SOLVERS = {'euler': euler, 'heun': heun, 'adams': adams}

# Standard normal numbers [n] -> times [n] in (0, 1).
TIMES = {'uniform': jax.scipy.stats.norm.cdf, 'logit_normal': jax.nn.sigmoid}


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown value, or there are too few evaluations for a step.
    """
    flow = unbounded(options.build(Config, config, where='config.method'), axis_name=axis_name)

    def sample(image_keys, state, frozen, batch):
        generated = flow.sample(image_keys, state, frozen, batch)[flow.output]
        return {flow.output: jnp.clip(generated, -1, 1)}

    return flow._replace(sample=sample)


def unbounded(config: Config, *, axis_name: str | None = None) -> Method:
    """Builds the method for arrays of any range in place of images, which are not clipped.

    Raises:
      UserError: as `make` does.
    """
    solver = options.choose(SOLVERS, config.solver, where='config.method.solver')
    network = options.build(
        FlowUNet,
        config.network,
        where='config.method.network',
        num_classes=config.num_classes,
    )
    optimizer = make_optimizer(
        config, learning_rate=config.learning_rate, num_steps=config.num_steps
    )
    has_worse = bool(config.num_classes or config.early)
    is_guided = has_worse and config.guidance != 1.0
    if not 0 <= config.early < 1:
        raise UserError(f'config.method.early={config.early} must be at least 0 and less than 1.')
    if config.evaluations < (2 if is_guided else 1):
        raise UserError(
            f'config.method.evaluations={config.evaluations} is too small for one step; set it '
            f'to {2 if is_guided else 1} or more.'
        )

    def init(key, frozen, batch):
        del frozen
        label = latents.real_labels(batch, config.num_classes)
        label = None if label is None else label[:1]
        variables = network.init(key, batch['image'][:1], jnp.zeros(1), label)
        state = jnp.int32(0), train_state.create(variables, optimizer), variables
        return GuidedState(*state, early=variables) if config.early else State(*state)

    phase = Phase('train', config.num_steps, _step(config, network, optimizer, axis_name))
    return Method(
        init,
        (phase,),
        _sample(config, network, solver, is_guided),
        num_classes=config.num_classes or None,
        guidance=config.guidance if has_worse else None,
    )


def _sample(config: Config, network: FlowUNet, solver: Callable, is_guided: bool):
    """Returns `Method.sample`: the flow of the averaged network, guided by the worse one."""

    def sample(image_keys, state, frozen, batch):
        del frozen
        noise, _ = draw_noise(image_keys, batch['image'].shape[1:])
        label = latents.given_or_drawn_labels(image_keys, batch, config.num_classes)
        guidance = config.guidance
        if 'guidance' in batch:
            guidance = batch['guidance'].reshape(-1, 1, 1, 1)
        takes_two = is_guided or 'guidance' in batch
        num_evaluations = max(1, config.evaluations // 2) if takes_two else config.evaluations

        def velocity(x, time):
            times = jnp.full(len(x), time)
            better = network.apply(state.ema, x, times, label)
            if not takes_two:
                return better
            if config.early:
                worse = network.apply(state.early, x, times, label)
            else:
                none = jnp.full_like(label, config.num_classes)
                worse = network.apply(state.ema, x, times, none)
            factor = guidance
            if config.guidance_falls:
                factor = 1.0 + (guidance - 1.0) * (1.0 - time)
            return worse + factor * (better - worse)

        return {'generated': solver(velocity, noise, num_evaluations)}

    return sample


def _step(config: Config, network: FlowUNet, optimizer, axis_name):
    """Returns the step that trains the network."""
    to_time = options.choose(TIMES, config.time, where='config.method.time')

    def step(key, state, frozen, batch):
        del frozen
        image = batch['image']
        image_keys = keys.per_image(key, len(image), axis_name=axis_name)
        noise, time = draw_noise(image_keys, image.shape[1:])
        time = to_time(time)
        label = latents.real_labels(batch, config.num_classes)
        if label is not None:
            is_dropped = _is_dropped(image_keys, config.class_dropout)
            label = jnp.where(is_dropped, config.num_classes, label)

        def loss_fn(params):
            velocity = network.apply({'params': params}, between(noise, image, time), time, label)
            return jnp.mean(jnp.square(velocity - (image - noise)))

        advanced, metrics = advance(
            config, state, loss_fn, optimizer, num_images=len(image), axis_name=axis_name
        )
        if not config.early:
            return advanced, metrics
        is_early = advanced.step <= config.early * config.num_steps
        early = jax.tree.map(
            lambda new, kept: jnp.where(is_early, new, kept), advanced.ema, state.early
        )
        return advanced.replace(early=early), metrics

    return step


def advance(
    config: Any,
    state: State,
    loss_fn: Callable[[Any], jax.Array],
    optimizer: optax.GradientTransformation,
    *,
    num_images: int,
    axis_name: str | None,
) -> tuple[State, Mapping[str, jax.Array]]:
    """Updates the network and its average once; returns the new state and metrics.

    Args:
      config: has the option ema_half_life_images.
      loss_fn: parameters -> a scalar.
      num_images: number of images on this device.
    """
    loss, gradients = jax.value_and_grad(loss_fn)(state.network.params)
    gradients = train_state.mean_over(axis_name, gradients)
    metrics = {'loss': loss, 'gradient': optax.tree.norm(gradients)}
    updated = train_state.update(state.network, gradients, optimizer)
    ema = train_state.ema_update(
        state.ema,
        updated.variables,
        images=num_images,
        half_life_images=config.ema_half_life_images,
        step=state.step,
        axis_name=axis_name,
    )
    advanced = state.replace(step=state.step + 1, network=updated, ema=ema)
    return advanced, train_state.mean_over(axis_name, metrics)


def make_optimizer(
    config: Config, *, learning_rate: float, num_steps: int
) -> optax.GradientTransformation:
    """Returns Adam on clipped gradients, with a rise and a cosine decay over `num_steps`."""
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, config.warmup_steps, max(num_steps, config.warmup_steps + 1)
    )
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(schedule))


def between(noise: jax.Array, image: jax.Array, time: jax.Array) -> jax.Array:
    """Returns x_t = (1 - t) x0 + t x1 of noise and images [n, ...] at times [n]."""
    time = time.reshape(-1, *[1] * (image.ndim - 1))
    return (1.0 - time) * noise + time * image


def draw_noise(image_keys: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Draws standard normal noise [n, *shape] and numbers [n], one of each from every key [n]."""

    def one(key):
        noise_key, time_key = jax.random.split(key)
        return jax.random.normal(noise_key, shape), jax.random.normal(time_key)

    return jax.vmap(one)(image_keys)


def _is_dropped(image_keys, probability):
    draw = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, _NO_LABEL)))
    return draw(image_keys) < probability
