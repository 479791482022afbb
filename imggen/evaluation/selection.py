"""The most realistic of several samples, in place of every single one."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from imggen.errors import UserError
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.metrics.extraction import Features, extract
from imggen.metrics.realism import Balls, balls, realism
from imggen.workdir.restore import Restored


class Critic(NamedTuple):
    """What chooses.

    Attributes:
      extractor: computes the features of samples.
      balls: those of the real images, by the same extractor.
    """

    extractor: Extractor
    balls: Balls


def critic(extractor: Extractor, real: Features) -> Critic:
    """Returns a critic that knows real images by their features.

    Raises:
      UserError: there are too few real images.
    """
    return Critic(extractor, balls(real.features))


def best_of(
    key: jax.Array,
    restored: Restored,
    count: int,
    num_candidates: int,
    chosen_by: Critic,
    *,
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
      chosen_by: the critic.

    Yields:
      Images float32 [chunk, height, width, channels] in [-1, 1], and int [chunk], the number of
      the sample that each is.

    Raises:
      UserError: as `sampling.generate`, or the state of the run holds its images.
    """
    sampling.check(restored)
    if sampling.num_held(restored) is not None:
        raise UserError('the run holds its images and draws none: leave --best_of out.')
    label = labels(key, restored, count, num_candidates, label)
    chunks = sampling.generate(
        key,
        restored,
        count * num_candidates,
        batch_size=max(batch_size, num_candidates),
        label=label,
        truncation=truncation,
    )

    def chosen():
        done, scores, images = 0, np.zeros(0), None
        for chunk in chunks:
            new = chunk[restored.method.output]
            images = new if images is None else np.concatenate([images, new])
            found = extract(chosen_by.extractor, new, mesh=restored.mesh)
            scores = np.append(scores, realism(chosen_by.balls, found.features))
            whole = len(scores) // num_candidates
            if whole:
                cut = whole * num_candidates
                best = scores[:cut].reshape(whole, num_candidates).argmax(axis=1)
                best += num_candidates * np.arange(whole)
                yield images[best], done + best
                done, scores, images = done + cut, scores[cut:], images[cut:]

    return chosen()


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
