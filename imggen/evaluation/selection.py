"""The most realistic of several samples, in place of every single one."""

import pathlib
from collections.abc import Iterator

import jax
import numpy as np

from imggen import features
from imggen.errors import UserError
from imggen.evaluation.real import features_of
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.metrics.extraction import extract
from imggen.metrics.realism import Balls, balls, realism
from imggen.workdir.restore import Restored


def best_of(
    key: jax.Array,
    restored: Restored,
    count: int,
    num_candidates: int,
    *,
    extractor: str | None = None,
    batch_size: int = 256,
    label: int | str | np.ndarray | None = None,
    truncation: float | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields `count` images in chunks, each the most realistic of `num_candidates` samples.

    Image i is one of the samples n i to n i + n - 1 that `sampling.generate` makes of the same
    key, n = num_candidates. If the method has classes, they share the class that was asked for, or
    drawn for i, so that classes which are easy do not win.

    Args:
      key, restored, count, batch_size, label, truncation: as for `sampling.generate`.
      num_candidates: n.
      extractor: the name of the extractor that chooses; by default `extractor_of` the run.

    Yields:
      Images float32 [chunk, height, width, channels] in [-1, 1], and int [chunk], the number of
      the sample that each is.

    Raises:
      UserError: as `sampling.generate`; the state of the run holds its images; or those that it
        was trained on are not there.
    """
    sampling.check(restored)
    if sampling.num_held(restored) is not None:
        raise UserError('the run holds its images and draws none: leave --best_of out.')
    label = labels(key, restored, count, num_candidates, label)
    chunks = sampling.generate(
        key,
        restored,
        count * num_candidates,
        batch_size=batch_size,
        label=label,
        truncation=truncation,
    )
    network = features.make(extractor or extractor_of(restored))

    def chosen():
        real = _balls(restored, network)
        done, scores, images = 0, np.zeros(0), None
        for chunk in chunks:
            new = chunk[restored.method.output]
            images = new if images is None else np.concatenate([images, new])
            found = extract(network, new, mesh=restored.mesh)
            scores = np.append(scores, realism(real, found.features))
            whole = len(scores) // num_candidates
            if whole:
                cut = whole * num_candidates
                best = scores[:cut].reshape(whole, num_candidates).argmax(axis=1)
                best += num_candidates * np.arange(whole)
                yield images[best], done + best
                done, scores, images = done + cut, scores[cut:], images[cut:]

    return chosen()


def extractor_of(restored: Restored) -> str:
    """Returns the name of the extractor that chooses by default: that of the config, or lite0."""
    return restored.config['run'].get('extractor') or 'lite0'


def labels(
    key: jax.Array,
    restored: Restored,
    count: int,
    num_candidates: int,
    label: int | str | np.ndarray | None,
) -> int | str | np.ndarray | None:
    """Returns the label, or labels, of all candidates of `best_of`."""
    if num_candidates == 1:
        return label  # Each draws its own.
    if label is None and restored.method.num_classes is not None:
        label = np.asarray(sampling.draw_labels(key, restored, count))
    return label.repeat(num_candidates) if isinstance(label, np.ndarray) else label


def _balls(restored: Restored, extractor: Extractor) -> Balls:
    """Returns the balls of the images that a run was trained on."""
    section = restored.config['data']
    path = section.get('path')
    if path and not pathlib.Path(path).expanduser().exists():
        raise UserError(
            f'--best_of needs the pictures that the run was trained on, and {path} is not there: '
            'put them there, or leave --best_of out.'
        )
    real = features_of(section, 'train', extractor, mesh=restored.mesh)
    return balls(real.features)
