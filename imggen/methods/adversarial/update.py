"""One update of a discriminator and a generator, shared by all adversarial methods.

The discriminator learns from real and generated images, then the generator learns from the
discriminator. Both learn from the same generated images, while published trainers generate new ones
for each network. The gradient of the generator is taken through the updated discriminator.

A network may draw noise and add terms to its own loss. In training it is applied with a stream of
random numbers 'noise', and the sum of what it sows into the collection 'losses' is added to its
loss and appears in the metrics as `generator_auxiliary` or `discriminator_auxiliary`:

    class Noise(nn.Module):
        @nn.compact
        def __call__(self, x):
            scale = self.param('scale', nn.initializers.ones, ())
            self.sow('losses', 'scale', 1e-3 * scale**2)
            return x + scale * jax.random.normal(self.make_rng('noise'), x.shape)

Under jit the noise does not depend on how the batch is spread over devices; under pmap each device
draws its own. `apply_per_image` applies a generator to sample from it.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import optax

from imggen import keys, train_state
from imggen.losses import adversarial
from imggen.train_state import TrainState

# Streams of random numbers, which are folded into the key of a step. They are larger than the
# index of any image, which is folded into the same key.
_BETWEEN = 2**30 + 1  # Where the gradient penalty is taken.
_REAL, _FAKE = 2**30 + 2, 2**30 + 3  # Passes of the discriminator in its own update,
_REAL_AGAIN, _FAKE_AGAIN = 2**30 + 4, 2**30 + 5  # and in the update of the generator.
_GENERATOR = 2**30 + 6
_NOISE = 2**30  # Folded into the key of a stream, for noise that a network draws.

# (variables, *inputs, rngs=, mutable=) -> (output, changed collections): the `apply` of a linen
# module, with its other arguments bound.
Apply = Callable[..., tuple[jax.Array, dict[str, Any]]]


class Penalties(NamedTuple):
    """Penalties on gradients of the discriminator.

    Attributes:
      r1_gamma, r2_gamma: weights of `zero_centered_gradient_penalty` on real and on generated
        images.
      gradient_penalty: weight of `losses.adversarial.gradient_penalty`.
      every_steps: a penalty is computed once in this many steps, and multiplied by it.
    """

    r1_gamma: float = 0.0
    r2_gamma: float = 0.0
    gradient_penalty: float = 0.0
    every_steps: int = 1


NO_PENALTIES = Penalties()


class Generated(NamedTuple):
    """Images of the generator and the way back to its parameters.

    Attributes:
      images: [n, height, width, channels].
      losses: what the generator sowed, scalars.
      batch_stats: its new batch statistics.
      pull_back: (gradient at images, at losses) -> (gradient at the parameters,).
    """

    images: jax.Array
    losses: list[jax.Array]
    batch_stats: Any
    pull_back: Callable


class Discriminate(NamedTuple):
    """The forward pass of a discriminator in training.

    Attributes:
      apply: (variables, images, rngs=, mutable=) -> (logits, changed collections).
      key: the key of the step.
      augment: (keys [n], images) -> images, applied to what the discriminator sees; None for
        none.
      axis_name: the pmap axis that the step runs under; None under jit.
    """

    apply: Apply
    key: jax.Array
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    axis_name: str | None = None

    def __call__(self, params, batch_stats, images, stream: int):
        """Returns logits and (new batch statistics, sowed losses); draws from one stream."""
        if self.augment is not None:
            images = self.augment(self.image_keys(stream, len(images)), images)
        key = jax.random.fold_in(self.key, stream)
        return _apply(self.apply, params, batch_stats, images, key=key, axis_name=self.axis_name)

    def image_keys(self, stream: int, count: int) -> jax.Array:
        """Returns keys [count] of one stream."""
        key = jax.random.fold_in(self.key, stream)
        return keys.per_image(key, count, axis_name=self.axis_name)


def generate(
    key: jax.Array, generator_apply: Apply, state: TrainState, *, axis_name: str | None
) -> Generated:
    """Generates images to train on.

    Args:
      key: the key of the step.
      generator_apply: (variables, rngs=, mutable=) -> (images, changed collections).
      state: the train state of the generator.
      axis_name: the pmap axis; None under jit.
    """
    key = jax.random.fold_in(key, _GENERATOR)

    def forward(params):
        images, (batch_stats, losses) = _apply(
            generator_apply, params, state.batch_stats, key=key, axis_name=axis_name
        )
        return (images, losses), batch_stats

    (images, losses), pull_back, batch_stats = jax.vjp(forward, state.params, has_aux=True)
    return Generated(images, losses, batch_stats, pull_back)


def discriminator_loss(
    params,
    batch_stats,
    discriminate: Discriminate,
    real: jax.Array,
    fake: jax.Array,
    *,
    loss: adversarial.Loss,
    penalties: Penalties,
    weight: int,
    gamma_scale: jax.Array | float,
):
    """Returns the loss of the discriminator with its penalties.

    Args:
      params, batch_stats: the variables of the discriminator.
      real, fake: images [n, height, width, channels].
      loss, penalties: the terms of the result.
      weight: multiplies all penalties; with 0 they are not computed.
      gamma_scale: multiplies `r1_gamma` and `r2_gamma`.

    Returns:
      The loss, a scalar, and (metrics, new batch statistics, overfitting). The last is the mean
      sign of the logits of real images, or of their distance to the logits of generated images
      if the loss is relative.
    """

    def forward(batch_stats, stream):
        return lambda images: discriminate(params, batch_stats, images, stream)

    centered = adversarial.zero_centered_gradient_penalty
    real_logits, r1, (batch_stats, real_losses) = centered(
        forward(batch_stats, _REAL), real, weight * penalties.r1_gamma, gamma_scale
    )
    fake_logits, r2, (batch_stats, fake_losses) = centered(
        forward(batch_stats, _FAKE), fake, weight * penalties.r2_gamma, gamma_scale
    )
    adversarial_loss = jnp.mean(loss.discriminator(real_logits, fake_logits))
    total = adversarial_loss + jnp.mean(r1 + r2)
    metrics = {'discriminator_loss': adversarial_loss}
    metrics |= {'real_logit': real_logits.mean(), 'fake_logit': fake_logits.mean()}
    metrics |= {'r1': r1.mean()} if penalties.r1_gamma else {}
    metrics |= {'r2': r2.mean()} if penalties.r2_gamma else {}
    if penalties.gradient_penalty:
        value = jnp.zeros(())
        if weight:
            image_keys = discriminate.image_keys(_BETWEEN, len(real))
            value = jnp.mean(
                adversarial.gradient_penalty(forward(batch_stats, _REAL), image_keys, real, fake)
            )
        metrics['gradient_penalty'] = weight * penalties.gradient_penalty * value
        total += metrics['gradient_penalty']
    if sowed := real_losses + fake_losses:
        metrics['discriminator_auxiliary'] = sum(sowed)
        total += metrics['discriminator_auxiliary']
    signs = jnp.sign(real_logits - fake_logits if loss.relative else real_logits)
    return total, (metrics, batch_stats, jnp.mean(signs))


def generator_loss(
    images: jax.Array,
    discriminator: TrainState,
    discriminate: Discriminate,
    real: jax.Array,
    *,
    loss: adversarial.Loss,
):
    """Returns the loss of the generator on its images, a scalar, and metrics.

    The batch statistics that the discriminator computes in these passes are not kept.
    """
    params, batch_stats = discriminator.params, discriminator.batch_stats
    real_logits, _ = discriminate(params, batch_stats, real, _REAL_AGAIN)
    fake_logits, _ = discriminate(params, batch_stats, images, _FAKE_AGAIN)
    value = jnp.mean(loss.generator(real_logits, fake_logits))
    return value, {'generator_loss': value}


def update_discriminator(
    state: TrainState,
    discriminate: Discriminate,
    real: jax.Array,
    fake: jax.Array,
    *,
    loss: adversarial.Loss,
    optimizer: optax.GradientTransformation,
    penalties: Penalties = NO_PENALTIES,
    gamma_scale: jax.Array | float = 1.0,
    step: jax.Array | int = 0,
):
    """Makes one step of the discriminator's optimizer.

    The arguments are those of `discriminator_loss`, and `step`, the number of steps before this
    one, which decides whether penalties are computed.

    Returns:
      The new train state, metrics of this device, and overfitting as in `discriminator_loss`.
    """
    loss_fn = functools.partial(
        discriminator_loss,
        batch_stats=state.batch_stats,
        discriminate=discriminate,
        real=real,
        fake=fake,
        loss=loss,
        penalties=penalties,
        gamma_scale=gamma_scale,
    )

    def gradient(weight):
        return jax.grad(functools.partial(loss_fn, weight=weight), has_aux=True)(state.params)

    every = penalties.every_steps
    if every == 1:
        gradients, auxiliary = gradient(1)
    else:
        gradients, auxiliary = jax.lax.cond(
            step % every == 0, lambda: gradient(every), lambda: gradient(0)
        )
    metrics, batch_stats, overfitting = auxiliary
    gradients = train_state.mean_over(discriminate.axis_name, gradients)
    metrics |= {'discriminator_gradient': optax.tree.norm(gradients)}
    state = train_state.update(state, gradients, optimizer, batch_stats=batch_stats)
    return state, metrics, overfitting


def update_generator(
    state: TrainState,
    generated: Generated,
    loss_fn: Callable,
    *,
    optimizer: optax.GradientTransformation,
    axis_name: str | None,
):
    """Makes one step of the generator's optimizer.

    Args:
      state: the train state of the generator.
      generated: the result of `generate` for this state.
      loss_fn: images -> (loss, metrics); `generator_loss` or a sum that contains it.

    Returns:
      The new train state and metrics of this device.
    """
    gradient_at_images, metrics = jax.grad(loss_fn, has_aux=True)(generated.images)
    at_losses = [jnp.ones_like(value) for value in generated.losses]
    (gradients,) = generated.pull_back((gradient_at_images, at_losses))
    gradients = train_state.mean_over(axis_name, gradients)
    metrics |= {'generator_gradient': optax.tree.norm(gradients)}
    metrics |= {'generator_auxiliary': sum(generated.losses)} if generated.losses else {}
    state = train_state.update(state, gradients, optimizer, batch_stats=generated.batch_stats)
    return state, metrics


def apply_per_image(generator_apply: Callable, image_keys: jax.Array, *inputs):
    """Applies a network so that the noise of image i depends on key i alone.

    Args:
      generator_apply: (*inputs, rngs=) -> images, the `apply` of a linen module with its variables
        bound.
      image_keys: keys [n].
      *inputs: arrays [n, ...], or None.

    Returns:
      Images [n, height, width, channels]. A network that draws no noise makes them in one batch.
    """

    def one(key, inputs):
        inputs = jax.tree.map(lambda leaf: leaf[None], inputs)
        return generator_apply(*inputs, rngs={'noise': key})[0]

    try:
        return generator_apply(*inputs)
    except flax.errors.InvalidRngError:  # It asks for noise.
        return jax.vmap(one)(image_keys, inputs)


def _apply(apply: Apply, params, batch_stats, *inputs, key: jax.Array, axis_name: str | None):
    """Applies a network in training; returns (output, (batch statistics, sowed losses))."""
    key = jax.random.fold_in(key, _NOISE)
    if axis_name is not None:
        key = jax.random.fold_in(key, jax.lax.axis_index(axis_name))
    output, changed = apply(
        {'params': params, **batch_stats},
        *inputs,
        rngs={'noise': key},
        mutable=['batch_stats', 'losses'],
    )
    losses = jax.tree.leaves(changed.get('losses', {}))
    return output, ({name: changed[name] for name in changed if name != 'losses'}, losses)
