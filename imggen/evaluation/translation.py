"""Measures of a translation on held-out pictures, beside those of its baselines.

L1 and mean squares are of pixels in [-1, 1], rounded to 8 bits as a file would hold them.
Smaller is better for l1 and lpips, larger for psnr (dB) and ssim.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from imggen import color, data, images
from imggen.errors import UserError
from imggen.inference import translate
from imggen.metrics import paired
from imggen.metrics.lpips import load as load_lpips
from imggen.metrics.lpips import lpips
from imggen.workdir.restore import Restored

_MOST_DECIBELS = 100.0  # Of two pictures that are the same.
_SMALLEST_LPIPS = 32
_LEAST_CHROMA = 0.1  # Of gray pictures, for which there is no ratio.


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures a run on the test split of its data.

    Args:
      restored: a run of 'pix2pix' or 'super_resolution'.
      num_images: how many pictures at most.
      seed: of what the method draws.

    Returns:
      Means over the pictures: 'l1', 'psnr', 'ssim' and, where its weights are installed,
      'lpips' (AlexNet) of the output; the same of every baseline by its name, such as
      'input_l1' and 'mean_picture_l1' ('subset_mean_l1' and 'subset_median_l1' beside
      them where targets are others of a subset), or 'nearest_psnr', 'bicubic_psnr' and
      'lanczos_psnr' of super-resolution, which also has 'psnr_y' and 'ssim_y' of the luma
      less a border of `scale` pixels, as published tables do. 'spread' is the variance
      between outputs in that between targets, 'chroma' the colorfulness likewise.
    """
    perceptual = _lpips_params()
    baselines = _Baselines(restored)
    sums, moments, count = {}, _Moments(), 0
    for sets in translate.validation(restored, num_images=num_images, seed=seed):
        target, output = _rgb(sets['target']), _rgb(sets['output'])
        for name, candidate in ({'': output} | baselines(sets, target, count)).items():
            for key, values in _scores(perceptual, candidate, target, baselines.scale).items():
                key = f'{name}_{key}' if name else key
                sums[key] = sums.get(key, 0.0) + float(values.sum())
        moments.add(output, target)
        count += len(target)
    return {name: total / count for name, total in sums.items()} | moments.ratios(count)


class _Baselines:
    """What costs nothing: the input itself, the mean picture; for super-resolution, filters."""

    def __init__(self, restored: Restored):
        method = restored.config['method']
        self.scale = method.get('scale', 4) if method['name'] == 'super_resolution' else 1
        self._mean, self._labels, self._averages = None, None, {}
        if self.scale == 1:
            self._mean = _mean_target(restored.config['data'])
            self._labels, self._averages = _subset_averages(restored.config['data'])

    def __call__(self, sets: Mapping[str, np.ndarray], target, first: int) -> dict[str, jax.Array]:
        if self.scale > 1:
            small = sets['input'][:, :: self.scale, :: self.scale]  # Its pixels were repeated.
            lanczos = jax.image.resize(small, sets['target'].shape, 'lanczos3')
            return {
                'nearest': _rgb(sets['input']),
                'bicubic': _rgb(sets['bicubic']),
                'lanczos': _rgb(np.asarray(images.from_uint8(images.to_uint8(lanczos)))),
            }
        averages = {'mean_picture': jnp.broadcast_to(self._mean, (len(target), *self._mean.shape))}
        for name, of_subset in self._averages.items():
            averages[name] = of_subset[self._labels[first : first + len(target)]]
        # Training pictures are larger where they are cut at random.
        return {'input': _rgb(sets['input'])} | {
            name: jax.image.resize(average, target.shape, 'linear')
            for name, average in averages.items()
        }


def _subset_averages(config: Mapping) -> tuple[np.ndarray | None, dict[str, jax.Array]]:
    """Returns the subset of each held-out picture: [n], and what each was trained on, averaged.

    The averages are [subsets, height, width, 3], by name; a subset without training
    pictures has those of all. Nothing where pictures are in no subsets.
    """
    if config.get('task') != 'another':
        return None, {}
    train, test = (data.paired_examples(config, split=split) for split in ('train', 'test'))
    members = [train['label'] == number for number in range(int(test['label'].max()) + 1)]
    averages = {
        f'subset_{statistic.__name__}': np.stack(
            [statistic(train['input'][rows if rows.any() else ...], axis=0) for rows in members]
        )
        for statistic in (np.mean, np.median)
    }
    return test['label'], {
        name: _rgb(images.from_uint8(np.rint(average))) for name, average in averages.items()
    }


def _mean_target(config: Mapping) -> jax.Array:
    """Returns the mean of the targets that the run was trained on: [height, width, 3]."""
    pictures, _ = data.examples(config, split='train')
    chunks = [pictures] if isinstance(pictures, np.ndarray) else pictures
    total, count = 0.0, 0
    for chunk in chunks:
        total, count = total + chunk.sum(0, dtype=np.float64), count + len(chunk)
    return _rgb(np.asarray(images.from_uint8(np.rint(total / count)))[None])[0]


def _scores(perceptual, candidate, target, scale: int) -> dict[str, jax.Array]:
    """Returns each measure of each picture: [n]."""
    scores = {
        'l1': paired.mae(candidate, target),
        'psnr': jnp.minimum(paired.psnr(candidate, target), _MOST_DECIBELS),
        'ssim': paired.ssim(candidate, target),
    }
    if perceptual is not None and min(target.shape[1:3]) >= _SMALLEST_LPIPS:
        scores['lpips'] = _jitted_lpips(perceptual, candidate, target)
    if scale > 1:
        inner = slice(scale, -scale)
        y = [paired.luma(pictures)[:, inner, inner] for pictures in (candidate, target)]
        decibels = jnp.minimum(paired.psnr(*y, data_range=255.0), _MOST_DECIBELS)
        scores['psnr_y'] = decibels
        scores['ssim_y'] = paired.ssim(*y, minimum=0.0, data_range=255.0)
    return scores


class _Moments:
    """Sums from which come the variance between pictures and their colorfulness."""

    def __init__(self):
        self._sums = {}

    def add(self, output, target) -> None:
        for name, pictures in (('output', output), ('target', target)):
            pictures = np.asarray(pictures, np.float64)
            chroma = np.linalg.norm(_chroma(pictures), axis=-1).mean((1, 2)).sum()
            new = (pictures.sum(0), np.square(pictures).sum(0), chroma)
            old = self._sums.get(name, (0.0, 0.0, 0.0))
            self._sums[name] = [a + b for a, b in zip(old, new, strict=True)]

    def ratios(self, count: int) -> dict[str, float]:
        variance = {
            name: float((square / count - np.square(total / count)).mean())
            for name, (total, square, _) in self._sums.items()
        }
        chroma = {name: float(sums[2]) / count for name, sums in self._sums.items()}
        found = {}
        if count > 1:
            found['spread'] = variance['output'] / max(variance['target'], 1e-12)
        if chroma['target'] > _LEAST_CHROMA:
            found['chroma'] = chroma['output'] / chroma['target']
        return found


def _lpips_params():
    try:
        return load_lpips('alexnet')
    except UserError as error:
        logging.warning('Without LPIPS: %s', error)
        return None


_jitted_lpips = jax.jit(lpips)


@jax.jit
def _chroma(pictures):
    return color.rgb_to_lab(pictures)[..., 1:]


def _rgb(pictures) -> jax.Array:
    """Repeats a gray channel, so that gray and color can be compared."""
    return jnp.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else jnp.asarray(pictures)
