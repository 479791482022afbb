"""Measures of a run: what it is compared with, by which extractor, and what is written down."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from imggen import data, features, keys
from imggen.errors import UserError
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.method import Batch, Method
from imggen.metrics import distribution as evaluation
from imggen.metrics.extraction import Features, extract, extract_moments, reference_features
from imggen.metrics.frechet import Moments, frechet_distance
from imggen.workdir.restore import Restored


class Reference(NamedTuple):
    """Real images by their features.

    Attributes:
      name: which images, for example 'fashion_mnist test'.
      features: of all of them.
      held_out: of other real images, for the floor; None where there are none.
    """

    name: str
    features: Features
    held_out: Features | None


def reference(
    config: Mapping[str, Any], extractor: Extractor, *, mesh: Mesh | None = None
) -> Reference:
    """Returns the real images that a data set's generators are compared with.

    Where the set has held-out images, they are the reference, so that copying the
    training images gains nothing, and training images make the floor.

    Args:
      config: the `data` section of a run.
      extractor: whose features.
      mesh: devices to spread the extraction over.
    """

    def read(split):
        pictures, _ = data.examples(config, split=split)
        if isinstance(pictures, np.ndarray):
            return reference_features(extractor, pictures, mesh=mesh)
        return extract(extractor, pictures, mesh=mesh)  # Larger than the memory: never whole.

    if config['name'] == 'folder' and not config.get('test_fraction'):
        return Reference(f'{config["path"]} train', read('train'), None)
    return Reference(f'{config["name"]} test', read('test'), read('train'))


def distribution(
    restored: Restored,
    extractor: Extractor,
    *,
    num_images: int,
    only: Iterable[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Compares a run's samples with real images of its data set.

    Args:
      restored: the trained method.
      extractor: whose features.
      num_images: how many it generates.
      only: names of the measures to keep; all by default.
      seed: of the samples.

    Returns:
      A line as `compare` makes it.
    """
    real = reference(restored.config['data'], extractor, mesh=restored.mesh)
    chunks = sampling.generate(keys.stream(seed, 'measure'), restored, num_images)
    generated = (chunk[restored.method.output] for chunk in chunks)
    if set(only) == {'frechet'}:
        # Its moments are enough: no feature is kept, whatever `num_images` is.
        moments = extract_moments(extractor, generated, mesh=restored.mesh)
        found = evaluation.moments_metrics(Moments.of(real.features.features), moments)
        return _line(real.name, found, extractor)
    features = extract(extractor, generated, mesh=restored.mesh)
    return compare(real, features, extractor, only=only, seed=seed)


def compare(
    real: Reference,
    generated: Features,
    extractor: Extractor,
    *,
    only: Iterable[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Compares two sets of images by their features; the result is ready for JSON."""
    found = evaluation.distribution_metrics(
        keys.stream(seed, 'measure'), real.features, generated, held_out=real.held_out
    )
    if unknown := sorted(set(only) - found['metrics'].keys()):
        raise UserError(
            f'--measure={unknown[0]} is no measure: there are {", ".join(found["metrics"])}.'
        )
    return _line(real.name, found, extractor, only=only)


def _line(
    name: str, found: Mapping[str, Any], extractor: Extractor, *, only: Iterable[str] = ()
) -> dict[str, Any]:
    def keep(part):
        values = found.get(part, {})
        return {key: round(values[key], 6) for key in values if not only or key in only}

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
        'note': '; '.join(filter(None, [*found['notes'].values(), extractor.note])),
    }


def during_training(
    method: Method,
    config: Mapping[str, Any],
    batch: Batch,
    *,
    extractor: str,
    mesh: Mesh,
    num_images: int,
) -> Callable[[int, Any], dict[str, float]]:
    """Returns (step, state) -> {'frechet': ...}, with the same keys every time.

    Args:
      method: the method that trains.
      config: the whole config of its run.
      batch: supplies the shapes of a batch.
      extractor: name of the extractor.
      mesh: the devices.
      num_images: how many are generated.
    """
    extractor = features.make(extractor)
    moments = Moments.of(reference(config['data'], extractor, mesh=mesh).features.features)
    key = keys.stream(config['seed'], 'measure')
    batch = {name: leaf for name, leaf in batch.items() if name != 'label'}

    def measure(step, state):
        restored = Restored(config, method, state, step, batch, mesh)
        chunks = sampling.generate(key, restored, num_images)
        generated = extract(
            extractor, (chunk[restored.method.output] for chunk in chunks), mesh=mesh
        )
        return {'frechet': frechet_distance(moments, Moments.of(generated.features))}

    return measure
