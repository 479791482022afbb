"""Images from a trained method, any number of them, in chunks of one compiled size."""

import difflib
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import keys, latents, train_state
from imggen.errors import UserError
from imggen.inference import load
from imggen.method import Images
from imggen.workdir.restore import Restored

_LABELS = 2**32 - 1  # Image keys fold in smaller numbers.


def check(restored: Restored) -> None:
    """Raises UserError if the method of a run does not generate images by itself."""
    name = restored.config['method']['name']
    if restored.method.translation is not None:
        raise UserError(
            f'the method {name!r} translates images and generates none: apply it to images with '
            "experiments.translate, and measure it with config.run.scores=('translation',)."
        )
    if restored.method.output is None:
        raise UserError(f'the method {name!r} makes no images: name the run of a generator.')


def num_held(restored: Restored) -> int | None:
    """Returns the number of images in the state of a run; None if the method draws images."""
    held = restored.method.num_images
    if held is None and restored.method.state_spec != P():  # Leaves lead with the images' axis.
        held = jax.tree.leaves(restored.state)[0].shape[0]
    return held


def num_classes(restored: Restored) -> int:
    """Returns the number of classes of a run; raises UserError if there are none."""
    if restored.method.num_classes is None:
        raise UserError('the method of the run has no classes: leave the label out.')
    return restored.method.num_classes


def class_number(restored: Restored, label: int | str) -> int:
    """Returns the number of a class, given it or the name of the class.

    A name counts first: if the classes are called '3' and '7', '7' is class 1.

    Raises:
      UserError: the method of the run has no such class, or no classes.
    """
    classes, names = num_classes(restored), restored.class_names
    if label in names:
        return names.index(label)
    text = str(label)
    if text.isdecimal() and len(text) < 10 and int(text) < classes:
        return int(text)
    numbers = f'its classes are 0 to {classes - 1}'
    if not names:
        hint = '.'
    elif close := difflib.get_close_matches(text, names, n=1):
        hint = f'; did you mean {close[0]!r}?'
    else:
        hint = f': {", ".join(names[:20])}{", ..." if len(names) > 20 else "."}'
    raise UserError(f'the run has no class {label!r:.80}: {numbers}{hint}')


def generate(
    key: jax.Array,
    restored: Restored,
    count: int,
    *,
    batch_size: int = 256,
    label: int | str | np.ndarray | None = None,
    truncation: float | None = None,
    guidance: float | None = None,
) -> Iterator[Images]:
    """Yields `count` samples in chunks; sample i depends on fold_in(key, i) alone.

    If the state holds the images, sample i is the i-th of them.

    Args:
      key: of the samples.
      restored: a trained method that generates.
      count: number of samples.
      batch_size: samples in a chunk, rounded up to a multiple of the number of devices.
      label: the class of all samples, by number or name, or int32 [count], the number of each; by
        default each draws its own, as often as the training images have it.
      truncation: the largest absolute value in a latent, whose values are drawn from a
        truncated normal distribution: fewer odd images, less variety. None for no bound.
      guidance: the factor of guidance, of a flow; by default that of the run's config.

    Yields:
      Sets of images by name, float32 [chunk, height, width, channels] in [-1, 1] on the host.
      `restored.method.output` names the samples.

    Raises:
      UserError: the method does not generate, holds fewer images, or lacks what is asked for.
    """
    check(restored)
    restored, guidance = _unguided(restored, guidance)
    held = num_held(restored)
    if held is not None and count > held:
        raise UserError(f'the run holds {held} images, not {count}: ask for at most {held}.')
    sample = _Sampler(restored, min(batch_size, count))
    asked = None if isinstance(label, np.ndarray) else label
    _inputs(restored, keys.per_image(key, 1), asked, truncation, guidance)  # Refuses at once.

    def chunks():
        for first in range(0, count, sample.batch_size):
            chunk = min(sample.batch_size, count - first)
            image_keys = keys.per_image(key, sample.batch_size, first=first)
            index = jnp.minimum(first + jnp.arange(sample.batch_size), (held or 1) - 1)
            inputs = {} if held is None else {'index': index}
            own = _labels_of(label, first, chunk, sample.batch_size)
            inputs |= _inputs(restored, image_keys, own, truncation, guidance)
            yield {name: images[:chunk] for name, images in sample(image_keys, inputs).items()}

    return chunks()


