"""The evaluation of a run: its samples as a set, and the scores that its config names.

`config.run.extractor` names the features in which generated and real images are compared; ''
means that they are not compared. `config.run.scores` names what else is measured, of SCORES.
"""

import errno
import functools
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from imggen import features, options
from imggen.errors import UserError
from imggen.evaluation import (
    classifier,
    detection,
    distribution,
    diversity,
    evolution,
    flow_nfe,
    modes,
    parzen,
    reconstruction,
    style,
    translation,
)
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.metrics.distribution import METRICS
from imggen.workdir import reader
from imggen.workdir.restore import Restored

NUM_IMAGES = 10_000


class Score(NamedTuple):
    """One entry of SCORES.

    Attributes:
      measure: (restored, *, num_images, seed) -> metrics by name. `restored` is a trained run,
        `num_images` is how many images are generated, or looked at, at most, and `seed` is the
        seed of everything that is drawn.
      check: (restored) -> None. Raises UserError, before anything is loaded or generated, if the
        score does not apply to the run.
      num_images: how many images are generated, or looked at, by default.
      uses_extractor: whether `measure` has another argument, `extractor`.
    """

    measure: Callable[..., dict[str, float]]
    check: Callable[[Restored], None]
    num_images: int = NUM_IMAGES
    uses_extractor: bool = False


SCORES = {
    'classifier': Score(classifier.measure, classifier.check),
    'evolution': Score(evolution.measure, evolution.check),
    'flow_evaluations': Score(flow_nfe.measure, flow_nfe.check, uses_extractor=True),
    'modes': Score(modes.measure, modes.check, num_images=modes.NUM_IMAGES),
    'parzen': Score(parzen.measure, sampling.check),
    'reconstruction': Score(reconstruction.measure, reconstruction.check, uses_extractor=True),
    'references': Score(diversity.measure, sampling.check),
    'rejection': Score(detection.measure, detection.check),
    'style': Score(style.measure, style.check),
    'translation': Score(translation.measure, translation.check),
    'translation_vgg16': Score(translation.measure_vgg16, translation.check),
}


class EvaluationOptions(NamedTuple):
    """How a run is evaluated.

    Attributes:
      extractor: computes the features in which generated and real images are compared; None
        for no comparison.
      scores: names of SCORES.
      num_images: how many images are generated, or looked at, at most.
      only: names of the metrics to keep; () for all.
      seed: the seed of the samples.
      best_of: how many candidates there are for each sample; see `selection.best_of`.
    """

    extractor: Extractor | None
    scores: Sequence[str]
    num_images: int
    only: Sequence[str] = ()
    seed: int = 0
    best_of: int = 1


def protocol(
    restored: Restored,
    *,
    num_images: int | None = None,
    extractor: str | None = None,
    only: Iterable[str] = (),
    seed: int = 0,
    best_of: int = 1,
) -> EvaluationOptions:
    """Returns how the run's config wants it to be evaluated.

    Args:
      restored: the run.
      num_images: how many images are generated; by default 10,000, or the number in the
        published protocol of a score.
      extractor: replaces the config's choice; '' for no comparison.
      only: names of the metrics to keep; all by default.
      seed: the seed of the samples.
      best_of: candidates for each sample. With more than one, there are no scores, which draw
        samples of their own.

    Raises:
      UserError: a name is unknown, a score or an extractor does not apply to the run, or there is
        neither.
    """
    section = restored.config['run']
    name = section.get('extractor', '') if extractor is None else extractor
    scores = tuple(section.get('scores', ())) if best_of == 1 else ()
    chosen = [options.choose(SCORES, score, where='config.run.scores') for score in scores]
    if not name and best_of > 1:
        raise UserError('--best_of measures samples as a set, by features: give --extractor.')
    if not name and not scores:
        raise UserError('the run is measured by nothing: give --extractor.')
    if not scores:  # The names of the metrics of scores are known only afterwards.
        distribution.check_names(only, METRICS)
    if name:
        sampling.check(restored)
    for score in chosen:
        score.check(restored)
        if score.uses_extractor and not name:
            raise UserError('a score of this run compares images by features: give --extractor.')
    if num_images is None:
        num_images = max([score.num_images for score in chosen], default=NUM_IMAGES)
    return EvaluationOptions(
        features.make(name) if name else None, scores, num_images, tuple(only), seed, best_of
    )


def evaluate(restored: Restored, how: EvaluationOptions) -> dict[str, Any]:
    """Returns one line of evaluations.jsonl.

    Raises:
      UserError: a name in `how.only` is not measured, or there is too little data.
    """
    started = time.perf_counter()
    line = {'extractor': '', 'digest': '', 'metrics': {}, 'spread': {}, 'floor': {}, 'note': ''}
    known = METRICS if how.extractor else ()
    of_distribution, of_scores = set(how.only) & set(known), set(how.only) - set(known)
    if how.extractor and (of_distribution or not how.only):
        line = distribution.distribution(
            restored,
            how.extractor,
            num_images=how.num_images,
            only=of_distribution,
            seed=how.seed,
            best_of=how.best_of,
        )
    if of_scores or not how.only:
        found = _score(restored, how)
        distribution.check_names(how.only, (*known, *found))
        line['metrics'] |= {
            name: round(value, 6)
            for name, value in found.items()
            if not how.only or name in how.only
        }
    seconds = round(time.perf_counter() - started, 2)
    return {**_identity(restored, how), **line, 'seconds': seconds}


def _score(restored: Restored, how: EvaluationOptions) -> dict[str, float]:
    found = {}
    for name in how.scores:
        score = SCORES[name]
        measure = score.measure
        if score.uses_extractor:
            measure = functools.partial(measure, extractor=how.extractor)
        found |= measure(restored, num_images=how.num_images, seed=how.seed)
    return found


def recorded(
    workdir: str | pathlib.Path, restored: Restored, how: EvaluationOptions
) -> dict[str, Any] | None:
    """Returns the line of the same evaluation if it has been recorded, else None."""
    wanted = _identity(restored, how)
    for line in reader.read(workdir).evaluations:
        if all(line.get(name) == value for name, value in wanted.items()):
            return line
    return None


def append(workdir: str | pathlib.Path, line: dict[str, Any]) -> None:
    """Adds one evaluation to a run's evaluations.jsonl, on a line of its own, whole or not at all.

    Raises:
      UserError: the file cannot be written.
    """
    path = reader.read(workdir).path / 'evaluations.jsonl'
    try:
        with open(path, 'a+b', buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            is_cut = file.read(1) not in (b'', b'\n')  # By a process that was killed.
            start = '\n' if is_cut else ''
            text = f'{start}{json.dumps(line)}\n'.encode()
            if (written := file.write(text)) < len(text):  # The disk is full.
                file.truncate(size)
                raise OSError(errno.ENOSPC, f'{written} of {len(text)} bytes were written')
    except OSError as error:
        raise UserError(
            f'the numbers above are not recorded: {path} cannot be written ({error.strerror}).'
        ) from error


def _identity(restored: Restored, how: EvaluationOptions) -> dict[str, Any]:
    return {
        'step': restored.step,
        'digest': how.extractor.digest if how.extractor else '',
        'scores': list(how.scores),
        'num_images': how.num_images,
        'only': list(how.only),
        'seed': how.seed,
    }
