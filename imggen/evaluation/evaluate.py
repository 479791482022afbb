"""The evaluation of a run: distribution measures, and the scores that its config names.

`config.run.extractor` says in whose features generated and real images are compared
('' where that is no question to ask of the run), `config.run.scores` what else is
measured: one function a name, (restored, *, num_images, seed) -> scalars.
"""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from imggen import features, options
from imggen.errors import UserError
from imggen.evaluation import (
    detection,
    distribution,
    diversity,
    evolution,
    flow_nfe,
    modes,
    parzen,
    style,
    translation,
)
from imggen.features.extractor import Extractor
from imggen.metrics import distribution as evaluation
from imggen.workdir import reader
from imggen.workdir.restore import Restored

SCORES = {
    'evolution': evolution.measure,
    'flow_evaluations': flow_nfe.measure,
    'modes': modes.measure,
    'parzen': parzen.measure,
    'references': diversity.measure,
    'rejection': detection.measure,
    'style': style.measure,
    'translation': translation.measure,
}


NUM_IMAGES = 10_000
# What the published protocol of a score has instead.
_NUM_IMAGES_OF = {'modes': modes.NUM_IMAGES}


class Protocol(NamedTuple):
    """How a run is evaluated.

    Attributes:
      extractor: whose features tell generated from real images; None for no comparison.
      scores: names of SCORES.
      num_images: how many are generated, or looked at, at most.
      only: names of the measures to keep; () for all.
      seed: of the samples.
    """

    extractor: Extractor | None
    scores: Sequence[str]
    num_images: int
    only: Sequence[str] = ()
    seed: int = 0


def protocol(
    restored: Restored,
    *,
    num_images: int | None = None,
    extractor: str | None = None,
    only: Iterable[str] = (),
    seed: int = 0,
) -> Protocol:
    """Returns what the run's config asks for; `extractor` overrides its choice.

    By default 10,000 images are generated, or as many as the scores' own protocols say.

    Raises:
      UserError: an unknown score or measure, or a run that is measured by nothing.
    """
    watch = restored.config['run']
    name = watch.get('extractor', 'fashion_classifier') if extractor is None else extractor
    scores = tuple(watch.get('scores', ()))
    for score in scores:
        options.choose(SCORES, score, where='config.run.scores')
    if not name and not scores:
        raise UserError('the run is measured by nothing: give --extractor.')
    if not scores:  # Whose names are known only when they are measured.
        _check(only, evaluation.MEASURES)
    if num_images is None:
        usual = [_NUM_IMAGES_OF.get(score, NUM_IMAGES) for score in scores]
        num_images = max(usual, default=NUM_IMAGES)
    extractor = features.make(name) if name else None
    return Protocol(extractor, scores, num_images, tuple(only), seed)


def evaluate(restored: Restored, how: Protocol) -> dict[str, Any]:
    """Returns one line of evaluations.jsonl."""
    started = time.perf_counter()
    asked = {'num_images': how.num_images, 'seed': how.seed}
    line = {'extractor': '', 'digest': '', 'metrics': {}, 'spread': {}, 'floor': {}, 'note': ''}
    known = evaluation.MEASURES if how.extractor else ()
    of_distribution, of_scores = set(how.only) & set(known), set(how.only) - set(known)
    if how.extractor and (of_distribution or not how.only):
        line = distribution.distribution(restored, how.extractor, only=of_distribution, **asked)
    found = {}
    if of_scores or not how.only:
        for score in how.scores:
            found |= SCORES[score](restored, **asked)
        _check(how.only, (*known, *found))
    line['metrics'] |= {
        name: round(value, 6) for name, value in found.items() if not how.only or name in how.only
    }
    seconds = round(time.perf_counter() - started, 2)
    return {**_identity(restored, how), **line, 'seconds': seconds}


def recorded(workdir, restored: Restored, how: Protocol) -> dict[str, Any] | None:
    """Returns the line of the same evaluation, where it was made before."""
    wanted = _identity(restored, how)
    for line in reader.read(workdir).evaluations:
        if all(line.get(name) == value for name, value in wanted.items()):
            return line
    return None


def append(workdir, line: dict[str, Any]) -> None:
    """Adds one evaluation to a run's evaluations.jsonl."""
    with open(reader.read(workdir).path / 'evaluations.jsonl', 'a') as file:
        file.write(json.dumps(line) + '\n')


def _check(only: Iterable[str], known: Sequence[str]) -> None:
    if unknown := sorted(set(only) - set(known)):
        raise UserError(f'--measure={unknown[0]} is no measure: there are {", ".join(known)}.')


def _identity(restored: Restored, how: Protocol) -> dict[str, Any]:
    return {
        'step': restored.step,
        'digest': how.extractor.digest if how.extractor else '',
        'scores': list(how.scores),
        'num_images': how.num_images,
        'only': list(how.only),
        'seed': how.seed,
    }
