"""Detects collapse while a generator trains, from its samples and from a discriminator's logits.

There are two signs. The discriminator separates every image: its logits for real and
generated images lie so far apart that the generator learns nothing more. Or the samples
are much alike: their mean distance is a small fraction of the distance between real images.
"""

from collections.abc import Callable, Mapping

import numpy as np

LARGEST_GAP = 12.0  # Between the mean logits of a record: odds of 160,000 to 1.
SMALLEST_SPREAD = 0.25  # Relative to the distance between real images.
EARLIEST_STEP = 200  # A generator that has learned nothing yet draws one image, too.
TIMES = 3  # How often in a row a sign must appear before it is reported.


def spread(images) -> float:
    """Returns the root mean square difference between two of the images [n, ...], per value.

    It is sqrt(2 v), where v is the mean over values of their variance over images.
    """
    images = np.asarray(images, np.float64)
    return float(np.sqrt(2.0 * images.var(axis=0, ddof=1).mean())) if len(images) > 1 else 0.0


class Detector:
    """Sees the records and the samples of one run; reports each sign once, when it lasts.

    Args:
      say: takes one sentence.
      logits_have_scale: as in `Method`. Without a scale the logits are not looked at.
    """

    def __init__(self, say: Callable[[str], None], *, logits_have_scale: bool = True):
        self._say = say
        self._logits_have_scale = logits_have_scale
        self._seen = {'logits': 0, 'samples': 0}
        self._is_adversarial = False

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """Looks at the mean logits of a record, `real_logit` and `fake_logit`, if it has them."""
        if not {'real_logit', 'fake_logit'} <= metrics.keys():
            return
        self._is_adversarial = True
        if not self._logits_have_scale:
            return
        gap = metrics['real_logit'] - metrics['fake_logit']
        self._note(
            'logits',
            gap > LARGEST_GAP,
            f'step {step}: the discriminator separates all images (their mean logits are '
            f'{gap:.1f} apart), so the generator learns little: raise r1_gamma (it needs '
            'discriminator.normalize=False), lower the learning rate, or, with few images, '
            'augment them (config.method.augment).',
        )

    def samples(self, step: int, generated, real) -> None:
        """Looks at generated and real images [n, height, width, channels] in one range."""
        real_spread = spread(real)
        share = spread(generated) / real_spread if real_spread else 1.0
        advice = 'look at the samples, and return to an earlier checkpoint.'
        if self._is_adversarial:
            advice = (
                "return to an earlier checkpoint, or use loss='relativistic' with r1_gamma and "
                'r2_gamma (and discriminator.normalize=False).'
            )
        self._note(
            'samples',
            share < SMALLEST_SPREAD and step >= EARLIEST_STEP,
            f'step {step}: the samples are much alike (their distance is {share:.0%} of that of '
            f'real images), so the generator has collapsed: {advice}',
        )

    def _note(self, sign: str, present: bool, sentence: str) -> None:
        self._seen[sign] = self._seen[sign] + 1 if present else 0
        if self._seen[sign] == TIMES:
            self._say(f'Warning, {sentence}')
