"""Compares the generated images of a run, as a set, with the real images of its data set."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from imggen import data, features, keys
from imggen.errors import UserError
from imggen.evaluation import selection
from imggen.evaluation.real import features_of
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.method import Batch, Method
from imggen.metrics.distribution import METRICS, distribution_metrics, moments_metrics
from imggen.metrics.extraction import Features, extract, extract_moments
from imggen.metrics.frechet import Moments, frechet_distance
from imggen.progress import Progress
from imggen.workdir.restore import Restored


class Reference(NamedTuple):
    """The features of the real images.

    Attributes:
      name: which images they are, for example 'fashion_mnist test'.
      features: their features.
      held_out: the features of other real images, for the floor; None if there are none.
    """

    name: str
    features: Features
    held_out: Features | None


def reference(
    section: Mapping[str, Any], extractor: Extractor, *, mesh: Mesh | None = None
) -> Reference:
    """Returns the real images that generated images are compared with.

    If the data set holds out images, these are the reference, so that copying training images
    gains nothing; training images then make the floor.

    Args:
      section: the `data` section of a run.
      extractor: computes the features.
      mesh: the devices that share the extraction.

    Raises:
      UserError: the data set has no images to compare with.
    """
    train = features_of(section, 'train', extractor, mesh=mesh)
    if not data.has_held_out(section):
        return Reference(f'{section.get("path", section["name"])} train', train, None)
    test = features_of(section, 'test', extractor, mesh=mesh)
    return Reference(f'{section["name"]} test', test, train)


def distribution(
    restored: Restored,
    extractor: Extractor,
    *,
    num_images: int,
    only: Iterable[str] = (),
    seed: int = 0,
    best_of: int = 1,
) -> dict[str, Any]:
    """Compares a run's samples with real images of its data set, as `compare` does.

    Args:
      restored: the run.
      extractor: computes the features.
      num_images: number of samples.
      only: names of the metrics to keep; () for all.
      seed: of the samples, of the floor and of the spread.
      best_of: how many candidates there are for each sample; see `selection.best_of`.

    Raises:
      UserError: the method translates images or makes none, or the data set has none.
    """
    sampling.check(restored)
    copying = [name for name in only if name.startswith('copying')]
    if copying and not data.has_held_out(restored.config['data']):
        raise UserError(
            f'--measure={copying[0]} needs held-out images: train with '
            '--config.data.test_fraction=0.1, or leave it out.'
        )
    real = reference(restored.config['data'], extractor, mesh=restored.mesh)
    generated = samples(restored, num_images=num_images, seed=seed, best_of=best_of)
    progress = Progress(num_images, unit='image', active=jax.process_index() == 0)
    shown = {'mesh': restored.mesh, 'advance': partial(progress.advance, label='generated')}
    if set(only) == {'frechet'}:
        # Moments are enough, so features are not kept, however large `num_images` is.
        moments = extract_moments(extractor, generated, **shown)
        progress.close()
        found = moments_metrics(Moments.of(real.features.features), moments)
        return line(real.name, found, extractor)
    generated = extract(extractor, generated, **shown)
    progress.say(f'comparing them with {len(real.features.features):,} real images')
    progress.close()
    return compare(real, generated, extractor, only=only, seed=seed)


def samples(
    restored: Restored, *, num_images: int, seed: int, best_of: int = 1
) -> Iterable[np.ndarray]:
    """Returns the images that the metrics measure, as an iterator over chunks.

    A chunk is float32 [k, height, width, channels] in [-1, 1]. Image i depends on the seed and i;
    it is the best of `best_of` candidates, chosen by the extractor of the run's config.

    Raises:
      UserError: the method translates images or makes none, or holds fewer than `num_images`.
    """
    key = keys.stream(seed, 'measure')
    if best_of > 1:
        chosen = selection.best_of(key, restored, num_images, best_of)
        return (images for images, _ in chosen)
    chunks = sampling.generate(key, restored, num_images)
    return (chunk[restored.method.output] for chunk in chunks)


def compare(
    real: Reference,
    generated: Features,
    extractor: Extractor,
    *,
    only: Iterable[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Compares two sets of images by their features, which `extractor` computed.

    Args:
      real: the reference.
      generated: the features of the generated images.
      extractor: the extractor of both sets.
      only: names of the metrics to keep; () for all.
      seed: the seed of the floor and the spread.

    Returns:
      A part of a line of evaluations.jsonl: the metrics, their spread and floor, the counts.

    Raises:
      UserError: a name in `only` is unknown.
    """
    check_names(only, METRICS)
    found = distribution_metrics(
        keys.stream(seed, 'measure'),
        real.features,
        generated,
        held_out=real.held_out,
        only=only,
    )
    if lacking := sorted(set(only) - set(found['metrics'])):
        raise UserError(
            f'--measure={lacking[0]} does not apply here. {found["notes"].get("few", "")}'.strip()
        )
    return line(real.name, found, extractor, only=only)


def check_names(only: Iterable[str], known: Iterable[str]) -> None:
    """Raises UserError if a name in `only` is not one of the known metrics."""
    if unknown := sorted(set(only) - set(known)):
        raise UserError(f'--measure={unknown[0]} is unknown: there are {", ".join(known)}.')


def line(
    name: str, found: Mapping[str, Any], extractor: Extractor, *, only: Iterable[str] = ()
) -> dict[str, Any]:
    """Returns `found`, of `distribution_metrics`, as a part of a line of evaluations.jsonl."""

    def keep(part):
        values = found.get(part, {})
        return {
            key: round(values[key], 6)
            for key in values
            if not only or key.removesuffix('_gaussian') in only
        }

    counts = found['counts']
    return {
        'extractor': extractor.name,
        'digest': extractor.digest,
        'reference': name,
        'num_reference': counts['reference'],
        'num_generated': counts['generated'],
        'num_floor': [
            counts[key] for key in ('floor_reference', 'floor_generated') if key in counts
        ],
        'metrics': keep('metrics'),
        'spread': keep('spread'),
        'floor': keep('floor'),
        'note': ' '.join(filter(None, [*found['notes'].values(), extractor.note])),
    }


def during_training(
    method: Method,
    config: Mapping[str, Any],
    batch: Batch,
    *,
    extractor: str,
    mesh: Mesh,
    num_images: int,
    class_counts: tuple[int, ...] = (),
) -> Callable[[int, Any], dict[str, float]]:
    """Returns (step, state) -> {'frechet': ...}, to measure while a run trains.

    `config` is the whole config of the run. Only the shapes of `batch` are used. Labels are drawn
    as often as `class_counts` says.

    Raises:
      UserError: the method translates images or makes none, or the data set has none.
    """
    batch = {name: leaf for name, leaf in batch.items() if name != 'label'}
    run = Restored(config, method, None, 0, batch, mesh, class_counts=class_counts)
    sampling.check(run)
    extractor = features.make(extractor)
    moments = Moments.of(reference(config['data'], extractor, mesh=mesh).features.features)

    def measure(step, state):
        restored = run._replace(state=state, step=step)
        generated = samples(restored, num_images=num_images, seed=config['seed'])
        found = extract(extractor, generated, mesh=mesh)
        return {'frechet': frechet_distance(moments, Moments.of(found.features))}

    return measure