def walk(
    key: jax.Array,
    restored: Restored,
    stops: int,
    *,
    frames_between: int = 16,
    truncation: float | None = None,
) -> np.ndarray:
    """Walks through latent space along great arcs between random stops, and back to the first.

    Args:
      key: of the stops.
      restored: a trained method that has latents.
      stops: number of stops.
      frames_between: images from one stop to the next.
      truncation: of the stops, as in `generate`.

    Returns:
      Latents, float32 [stops * frames_between, latent_size].
    """
    ends = draw_latents(restored, keys.per_image(key, stops), truncation=truncation)
    t = jnp.arange(frames_between) / frames_between
    path = [slerp(ends[i], ends[(i + 1) % stops], t) for i in range(stops)]
    return np.asarray(jnp.concatenate(path))


def drawn(
    key: jax.Array,
    restored: Restored,
    numbers: np.ndarray,
    *,
    label: int | str | np.ndarray | None = None,
    truncation: float | None = None,
) -> dict[str, np.ndarray]:
    """Returns what `generate` makes images of, with the same arguments.

    Args:
      key, restored, truncation: as for `generate`.
      numbers: int [n], which of its samples.
      label: the class of all of them, or int32 [n].

    Returns:
      'latent' float32 [n, latent_size] if the method has latents, and 'label' int32 [n] if it has
      classes.
    """
    image_keys, found = keys.per_image(key, int(numbers.max()) + 1)[numbers], {}
    if restored.method.latent_size is not None:
        found['latent'] = draw_latents(restored, image_keys, truncation=truncation)
    if restored.method.num_classes is not None:
        found['label'] = _own_labels(restored, image_keys)
        found |= _inputs(restored, image_keys, label, None)
    return {name: np.asarray(array) for name, array in found.items()}


