"""Metrics of a translation on held-out images, beside those of its baselines.

L1 and mean squares are of pixels in [-1, 1], rounded to 8 bits as a file would hold them.
Smaller is better for l1 and lpips, larger for psnr (in dB) and ssim.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.sharding import Mesh

from imggen import color, data, images
from imggen.errors import UserError
from imggen.inference import translate
from imggen.inference.translate import check
from imggen.method import Batch, Method
from imggen.metrics import paired
from imggen.metrics.lpips import load as load_lpips
from imggen.metrics.lpips import lpips
from imggen.workdir.restore import Restored

_MAX_PSNR = 100.0  # In dB. Two equal images have it.
_MIN_LPIPS_SIDE = 32
_MIN_CHROMA = 0.1  # The chroma of gray targets is too small to divide by.


def measure(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures a run on the test split of its data.

    Returns:
      Means over the images: 'l1', 'psnr', 'ssim' and, if its weights are installed, 'lpips'
      (AlexNet) of the output; the same of every baseline, with its name in front, such as
      'input_l1' and 'mean_picture_l1'. If targets are other images of a subset, also
      'subset_mean_l1' and 'subset_median_l1'. A method that enlarges has the baselines
      'nearest_psnr', 'bicubic_psnr' and 'lanczos_psnr' instead, and also 'psnr_y' and 'ssim_y',
      of the luma without a border of `scale` pixels, as in published tables.

      'spread' is the variance between outputs divided by that between targets. 'chroma' is the
      colorfulness of outputs divided by that of targets.

    Raises:
      UserError: the method does not translate images, or its data holds out none.
    """
    check(restored)
    perceptual = _lpips_params()
    baselines = _Baselines(restored)
    sums, variation, count = {}, _Variation(), 0
    for sets in translate.validation(restored, num_images=num_images, seed=seed):
        target, output = _rgb(sets['target']), _rgb(sets[restored.method.output])
        for name, candidate in ({'': output} | baselines(sets, target, count)).items():
            for key, values in _scores(perceptual, candidate, target, baselines.scale).items():
                key = f'{name}_{key}' if name else key
                sums[key] = sums.get(key, 0.0) + float(values.sum())
        variation.add(output, target)
        count += len(target)
    return {name: total / count for name, total in sums.items()} | variation.ratios(count)


def measure_vgg16(restored: Restored, *, num_images: int, seed: int) -> dict[str, float]:
    """Measures LPIPS by VGG16, an independent judge of runs that learned from AlexNet's LPIPS.

    Returns:
      Means over the held-out images: 'lpips_vgg16', of the output, and 'input_lpips_vgg16'.

    Raises:
      UserError: as in `measure`, or the weights are not installed, or images are too small.
    """
    check(restored)
    params, sums, count = load_lpips('vgg16'), {}, 0
    for sets in translate.validation(restored, num_images=num_images, seed=seed):
        target = _rgb(sets['target'])
        for key, name in (('lpips_vgg16', restored.method.output), ('input_lpips_vgg16', 'input')):
            distances = _jitted_lpips(params, _rgb(sets[name]), target)
            sums[key] = sums.get(key, 0.0) + float(distances.sum())
        count += len(target)
    return {name: total / count for name, total in sums.items()}


def during_training(
    method: Method, config: Mapping[str, Any], batch: Batch, *, mesh: Mesh, num_images: int
) -> Callable[[int, Any], dict[str, float]]:
    """Returns (step, state) -> {'lpips': ...}, to measure while a run trains.

    It is the mean over held-out images, by the network that judges the run: VGG16 if its scores
    have 'translation_vgg16', and AlexNet otherwise. `config` is the whole config of the run. Only
    the shapes of `batch` are used.

    Raises:
      UserError: the data holds no images out, they are too small, or the weights are not installed.
    """
    run = Restored(config, method, None, 0, batch, mesh)
    held_out = data.held_out(config['data'])
    for pictures in held_out.values():
        if min(pictures.shape[1:3]) < _MIN_LPIPS_SIDE:
            raise UserError(
                f'LPIPS needs {_MIN_LPIPS_SIDE} x {_MIN_LPIPS_SIDE} pixels, and held-out images '
                f'have {pictures.shape[1]} x {pictures.shape[2]}: set config.data.test_size, '
                'or config.run.measure_every_steps=0 and config.run.keep_best=False.'
            )
    is_vgg16 = 'translation_vgg16' in config['run'].get('scores', ())
    params = load_lpips('vgg16' if is_vgg16 else 'alexnet')

    def measure(step, state):
        total, count = 0.0, 0
        restored = run._replace(state=state, step=step)
        for sets in translate.validation(
            restored, num_images=num_images, spread=True, seed=config['seed'], held_out=held_out
        ):
            output, target = _rgb(sets[method.output]), _rgb(sets['target'])
            total += float(_jitted_lpips(params, output, target).sum())
            count += len(target)
        return {'lpips': total / count}

    return measure


