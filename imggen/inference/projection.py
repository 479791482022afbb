"""From a picture back to the latent that a generator makes it from, as nearly as it can."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from imggen import keys, schedules
from imggen.errors import UserError
from imggen.features.extractor import Extractor
from imggen.workdir.restore import Restored


class Projection(NamedTuple):
    """What a projection found, for each picture the best of its starts.

    Attributes:
      latents: float32 [n, latent size].
      images: float32 [n, height, width, channels] in [-1, 1], made from them.
      errors: float32 [n], mean squared differences of the pixels.
    """

    latents: np.ndarray
    images: np.ndarray
    errors: np.ndarray


def project(
    key: jax.Array,
    restored: Restored,
    pictures: jax.Array,
    *,
    labels: jax.Array | None = None,
    starts: int = 8,
    num_steps: int = 300,
    learning_rate: float = 0.1,
    prior_weight: float = 1e-3,
    extractor: Extractor | None = None,
) -> Projection:
    """Looks for the latents of pictures by gradient descent from several random starts.

    mean (G(z) - x)^2 + mean (f(G(z)) - f(x))^2 / mean f(x)^2 + prior weight mean z^2

    Adam, with a learning rate that falls to 0 along a cosine; the latents get noise that
    falls from 0.05 of a standard deviation to 0 over the first three quarters.

    Args:
      key: of the starts and the noise.
      restored: a trained method whose `sample` takes latents.
      pictures: float32 [n, height, width, channels] in [-1, 1], of the method's size.
      labels: int32 [n], of a conditional generator.
      starts: for each picture.
      num_steps: of Adam.
      learning_rate: at the start.
      prior_weight: keeps latents as likely as those that training drew.
      extractor: whose features f count as well as pixels; None for pixels alone.
    """
    method = restored.method
    if method.latent_size is None:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} has no latent space to project into.')
    shape = restored.batch['image'].shape[1:]
    if pictures.shape[1:] != shape:
        raise UserError(f'pictures of shape {pictures.shape[1:]} are not of the run, {shape}.')
    count = len(pictures)
    targets = jnp.repeat(jnp.asarray(pictures), starts, axis=0)
    inputs = dict(restored.batch)
    if method.num_classes is not None:
        labels = jnp.zeros(count, jnp.int32) if labels is None else labels
        inputs['label'] = jnp.repeat(labels, starts)
    start_key, noise_key = jax.random.split(key)
    image_keys = keys.per_image(start_key, count * starts)
    optimizer = optax.adam(
        lambda step: schedules.cosine(learning_rate, 0.0, step / num_steps), b1=0.9, b2=0.999
    )

    def generate(state, latents):
        named = method.sample(image_keys, state, method.frozen, {**inputs, 'latent': latents})
        return named[method.output]

    def seen(params, images):
        return extractor.apply(params, images)['features']

    @jax.jit
    def search(state, params, targets):
        wanted = None if extractor is None else seen(params, targets)

        def loss_fn(latents):
            images = generate(state, latents)
            axes = (1, 2, 3)
            losses = jnp.mean(jnp.square(images - targets), axes)
            losses += prior_weight * jnp.mean(jnp.square(latents), -1)
            if extractor is not None:
                scale = jnp.mean(jnp.square(wanted)) + 1e-8
                losses += jnp.mean(jnp.square(seen(params, images) - wanted), -1) / scale
            return losses.sum()  # Each start goes its own way.

        def step(index, carry):
            latents, opt_state = carry
            size = 0.05 * jnp.square(jnp.maximum(0.0, 1.0 - index / (0.75 * num_steps)))
            step_key = jax.random.fold_in(noise_key, index)
            noisy = latents + size * jax.random.normal(step_key, latents.shape)
            updates, opt_state = optimizer.update(jax.grad(loss_fn)(noisy), opt_state)
            return optax.apply_updates(latents, updates), opt_state

        latents = jax.vmap(lambda key: jax.random.normal(key, (method.latent_size,)))(image_keys)
        latents, _ = jax.lax.fori_loop(0, num_steps, step, (latents, optimizer.init(latents)))
        images = generate(state, latents)
        return latents, images, jnp.mean(jnp.square(images - targets), (1, 2, 3))

    params = None if extractor is None else extractor.params
    latents, images, errors = jax.device_get(search(restored.state, params, targets))
    best = errors.reshape(count, starts).argmin(1) + np.arange(count) * starts
    return Projection(latents[best], images[best], errors[best])
