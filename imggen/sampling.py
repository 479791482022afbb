"""Images from a trained method, any number of them, in chunks of one compiled size."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import keys
from imggen.errors import UserError
from imggen.method import Images
from imggen.restoring import Restored


def generate(
    key: jax.Array, restored: Restored, count: int, *, batch_size: int = 256
) -> Iterator[Images]:
    """Yields `count` samples in chunks; sample i depends on fold_in(key, i) alone.

    Yields:
      {name: float32 [chunk, height, width, channels] in [-1, 1]} on the host.
    """
    sample = _Sampler(restored, batch_size)
    for first in range(0, count, sample.batch_size):
        chunk = min(sample.batch_size, count - first)
        image_keys = keys.per_image(key, sample.batch_size, first=first)
        yield {name: images[:chunk] for name, images in sample(image_keys, {}).items()}


def interpolate(
    key: jax.Array, restored: Restored, stops: int, *, frames_between: int = 16
) -> np.ndarray:
    """Walks through latent space along great arcs between random stops, and back to the first.

    Args:
      key: of the stops.
      restored: a method whose `sample` takes latents.
      stops: how many.
      frames_between: images from one stop to the next.

    Returns:
      float32 [stops * frames_between, height, width, channels].
    """
    latent_size = restored.method.latent_size
    if latent_size is None:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} has no latent space to walk through.')
    ends = jax.vmap(lambda key: jax.random.normal(key, (latent_size,)))(keys.per_image(key, stops))
    latents = jnp.concatenate(
        [
            slerp(ends[i], ends[(i + 1) % stops], jnp.arange(frames_between) / frames_between)
            for i in range(stops)
        ]
    )
    sample = _Sampler(restored, min(256, len(latents)))
    images = []
    for first in range(0, len(latents), sample.batch_size):
        part = latents[first : first + sample.batch_size]
        padded = jnp.pad(part, ((0, sample.batch_size - len(part)), (0, 0)))
        unused = keys.per_image(key, sample.batch_size)
        named = sample(unused, {'latent': padded})
        images.append(next(iter(named.values()))[: len(part)])
    return np.concatenate(images)


def slerp(start: jax.Array, end: jax.Array, t: jax.Array) -> jax.Array:
    """Interpolates along the great arc between two vectors [d], at each t [n]: [n, d].

    sin((1 - t) a) / sin(a) start + sin(t a) / sin(a) end, a the angle between them;
    a straight line would pass through latents much shorter than any that training saw.
    """
    cosine = jnp.dot(start, end) / (jnp.linalg.norm(start) * jnp.linalg.norm(end))
    angle = jnp.arccos(jnp.clip(cosine, -1.0 + 1e-6, 1.0 - 1e-6))
    weights = jnp.stack([jnp.sin((1.0 - t) * angle), jnp.sin(t * angle)], axis=-1)
    return weights / jnp.sin(angle) @ jnp.stack([start, end])


class _Sampler:
    """A method's `sample`, compiled for one batch size and spread over the devices."""

    def __init__(self, restored: Restored, batch_size: int):
        mesh = restored.mesh
        self.batch_size = -(-batch_size // mesh.size) * mesh.size
        self._restored = restored
        self._sharded = NamedSharding(mesh, P('data'))
        self._sample = jax.jit(restored.method.sample, out_shardings=NamedSharding(mesh, P()))

    def __call__(self, image_keys, inputs):
        restored = self._restored
        image_keys, inputs = jax.device_put((image_keys, inputs), self._sharded)
        frozen = restored.method.frozen
        images = self._sample(image_keys, restored.state, frozen, {**restored.batch, **inputs})
        return jax.device_get(images)
