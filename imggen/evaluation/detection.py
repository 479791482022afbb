"""An evaluator as a detector: how well its energy tells real pictures from others.

Energies are small for good pictures. A picture is rejected where its energy is above
the threshold. `measure` scores a trained run against noise, random shapes, shuffled
patches and the pictures of another data set.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, keys
from imggen.data.loaders import digits, fashion_mnist
from imggen.errors import UserError
from imggen.images import from_uint8
from imggen.methods import vae
from imggen.methods.energy_based import began, ebgan
from imggen.methods.evaluator import evaluator, impostors
from imggen.workdir.restore import Restored

SCORES = {
    'began': began.score,
    'ebgan': ebgan.score,
    'evaluator': evaluator.score,
    'vae': vae.score,
}

_BATCH_SIZE = 256


class Roc(NamedTuple):
    """What every threshold does, from the one that rejects everything to the one that nothing.

    Attributes:
      thresholds: float64 [k], rising.
      false_rejects: part of the real pictures rejected at each, [k].
      rejects: part of the others rejected at each, [k].
    """

    thresholds: np.ndarray
    false_rejects: np.ndarray
    rejects: np.ndarray


def calibrate(energies, false_reject_rate: float) -> float:
    """Returns the smallest energy that at most this part of real ones [n] lie above.

    Raises:
      UserError: the rate leaves nothing, or there are no energies.
    """
    energies = _checked(energies, 'real')
    if not 0.0 <= false_reject_rate < 1.0:
        raise UserError(
            f'A false-reject rate of {false_reject_rate} rejects every real picture: take one of '
            '0 to below 1.'
        )
    kept = int(np.ceil(len(energies) * (1.0 - false_reject_rate) - 1e-9))
    return float(np.sort(energies)[max(kept, 1) - 1])


def rejected(energies, threshold: float) -> float:
    """Returns the part of energies [n] above a threshold."""
    return float(np.mean(_checked(energies, 'picture') > threshold))


def roc(real, other) -> Roc:
    """Returns the curve of real [n] against other energies [m]."""
    real, other = _checked(real, 'real'), _checked(other, 'other')
    thresholds = np.concatenate([[-np.inf], np.unique(np.concatenate([real, other]))])
    parts = [
        1.0 - np.searchsorted(np.sort(side), thresholds, side='right') / len(side)
        for side in (real, other)
    ]
    return Roc(thresholds, *parts)


def area(real, other) -> float:
    """Returns the area under the curve: how likely another energy is above a real one.

    P(other > real) + P(other = real) / 2: 1 separates, 0.5 says nothing, below it the
    others look better than real pictures.
    """
    curve = roc(real, other)
    return float(-np.trapezoid(curve.rejects, curve.false_rejects))


def scorer(restored: Restored) -> Callable[[np.ndarray], np.ndarray]:
    """Returns images float32 [n, height, width, channels] -> energies float32 [n].

    Raises:
      UserError: the run's method has no evaluator.
    """
    section = dict(restored.config['method'])
    name = section.pop('name')
    if name not in SCORES:
        raise UserError(
            f'The method {name!r} has no evaluator to score with: there are {", ".join(SCORES)}.'
        )
    compiled = jax.jit(lambda state, images: SCORES[name](section, state, images))

    def score(images):
        energies = []
        for first in range(0, len(images), _BATCH_SIZE):
            chunk = images[first : first + _BATCH_SIZE]
            missing = [(0, _BATCH_SIZE - len(chunk)), (0, 0), (0, 0), (0, 0)]
            padded = jnp.pad(chunk, missing)
            energies.append(np.asarray(compiled(restored.state, padded))[: len(chunk)])
        return np.concatenate(energies)

    return score


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures a run's evaluator.

    `area_*` are areas under the curve against each kind of other pictures, of as many as
    there are held-out real ones, at most `num_images`; for a run with a calibrated
    threshold, `rejected_*` are the parts of real and other pictures that it rejects.

    Raises:
      UserError: the method has no evaluator, or its threshold rejects everything real.
    """
    score = scorer(restored)
    real = real_images(restored, 'test')[:num_images]
    key = keys.stream(seed, 'measure')
    image_keys = keys.per_image(key, len(real))
    others = {
        name: np.asarray(jax.jit(impostor)(image_keys, real))
        for name, impostor in impostors.IMPOSTORS.items()
    }
    others['other_set'] = _other_set(restored, real)[:num_images]
    energies = {name: score(images) for name, images in others.items()}
    real_energies = score(real)
    metrics = {f'area_{name}': area(real_energies, values) for name, values in energies.items()}
    threshold = threshold_of(restored)
    if threshold is None:
        return metrics
    false_rejects = rejected(real_energies, threshold)
    if false_rejects == 1.0:
        raise UserError(
            f'The threshold {threshold:.4g} rejects all {len(real)} held-out real pictures: train '
            'the evaluator longer, or lower config.method.false_reject_rate.'
        )
    parts = {f'rejected_{name}': rejected(values, threshold) for name, values in energies.items()}
    return {**metrics, 'threshold': threshold, 'rejected_real': false_rejects, **parts}


def threshold_of(restored: Restored) -> float | None:
    """Returns the threshold that a run calibrated; None where it has none."""
    section = restored.config['method']
    if section['name'] != 'evaluator':
        return None
    rate = section.get('false_reject_rate', evaluator.Config.false_reject_rate)
    return float(evaluator.threshold_of(restored.state, rate))


def real_images(restored: Restored, split: str) -> np.ndarray:
    """Returns the pictures of a run's data set, float32 [n, height, width, channels].

    A folder without a held-out part has its training pictures for both splits.
    """
    section = dict(restored.config['data'])
    if section['name'] == 'folder' and not section.get('test_fraction'):
        split = 'train'
    pictures, _ = data.examples(section, split=split)
    if not isinstance(pictures, np.ndarray):
        pictures = np.concatenate(list(pictures))
    return np.asarray(from_uint8(pictures))


def _other_set(restored: Restored, real: np.ndarray) -> np.ndarray:
    """Returns pictures of another data set in the shape of `real`.

    Of one class of a set, the other classes; of Fashion-MNIST, digits; of any other,
    Fashion-MNIST.
    """
    section = dict(restored.config['data'])
    if kept := section.get('class_names'):
        names = {'fashion_mnist': fashion_mnist.NAMES, 'digits': digits.NAMES}[section['name']]
        rest = (name for i, name in enumerate(names) if name not in kept and i not in kept)
        section['class_names'] = tuple(rest)
    else:
        other = 'digits' if section['name'] == 'fashion_mnist' else 'fashion_mnist'
        section = {'name': other}
    pictures, _ = data.examples(section, split='test')
    pictures = np.asarray(from_uint8(pictures))
    shape = (len(pictures), *real.shape[1:3], pictures.shape[-1])
    resized = jax.image.resize(pictures, shape, 'linear', antialias=True)
    return np.broadcast_to(np.asarray(resized), (len(pictures), *real.shape[1:]))


def _checked(energies, name: str) -> np.ndarray:
    energies = np.asarray(energies, np.float64)
    if energies.ndim != 1 or not len(energies) or not np.isfinite(energies).all():
        raise UserError(f'The {name} energies must be finite numbers [n] with n >= 1.')
    return energies
