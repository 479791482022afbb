"""Images from a trained method, any number of them, in chunks of one compiled size."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import keys, latents
from imggen.errors import UserError
from imggen.method import Images
from imggen.workdir.restore import Restored


def generate(
    key: jax.Array,
    restored: Restored,
    count: int,
    *,
    batch_size: int = 256,
    label: int | None = None,
    truncation: float | None = None,
) -> Iterator[Images]:
    """Yields `count` samples in chunks; sample i depends on fold_in(key, i) alone.

    Where the state holds the images, sample i is the i-th of them.

    Args:
      key: of the samples.
      restored: a trained method.
      count: how many.
      batch_size: of a chunk, rounded up to a multiple of the devices.
      label: the class of all of them; each draws its own by default.
      truncation: the largest absolute value of a latent's numbers, which are drawn
        normal between: fewer odd images, less variety; None for no bound.

    Yields:
      {name: float32 [chunk, height, width, channels] in [-1, 1]} on the host.
    """
    held = restored.method.num_images
    if held is not None and count > held:
        raise UserError(f'the run holds {held} images, not {count}: ask for at most {held}.')
    sample = _Sampler(restored, min(batch_size, count))
    for first in range(0, count, sample.batch_size):
        chunk = min(sample.batch_size, count - first)
        image_keys = keys.per_image(key, sample.batch_size, first=first)
        index = jnp.minimum(first + jnp.arange(sample.batch_size), (held or 1) - 1)
        inputs = {} if held is None else {'index': index}
        inputs |= _wanted(restored, image_keys, label, truncation)
        yield {name: images[:chunk] for name, images in sample(image_keys, inputs).items()}


def interpolate(
    key: jax.Array,
    restored: Restored,
    stops: int,
    *,
    frames_between: int = 16,
    label: int | None = None,
    truncation: float | None = None,
) -> np.ndarray:
    """Walks through latent space along great arcs between random stops, and back to the first.

    Args:
      key: of the stops.
      restored: a method whose `sample` takes latents.
      stops: how many.
      frames_between: images from one stop to the next.
      label: the class of all images; 0 by default, where there are classes.
      truncation: of the stops, as for `generate`.

    Returns:
      float32 [stops * frames_between, height, width, channels].
    """
    stop_keys = keys.per_image(key, stops)
    ends = _latents(restored, stop_keys, truncation)
    if label is None and restored.method.num_classes is not None:
        label = 0
    path = jnp.concatenate(
        [
            slerp(ends[i], ends[(i + 1) % stops], jnp.arange(frames_between) / frames_between)
            for i in range(stops)
        ]
    )
    sample = _Sampler(restored, min(256, len(path)))
    images = []
    for first in range(0, len(path), sample.batch_size):
        part = path[first : first + sample.batch_size]
        padded = jnp.pad(part, ((0, sample.batch_size - len(part)), (0, 0)))
        unused = keys.per_image(key, sample.batch_size)
        named = sample(unused, {'latent': padded, **_wanted(restored, unused, label, None)})
        images.append(named[restored.method.output][: len(part)])
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


def _wanted(restored: Restored, image_keys, label, truncation):
    """Returns what `sample` is told of the images that are wanted."""
    inputs = {}
    if label is not None:
        classes = restored.method.num_classes
        if classes is None or not 0 <= label < classes:
            there_are = (
                f'there are 0 to {classes - 1}' if classes else 'its method knows no classes'
            )
            raise UserError(f'the run cannot make class {label}: {there_are}.')
        inputs['label'] = jnp.full(len(image_keys), label, jnp.int32)
    if truncation is not None:
        inputs['latent'] = _latents(restored, image_keys, truncation)
    return inputs


def _latents(restored: Restored, image_keys, truncation):
    """Draws latents [n, latent size], normal between -truncation and truncation."""
    size = restored.method.latent_size
    if size is None:
        name = restored.config['method']['name']
        raise UserError(f'the method {name!r} has no latent space to walk through or truncate.')
    if truncation is None:
        return latents.draw(image_keys, size)
    if truncation <= 0:
        raise UserError(f'a truncation of {truncation} leaves no latent: make it more than 0.')

    def one(key):
        return jax.random.truncated_normal(key, -truncation, truncation, (size,))

    return jax.vmap(one)(image_keys)


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
