"""A flow that carries an input to its translations: flow matching whose noise is the input.

With an input x, its target y, noise e ~ N(0, I) and a time t in [0, 1] (rectified flow, Liu et al.
2023; the input beside the path, as in I2SB's conditional form, Liu et al. 2023):

  y_0 = s(x) + noise * e        y_t = (1 - t) y_0 + t y

  loss = mean |v(y_t, t, x) - (y - y_0)|^2

s(x) has the channels of y: it is the input, or the mean of its channels. `sample` integrates the
flow of the averaged network. The noise of an image comes from its key, so that one input has many
translations, where the regression of pix2pix has one.

A batch is that of pix2pix.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from imggen import images, keys, options, train_state
from imggen.errors import UserError
from imggen.method import Batch, Method, Phase, Translation
from imggen.methods import flow_matching
from imggen.networks.flow_unet import FlowUNet


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of updates.
      network: options of networks.flow_unet.FlowUNet. Attention fits only images of about the size
        of the training, because its memory grows with the square of their area.
      noise: standard deviation of the noise on the input, where images have [-1, 1].
      time: one of flow_matching.TIMES.
      solver: one of flow_matching.SOLVERS, to sample with.
      evaluations: network evaluations per sample.
      learning_rate: learning rate of Adam after `warmup_steps`; it decays to 0 along a cosine.
      warmup_steps: number of steps in which the learning rate rises from 0.
      clip_norm: largest norm of the gradient; larger ones are scaled down.
      ema_half_life_images: half-life of the averaged variables, in images.
    """

    num_steps: int
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    noise: float = 0.5
    time: str = 'uniform'
    solver: str = 'heun'
    evaluations: int = 10
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    clip_norm: float = 1.0
    ema_half_life_images: float = 1000.0


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown value.
    """
    config = options.build(Config, config, where='config.method')
    solver = options.choose(flow_matching.SOLVERS, config.solver, where='config.method.solver')
    if config.evaluations < 1 or not 0 <= config.noise < math.inf:
        raise UserError(
            f'config.method.evaluations={config.evaluations} and noise={config.noise}: set them to '
            '1 or more and to 0 or more.'
        )
    network = options.build(FlowUNet, config.network, where='config.method.network', num_classes=0)
    optimizer = flow_matching.make_optimizer(
        config, learning_rate=config.learning_rate, num_steps=config.num_steps
    )

    velocity = functools.partial(_velocity, network)

    def init(key, frozen, batch):
        del frozen
        x, y = (pictures[:1] for pictures in _pair(batch))
        variables = network.init(key, jnp.concatenate([y, x], -1), jnp.zeros(1))
        network_state = train_state.create(variables, optimizer)
        return flow_matching.State(jnp.int32(0), network_state, ema=variables)

    def sample(image_keys, state, frozen, batch):
        """Translates the first images of a batch, one per key; returns inputs and targets too."""
        del frozen
        count = min(len(image_keys), len(_input(batch)))
        batch = {name: leaf[:count] for name, leaf in batch.items()}
        x = _input(batch)
        # The first kernel is [3, 3, channels of y and x, features].
        channels = state.ema['params']['Conv_0']['kernel'].shape[2] - x.shape[-1]
        noise, _ = flow_matching.draw_noise(image_keys[:count], (*x.shape[1:3], channels))

        def velocity_at(y, time):
            return velocity(state.ema, y, jnp.full(len(y), time), x)

        y = solver(velocity_at, start(x, noise, config.noise), config.evaluations)
        sets = {'input': x, 'output': jnp.clip(y, -1, 1)}
        if (target := batch.get('target', batch.get('image'))) is not None:
            sets['target'] = target
        return {name: images.visible(pictures) for name, pictures in sets.items()}

    return Method(
        init,
        (Phase('train', config.num_steps, _step(config, velocity, optimizer, axis_name)),),
        sample,
        output='output',
        translation=Translation(sees_whole_image=True),
    )


def _velocity(network: FlowUNet, variables, y: jax.Array, time: jax.Array, x: jax.Array):
    """Returns v(y, t, x), of the shape of y."""
    return network.apply(variables, jnp.concatenate([y, x], -1), time)[..., : y.shape[-1]]


def _step(config: Config, velocity, optimizer: optax.GradientTransformation, axis_name):
    """Returns the step that trains the network."""
    to_time = options.choose(flow_matching.TIMES, config.time, where='config.method.time')

    def step(key, state, frozen, batch):
        del frozen
        x, y = _pair(batch)
        image_keys = keys.per_image(key, len(y), axis_name=axis_name)
        noise, time = flow_matching.draw_noise(image_keys, y.shape[1:])
        time, first = to_time(time), start(x, noise, config.noise)

        def loss_fn(params):
            between = flow_matching.between(first, y, time)
            found = velocity({'params': params}, between, time, x)
            return jnp.mean(jnp.square(found - (y - first)))

        return flow_matching.advance(
            config, state, loss_fn, optimizer, num_images=len(y), axis_name=axis_name
        )

    return step


def start(x: jax.Array, noise: jax.Array, scale: float) -> jax.Array:
    """Returns y_0 of inputs [n, height, width, any] and noise [n, height, width, channels]."""
    if x.shape[-1] != noise.shape[-1]:
        x = jnp.mean(x, -1, keepdims=True)
    return x + scale * noise


def _input(batch: Batch) -> jax.Array:
    return batch['input'] if 'input' in batch else batch['image']


def _pair(batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Returns input and target; a single image is both."""
    return _input(batch), batch['target'] if 'target' in batch else batch['image']
