r"""Compares the metrics with torch-fidelity and scikit-image: values and times.

  python -m benchmarks.metrics
  python -m benchmarks.metrics --num=1000 --dim=64

Prints a Markdown table. Features are random, rectified and correlated; those of the generated
set are shifted. Every library gets the same numbers as float32, except for the Fréchet
distance, KID over full sets and scikit-image, which get float64 to check our float32. Our time
is that of a second call, without compilation. "Difference" is relative for distances, scores
and decibels, and absolute for fractions and SSIM. The mean over random subsets differs by chance.
The cells of a library that is not installed are empty.
"""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from absl import app, flags

from imggen.metrics.class_score import class_score
from imggen.metrics.frechet import Moments, frechet_distance
from imggen.metrics.kid import kid, kid_subsets
from imggen.metrics.paired import psnr, ssim
from imggen.metrics.precision_recall import precision_recall

_NUM = flags.DEFINE_integer('num', 10_000, 'Number of images in each set.', lower_bound=20)
_DIM = flags.DEFINE_integer('dim', 2048, 'Dimensions of a feature.', lower_bound=1)
_IMAGES = flags.DEFINE_integer(
    'images', 64, 'Number of image pairs for PSNR and SSIM.', lower_bound=1
)


class Row(NamedTuple):
    """One comparison: two functions that return the values of the named metrics."""

    names: tuple[str, ...]
    ours: Callable[[], tuple[float, ...]]
    library: str
    theirs: Callable[[], tuple[float, ...]] | None
    relative: bool


def _features(key: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    mixing_key, *keys = jax.random.split(key, 3)
    mixing = jax.random.normal(mixing_key, (_DIM.value, _DIM.value)) / _DIM.value**0.5
    sets = (
        jax.nn.relu(jax.random.normal(subkey, (_NUM.value, _DIM.value)) @ mixing + shift)
        for subkey, shift in zip(keys, (0.3, 0.35), strict=True)
    )
    return tuple(np.asarray(features) for features in sets)


def _distribution_rows(key: jax.Array) -> list[Row]:
    features_key, logits_key, subsets_key = jax.random.split(key, 3)
    real, generated = _features(features_key)
    logits = 3 * np.asarray(jax.random.normal(logits_key, (_NUM.value, 10)))
    subset_size = min(1000, _NUM.value)

    def frechet():
        return (frechet_distance(Moments.of(real), Moments.of(generated)),)

    def manifold():
        return precision_recall(real, generated, inclusive=True)[:2]

    def subsets():
        return (kid_subsets(subsets_key, real, generated, subset_size=subset_size).mean,)

    names = (('Fréchet',), ('KID, full sets',), ('KID, 100 subsets',), ('precision', 'recall'))
    ours = (frechet, lambda: kid(real, generated)[:1], subsets, manifold)
    theirs = _fidelity_calls(real, generated, subset_size)
    rows = [
        Row(name, our, 'torch-fidelity', their, 'precision' not in name)
        for name, our, their in zip(names, ours, theirs, strict=True)
    ]
    score = _fidelity_class_score(logits)
    return [
        *rows,
        Row(('class score',), lambda: class_score(logits)[:1], 'torch-fidelity', score, True),
    ]


def _import_fidelity():
    try:
        import torch
        from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc
    # A torchvision built for another PyTorch raises RuntimeError.
    except (ImportError, RuntimeError):
        return None
    return torch, metric_fid, metric_isc, metric_kid, metric_prc


def _fidelity_calls(real, generated, subset_size: int) -> list[Callable | None]:
    modules = _import_fidelity()
    if modules is None:
        return [None] * 4
    torch, metric_fid, _, metric_kid, metric_prc = modules
    # torch-fidelity takes the generated set first.
    sets = [torch.tensor(generated), torch.tensor(real)]

    def frechet():
        statistics = [metric_fid.fid_features_to_statistics(one.double()) for one in sets]
        return tuple(metric_fid.fid_statistics_to_metric(*statistics, False).values())

    def kernel(features, count, size):
        result = metric_kid.kid_features_to_metric(
            *features, kid_subsets=count, kid_subset_size=size, verbose=False
        )
        return (result[metric_kid.KEY_METRIC_KID_MEAN],)

    def manifold():
        result = metric_prc.prc_features_to_metric(*sets, verbose=False)
        return result['precision'], result['recall']

    return [
        frechet,
        # One subset of all images gives the full sum.
        lambda: kernel([one.double() for one in sets], 1, len(real)),
        lambda: kernel(sets, 100, subset_size),
        manifold,
    ]


def _fidelity_class_score(logits) -> Callable | None:
    modules = _import_fidelity()
    if modules is None:
        return None
    torch, _, metric_isc, _, _ = modules

    def score():
        result = metric_isc.isc_features_to_metric(torch.tensor(logits), splits=1, shuffle=False)
        return (result[metric_isc.KEY_METRIC_ISC_MEAN],)

    return score


def _paired_rows(key: jax.Array) -> list[Row]:
    image_key, noise_key = jax.random.split(key)
    small = jax.random.uniform(image_key, (_IMAGES.value, 8, 8, 3), minval=-1, maxval=1)
    images = jax.image.resize(small, (_IMAGES.value, 128, 128, 3), 'linear')
    noisy = images + 0.1 * jax.random.normal(noise_key, images.shape)
    exact, other = (np.asarray(array, np.float64) for array in (images, noisy))

    # Black is 0 in scikit-image.
    pairs = list(zip(exact + 1, other + 1, strict=True))
    theirs = [None, None]
    try:
        from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    except ImportError:
        pass
    else:
        similarity = functools.partial(
            structural_similarity,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        theirs = [
            lambda function=function: tuple(function(*pair, data_range=2) for pair in pairs)
            for function in (peak_signal_noise_ratio, similarity)
        ]
    return [
        Row(
            (name,),
            lambda metric=metric: tuple(np.asarray(metric(noisy, images))),
            'scikit-image',
            their,
            name == 'PSNR',
        )
        for name, metric, their in zip(('PSNR', 'SSIM'), (psnr, ssim), theirs, strict=True)
    ]


def _timed(function: Callable) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    values = np.asarray(function(), np.float64)
    return values, time.perf_counter() - start


def _print_row(row: Row) -> None:
    row.ours()
    ours, our_seconds = _timed(row.ours)
    theirs, their_seconds = (None, None) if row.theirs is None else _timed(row.theirs)
    for index, name in enumerate(row.names):
        # If there is one name and many values, each image has a value; their mean is shown.
        where = slice(None) if len(row.names) == 1 else index
        cells = [name, f'{np.mean(ours[where]):.7g}', row.library]
        if theirs is None:
            cells += ['', '', f'{our_seconds:.2f}', '']
        else:
            scale = np.abs(theirs[where]) if row.relative else 1
            difference = np.max(np.abs(ours[where] - theirs[where]) / scale)
            cells += [f'{np.mean(theirs[where]):.7g}', f'{difference:.1e}']
            cells += [f'{our_seconds:.2f}', f'{their_seconds:.2f}']
        print('| ' + ' | '.join(cells) + ' |', flush=True)


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    distribution_key, paired_key = jax.random.split(jax.random.key(0))
    print(f'{_NUM.value} x {_DIM.value} features; {_IMAGES.value} pairs of 128 x 128 x 3 images.\n')
    print('| metric | imggen | library | its value | difference | imggen s | library s |')
    print('| --- | ---: | --- | ---: | ---: | ---: | ---: |')
    for row in [*_distribution_rows(distribution_key), *_paired_rows(paired_key)]:
        _print_row(row)


if __name__ == '__main__':
    app.run(main)