class _Baselines:
    """Translations that cost nothing: the input itself, mean images, and filters that enlarge."""

    def __init__(self, restored: Restored):
        self.scale = restored.method.translation.scale
        self._mean, self._labels, self._averages = None, None, {}
        if self.scale == 1:
            self._mean = _mean_target(restored.config['data'])
            self._labels, self._averages = _subset_averages(restored)

    def __call__(self, sets: Mapping[str, np.ndarray], target, first: int) -> dict[str, jax.Array]:
        if self.scale > 1:
            small = sets['input'][:, :: self.scale, :: self.scale]  # Its pixels were repeated.
            lanczos = jax.image.resize(small, sets['target'].shape, 'lanczos3')
            beside = {'bicubic': _rgb(sets['bicubic'])} if 'bicubic' in sets else {}
            return beside | {
                'nearest': _rgb(sets['input']),
                'lanczos': _rgb(np.asarray(images.from_uint8(images.to_uint8(lanczos)))),
            }
        averages = {'mean_picture': jnp.broadcast_to(self._mean, (len(target), *self._mean.shape))}
        for name, of_subset in self._averages.items():
            averages[name] = of_subset[self._labels[first : first + len(target)]]
        # Training images are larger than test images if they are cropped at random.
        return {'input': _rgb(sets['input'])} | {
            name: jax.image.resize(average, target.shape, 'linear')
            for name, average in averages.items()
        }


def _subset_averages(restored: Restored) -> tuple[np.ndarray | None, dict[str, jax.Array]]:
    """Returns the subset of each held-out image, [n], and averages of the training images.

    The averages are [subsets, height, width, 3], by name. A subset without training images
    has the averages over all of them. If the pairs do not come from subsets, there are none.
    """
    if 'input' not in restored.batch:  # Single images, not pairs.
        return None, {}
    section = restored.config['data']
    test = data.paired_examples(section, split='test')
    if 'label' not in test:
        return None, {}
    train = data.paired_examples(section, split='train')
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


def _mean_target(section: Mapping[str, Any]) -> jax.Array:
    """Returns the mean of the targets that the run was trained on: [height, width, 3]."""
    pictures, _ = data.examples(section, split='train')
    chunks = [pictures] if isinstance(pictures, np.ndarray) else pictures
    total, count = 0.0, 0
    for chunk in chunks:
        total, count = total + chunk.sum(0, dtype=np.float64), count + len(chunk)
    return _rgb(np.asarray(images.from_uint8(np.rint(total / count)))[None])[0]


def _scores(perceptual, candidate, target, scale: int) -> dict[str, jax.Array]:
    """Returns each metric of each image: [n]."""
    scores = {
        'l1': paired.mae(candidate, target),
        'psnr': jnp.minimum(paired.psnr(candidate, target), _MAX_PSNR),
        'ssim': paired.ssim(candidate, target),
    }
    if perceptual is not None and min(target.shape[1:3]) >= _MIN_LPIPS_SIDE:
        scores['lpips'] = _jitted_lpips(perceptual, candidate, target)
    if scale > 1:
        inner = slice(scale, -scale)
        y = [paired.luma(pictures)[:, inner, inner] for pictures in (candidate, target)]
        scores['psnr_y'] = jnp.minimum(paired.psnr(*y, data_range=255.0), _MAX_PSNR)
        scores['ssim_y'] = paired.ssim(*y, minimum=0.0, data_range=255.0)
    return scores


class _Variation:
    """Running sums that give the variance between images and their colorfulness."""

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
        if chroma['target'] > _MIN_CHROMA:
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
    """Repeats a gray channel three times, so that gray and color can be compared."""
    return jnp.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else jnp.asarray(pictures)
