"""How well the energy of an evaluator separates real images from others.

Energies are small for images like those of the data set. An image is rejected if its energy
is above the threshold. `measure` scores a trained run against noise, random shapes, shuffled
patches and the images of another data set. `measure_nearest` is what it has to beat.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from imggen import data, keys
from imggen.errors import UserError
from imggen.features.extractor import Extractor
from imggen.images import from_uint8
from imggen.methods.evaluator import impostors
from imggen.metrics import extraction, pairwise
from imggen.metrics.batching import map_batches
from imggen.progress import Progress
from imggen.workdir.restore import Restored

_OTHER_SETS = ('fashion_mnist', 'digits')


class Roc(NamedTuple):
    """The effect of every threshold, from one that rejects everything to one that rejects nothing.

    Attributes:
      thresholds: float64 [k], ascending.
      false_rejects: fraction of the real images that each threshold rejects, [k].
      rejects: fraction of the other images that each threshold rejects, [k].
    """

    thresholds: np.ndarray
    false_rejects: np.ndarray
    rejects: np.ndarray


def check(restored: Restored) -> None:
    """Raises UserError if the method of a run has no evaluator."""
    if restored.method.energy is None:
        name = restored.config['method']['name']
        raise UserError(
            f'the method {name!r} has no evaluator to score images with: name another run.'
        )


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures the evaluator of a run.

    Returns:
      area_*, the area under the curve against each kind of other images, as many as there are
      real ones. If the run calibrated a threshold, also `threshold`, and rejected_*, the
      fractions of real and of other images that it rejects.

    Raises:
      UserError: the method has no evaluator, or its threshold rejects every real image.
    """
    score = scorer(restored)
    real, others = _sets(restored, num_images, seed)
    energies = {name: score(images) for name, images in others.items()}
    real_energies = score(real)
    metrics = {f'area_{name}': area(real_energies, values) for name, values in energies.items()}
    if restored.method.threshold is None:
        return metrics
    threshold = float(restored.method.threshold(restored.state))
    false_rejects = rejected(real_energies, threshold)
    if false_rejects == 1.0:
        raise UserError(
            f'The threshold {threshold:.4g} rejects all {len(real)} held-out real images: train '
            'the evaluator longer, or lower config.method.false_reject_rate.'
        )
    parts = {f'rejected_{name}': rejected(values, threshold) for name, values in energies.items()}
    return {**metrics, 'threshold': threshold, 'rejected_real': false_rejects, **parts}


def measure_nearest(
    restored: Restored, extractor: Extractor, *, num_images: int, num_training: int, seed: int
) -> dict[str, float]:
    """Measures a detector without training: the distance to the nearest training image.

    Distances are Euclidean, in the features of a frozen network (Reiss et al. 2021).

    Args:
      restored: a run, for its data set.
      extractor: the network.
      num_images: the largest number of real and of other images.
      num_training: how many training images are drawn at random.
      seed: draws the impostors and the training images.

    Returns:
      area_*, as `measure` has them.
    """
    training = real_images(restored, 'train')
    order = jax.random.permutation(keys.stream(seed, 'data'), len(training))
    training = training[np.asarray(order[:num_training])]
    real, others = _sets(restored, num_images, seed)
    sets = [training, real, *others.values()]
    ends = np.cumsum([len(images) for images in sets])
    progress = Progress(int(ends[-1]), unit='image', active=jax.process_index() == 0)
    advance = partial(progress.advance, label=extractor.name)
    found = extraction.extract(extractor, sets, advance=advance).features
    progress.close()
    known, *queries = np.split(found, ends[:-1])
    real_energies, *energies = (pairwise.nearest(query, known)[0] for query in queries)
    return {
        f'area_{name}': area(real_energies, values)
        for name, values in zip(others, energies, strict=True)
    }


def scorer(restored: Restored) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function: images float32 [n, height, width, channels] -> energies float32 [n].

    Raises:
      UserError: the run's method has no evaluator.
    """
    check(restored)
    energy = jax.jit(restored.method.energy)
    return lambda images: map_batches(lambda batch: energy(restored.state, batch), images)


def real_images(restored: Restored, split: str) -> np.ndarray:
    """Returns the images of a run's data set, float32 [n, height, width, channels] in [-1, 1].

    If none are held out, the training images stand for both splits.
    """
    section = restored.config['data']
    pictures, _ = data.examples(section, split=split if data.has_held_out(section) else 'train')
    if not isinstance(pictures, np.ndarray):
        pictures = np.concatenate(list(pictures))
    return np.asarray(from_uint8(pictures))


def area(real: np.ndarray, other: np.ndarray) -> float:
    """Returns the area under the curve of real energies [n] against other energies [m].

    It is P(other > real) + P(other = real) / 2. It is 1 if the energy separates the two, 0.5 by
    chance, and below 0.5 if the others look better than the real images.
    """
    curve = roc(real, other)
    return float(-np.trapezoid(curve.rejects, curve.false_rejects))


def roc(real: np.ndarray, other: np.ndarray) -> Roc:
    """Returns the curve of real energies [n] against other energies [m]."""
    real, other = _checked(real, 'real'), _checked(other, 'other')
    thresholds = np.concatenate([[-np.inf], np.unique(np.concatenate([real, other]))])
    parts = [
        1.0 - np.searchsorted(np.sort(side), thresholds, side='right') / len(side)
        for side in (real, other)
    ]
    return Roc(thresholds, *parts)


def rejected(energies: np.ndarray, threshold: float) -> float:
    """Returns the fraction of energies [n] above a threshold."""
    return float(np.mean(_checked(energies, 'image') > threshold))


def _sets(
    restored: Restored, num_images: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns held-out real images, and as many of each kind of others."""
    real = real_images(restored, 'test')[:num_images]
    image_keys = keys.per_image(keys.stream(seed, 'measure'), len(real))
    others = {
        name: np.asarray(jax.jit(impostor)(image_keys, real))
        for name, impostor in impostors.IMPOSTORS.items()
    }
    return real, {**others, 'other_set': _other_set(restored, real)[:num_images]}


def _other_set(restored: Restored, real: np.ndarray) -> np.ndarray:
    """Returns images of another data set in the shape of `real`.

    If the run keeps some classes of a set, the others are the remaining classes. Otherwise
    they are the digits for Fashion-MNIST, and Fashion-MNIST for every other set.
    """
    section = dict(restored.config['data'])
    rest = ()
    if kept := section.get('class_names'):
        names = data.class_names({**section, 'class_names': ()})
        rest = tuple(
            name for index, name in enumerate(names) if name not in kept and index not in kept
        )
    if rest:
        section['class_names'] = rest
    else:
        section = {'name': next(name for name in _OTHER_SETS if name != section['name'])}
    pictures, _ = data.examples(section, split='test')
    pictures = np.asarray(from_uint8(pictures))
    shape = (len(pictures), *real.shape[1:3], pictures.shape[-1])
    resized = jax.image.resize(pictures, shape, 'linear', antialias=True)
    return np.broadcast_to(np.asarray(resized), (len(pictures), *real.shape[1:]))


def _checked(energies: np.ndarray, name: str) -> np.ndarray:
    energies = np.asarray(energies, np.float64)
    if energies.ndim != 1 or not len(energies) or not np.isfinite(energies).all():
        raise UserError(f'The {name} energies must be finite numbers [n] with n >= 1.')
    return energies
