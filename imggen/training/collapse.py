"""Collapse, seen while an adversarial run trains: in its logits and in its samples.

Two signs. The discriminator is sure of every image: its logits of real and generated
images lie so far apart that the generator learns nothing more. And the samples are
much alike: their mean distance is a small part of that between real images.
"""

from collections.abc import Callable, Mapping

import numpy as np

SURE = 12.0  # Logits apart, averaged over a record: odds of 160,000 to 1.
ALIKE = 0.25  # Of the distance between real images.
TIMES = 3  # In a row.


def spread(images) -> float:
    """Returns the mean distance between pairs of images [n, ...], root mean square a value.

    sqrt(2 mean of the variance over images) is the root mean square over all pairs.
    """
    images = np.asarray(images, np.float64)
    return float(np.sqrt(2.0 * images.var(axis=0, ddof=1).mean())) if len(images) > 1 else 0.0


class Detector:
    """Watches the records and the samples of one run; says each sign once, when it lasts.

    Args:
      say: takes one sentence.
      unbounded: whether the loss has logits without a scale (Wasserstein), so that
        their distance says nothing.
    """

    def __init__(self, say: Callable[[str], None], *, unbounded: bool = False):
        self._say = say
        self._unbounded = unbounded
        self._seen = {'logits': 0, 'samples': 0}

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes the mean logits of a record, `real_logit` and `fake_logit`, if it has them."""
        if self._unbounded or not {'real_logit', 'fake_logit'} <= metrics.keys():
            return
        gap = metrics['real_logit'] - metrics['fake_logit']
        self._note(
            'logits',
            gap > SURE,
            f'step {step}: the discriminator tells every image ({gap:.1f} between the logits of '
            'real and generated ones), and the generator learns little from it: raise r1_gamma '
            '(without batch normalization: discriminator.normalize=False), lower the learning '
            'rate, or augment (config.method.augment) where images are few.',
        )

    def samples(self, step: int, generated, real) -> None:
        """Takes generated and real images [n, height, width, channels] of equal range."""
        of_real = spread(real)
        share = spread(generated) / of_real if of_real else 1.0
        self._note(
            'samples',
            share < ALIKE,
            f'step {step}: the samples are much alike ({share:.0%} of the distance between real '
            'images): the generator has collapsed; go back to an earlier checkpoint, or take '
            "loss='relativistic' with r1_gamma and r2_gamma (and discriminator.normalize=False).",
        )

    def _note(self, sign: str, present: bool, sentence: str) -> None:
        self._seen[sign] = self._seen[sign] + 1 if present else 0
        if self._seen[sign] == TIMES:
            self._say(f'Warning, {sentence}')
