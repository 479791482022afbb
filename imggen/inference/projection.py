"""Projection: the latent from which a generator makes an image most like a given one."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from imggen import keys
from imggen.errors import UserError
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.workdir.restore import Restored


class Projection(NamedTuple):
    """The result of a projection: for each image the best of its starts.

    Attributes:
      latents: float32 [n, latent_size].
      images: float32 [n, height, width, channels] in [-1, 1], made from them.
      errors: float32 [n], mean squared errors of the pixels.
    """

    latents: np.ndarray
    images: np.ndarray
    errors: np.ndarray


def project(
    key: jax.Array,
    restored: Restored,
    images: jax.Array,
    *,
    labels: jax.Array | None = None,
    starts: int = 8,
    num_steps: int = 300,
    learning_rate: float = 0.1,
    prior_weight: float = 1e-3,
    extractor: Extractor | None = None,
) -> Projection:
    """Finds the latents of images by gradient descent from several random starts.

    Minimizes mean (G(z) - x)^2 + mean (f(G(z)) - f(x))^2 / mean f(x)^2 + prior_weight mean z^2
    by Adam, with a learning rate that falls to 0 along a cosine. The latents get noise, whose
    standard deviation falls from 0.05 to 0 over the first three quarters of the steps.

    Args:
      key: of the starts and the noise.
      restored: a trained method that has latents.
      images: float32 [n, height, width, channels] in [-1, 1], of the method's size.
      labels: int32 [n], for a method that has classes; drawn by default, one for each image.
      starts: number of random starts for each image.
      num_steps: number of steps of Adam.
      learning_rate: of Adam, at the start.
      prior_weight: keeps the latents as probable as those drawn in training.
      extractor: its features f count beside the pixels; None for pixels alone.
    """
    _check(restored, images)
    method, count = restored.method, len(images)
    inputs = dict(restored.batch)
    if method.num_classes is not None:
        labels = sampling.draw_labels(key, restored, count) if labels is None else labels
        inputs['label'] = jnp.repeat(labels, starts)
    start_key, noise_key = jax.random.split(key)
    image_keys = keys.per_image(start_key, count * starts)

    def generate(state, latents):
        batch = {**inputs, 'latent': latents}
        return method.sample(image_keys, state, method.frozen, batch)[method.output]

    @jax.jit
    def search(state, params, targets):
        draw = lambda key: jax.random.normal(key, (method.latent_size,))
        features = _features(extractor, params)
        wanted = None if features is None else features(targets)
        loss_fn = functools.partial(
            _loss, functools.partial(generate, state), features, prior_weight, targets, wanted
        )
        latents = _descend(noise_key, loss_fn, jax.vmap(draw)(image_keys), num_steps, learning_rate)
        made = generate(state, latents)
        return latents, made, jnp.mean(jnp.square(made - targets), (1, 2, 3))

    params = None if extractor is None else extractor.params
    targets = jnp.repeat(jnp.asarray(images), starts, axis=0)
    latents, made, errors = jax.device_get(search(restored.state, params, targets))
    best = errors.reshape(count, starts).argmin(1) + np.arange(count) * starts
    return Projection(latents[best], made[best], errors[best])


def _check(restored: Restored, images: jax.Array) -> None:
    if restored.method.latent_size is None:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} has no latent space to project into.')
    shape = restored.batch['image'].shape[1:]
    if images.shape[1:] != shape:
        raise UserError(
            f'the images have shape {images.shape[1:]}, but the run makes {shape}: resize them.'
        )


def _features(extractor: Extractor | None, params):
    if extractor is None:
        return None
    return lambda images: extractor.apply(params, images)['features']


def _loss(generate, features, prior_weight: float, targets, wanted, latents) -> jax.Array:
    """Returns the sum of the losses of all starts, which are independent."""
    made = generate(latents)
    losses = jnp.mean(jnp.square(made - targets), (1, 2, 3))
    losses += prior_weight * jnp.mean(jnp.square(latents), -1)
    if features is not None:
        scale = jnp.mean(jnp.square(wanted)) + 1e-8
        losses += jnp.mean(jnp.square(features(made) - wanted), -1) / scale
    return losses.sum()


def _descend(noise_key, loss_fn, latents, num_steps: int, learning_rate: float) -> jax.Array:
    """Minimizes `loss_fn` by Adam from latents [n, d], with noise that fades."""
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))

    def step(index, carry):
        latents, opt_state = carry
        size = 0.05 * jnp.square(jnp.maximum(0.0, 1.0 - index / (0.75 * num_steps)))
        step_key = jax.random.fold_in(noise_key, index)
        noisy = latents + size * jax.random.normal(step_key, latents.shape)
        updates, opt_state = optimizer.update(jax.grad(loss_fn)(noisy), opt_state)
        return optax.apply_updates(latents, updates), opt_state

    latents, _ = jax.lax.fori_loop(0, num_steps, step, (latents, optimizer.init(latents)))
    return latents