def from_latents(
    key: jax.Array,
    restored: Restored,
    given: jax.Array,
    *,
    label: int | str | np.ndarray | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Returns the images of latents float32 [n, latent_size]: [n, height, width, channels].

    Args:
      key: of whatever else the method draws.
      restored: a trained method that has latents.
      given: the latents.
      label: the class of all images, by number or name, or int32 [n], the number of each; by
        default each draws its own.
      advance: is told how many images are done.
    """
    sample = _Sampler(restored, min(256, len(given)))
    images = []
    for first in range(0, len(given), sample.batch_size):
        part = given[first : first + sample.batch_size]
        padded = jnp.pad(part, ((0, sample.batch_size - len(part)), (0, 0)))
        image_keys = keys.per_image(key, sample.batch_size, first=first)
        own = _labels_of(label, first, len(part), sample.batch_size)
        sets = sample(image_keys, {**_inputs(restored, image_keys, own), 'latent': padded})
        images.append(sets[restored.method.output][: len(part)])
        advance(first + len(part))
    return np.concatenate(images)


def from_keys(
    restored: Restored,
    image_keys: jax.Array,
    *,
    latent: jax.Array | None = None,
    label: int | None = None,
    truncation: float | None = None,
    guidance: float | None = None,
) -> np.ndarray:
    """Returns the images of single keys [n], float32 [n, height, width, channels] in [-1, 1].

    Args:
      restored: a trained method that generates, and holds no images.
      image_keys: one key for each image; `keys.per_image` numbers those of `generate`.
      latent: float32 [n, latent_size], in place of those that the keys draw.
      label, truncation, guidance: as in `generate`.
    """
    restored, guidance = _unguided(restored, guidance)
    sample = _Sampler(restored, len(image_keys))
    rest = sample.batch_size - len(image_keys)
    image_keys = jnp.concatenate([image_keys, jnp.repeat(image_keys[-1:], rest)])
    inputs = _inputs(restored, image_keys, label, truncation, guidance)
    if latent is not None:
        inputs['latent'] = jnp.pad(jnp.asarray(latent), ((0, rest), (0, 0)))
    made = sample(image_keys, inputs)[restored.method.output]
    return made[: len(made) - rest]


def draw_labels(key: jax.Array, restored: Restored, count: int) -> jax.Array:
    """Draws a class for each of `count` images, int32 [count], of a method that has classes.

    The draws are independent of all others from `key`.
    """
    label_keys = keys.per_image(jax.random.fold_in(key, _LABELS), count)
    return _own_labels(restored, label_keys)


def slerp(start: jax.Array, end: jax.Array, t: jax.Array) -> jax.Array:
    """Interpolates along the great arc between two vectors [d], at each t [n]: [n, d].

    sin((1 - t) a) / sin(a) start + sin(t a) / sin(a) end, where a is the angle between them.
    A straight line would pass through latents much shorter than those seen in training.
    """
    lengths = jnp.linalg.norm(start) * jnp.linalg.norm(end)
    cosine = jnp.dot(start, end) / jnp.maximum(lengths, 1e-30)  # A vector may be zero.
    angle = jnp.arccos(jnp.clip(cosine, -1.0 + 1e-6, 1.0 - 1e-6))
    weights = jnp.stack([jnp.sin((1.0 - t) * angle), jnp.sin(t * angle)], axis=-1)
    return weights / jnp.sin(angle) @ jnp.stack([start, end])


def _own_labels(restored: Restored, image_keys: jax.Array) -> jax.Array:
    """Draws the class of each image, as often as the training images have it, int32 [n]."""
    classes, counts = restored.method.num_classes, restored.class_counts
    return latents.draw_labels(image_keys, classes, counts=counts)


def _inputs(restored: Restored, image_keys, label, truncation=None, guidance=None):
    """Builds the inputs of `sample` that are asked for: labels, truncated latents, guidance."""
    inputs = {}
    classes = restored.method.num_classes
    if classes and latents.differ(restored.class_counts, classes):
        inputs['label'] = _own_labels(restored, image_keys)
    if isinstance(label, np.ndarray):
        if label.min() < 0 or label.max() >= num_classes(restored):
            raise UserError(
                f'labels from {label.min()} to {label.max()}: the classes of the run are 0 to '
                f'{num_classes(restored) - 1}.'
            )
        inputs['label'] = jnp.asarray(label, jnp.int32)
    elif label is not None:
        number = class_number(restored, label)
        inputs['label'] = jnp.full(len(image_keys), number, jnp.int32)
    if truncation is not None:
        inputs['latent'] = draw_latents(restored, image_keys, truncation=truncation)
    if guidance is not None:
        load.check_guidance(restored)
        inputs['guidance'] = jnp.full(len(image_keys), guidance, jnp.float32)
    return inputs


def _labels_of(label, first: int, count: int, size: int):
    """Returns `label`; of an array, the part of images first to first + count, repeated to size."""
    if not isinstance(label, np.ndarray):
        return label
    return np.resize(label[first : first + count], size)


def _unguided(restored: Restored, guidance: float | None) -> tuple[Restored, float | None]:
    """Turns a guidance of 1 into a run without: it has all evaluations for one network."""
    if guidance != 1.0:
        return restored, guidance
    return load.with_guidance(restored, 1.0), None


def draw_latents(
    restored: Restored, image_keys: jax.Array, *, truncation: float | None = None
) -> jax.Array:
    """Draws latents float32 [n, latent_size], in [-truncation, truncation] if it is given.

    Raises:
      UserError: the method has no latents, or the truncation is not greater than 0.
    """
    size = restored.method.latent_size
    if size is None:
        name = restored.config['method']['name']
        raise UserError(
            f'the method {name!r} has no latent space to walk through or to truncate: name a run '
            'that has latents, such as a GAN.'
        )
    if truncation is None:
        return latents.draw(image_keys, size)
    if not truncation > 0:
        raise UserError(f'a truncation of {truncation} leaves no latents: make it greater than 0.')

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
        sample = train_state.sees_whole(restored.method.sample)
        self._sample = jax.jit(sample, out_shardings=NamedSharding(mesh, P()))

    def __call__(self, image_keys, inputs):
        restored = self._restored
        image_keys, inputs = jax.device_put((image_keys, inputs), self._sharded)
        frozen = restored.method.frozen
        images = self._sample(image_keys, restored.state, frozen, {**restored.batch, **inputs})
        return jax.device_get(images)
