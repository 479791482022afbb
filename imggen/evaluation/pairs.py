"""Compares each picture of a folder with the reference of the same name: PSNR, SSIM and LPIPS."""

import collections
import csv
import functools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from imggen import files
from imggen.data import decode
from imggen.errors import UserError
from imggen.evaluation import distribution
from imggen.evaluation.folders import Folders, scan, size_of
from imggen.images import from_uint8
from imggen.metrics import lpips, paired
from imggen.progress import Progress

MEASURES = ('l1', 'psnr', 'ssim', 'lpips')
NETWORKS = ('alexnet', 'vgg16')

_GRAY, _WHITE = 127.5, 255.0
_STEP = 32  # Sides are padded to multiples of it, and of a quarter of large sides.
_PIXELS_AT_ONCE, _PAIRS_AT_ONCE = 2**18, 16


class How(NamedTuple):
    """What is measured of each pair.

    Attributes:
      only: some of MEASURES; () for all.
      network: of LPIPS, one of NETWORKS.
      luma: whether l1, PSNR and SSIM are of Y alone, rounded to 8 bits; see `paired.luma`.
      crop: pixels that are cut off at each side.
    """

    only: Sequence[str] = ()
    network: str = 'alexnet'
    luma: bool = False
    crop: int = 0


class Pairs(NamedTuple):
    """The measured pairs.

    Attributes:
      names: the names that both folders have, without suffix.
      values: for each measure one value per name, float64 [n]; NaN if the picture is too small.
      skipped: why each other pair could not be read.
    """

    names: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    skipped: tuple[str, ...]


def compare(folders: Folders, how: How) -> Pairs:
    """Measures every pair of pictures that have the same name, apart from the suffix.

    Pictures keep their own size unless `folders.size` is given. l1 is for pixels in [0, 1], and
    PSNR is in decibels. With `how.luma` the names end in '_y', as in 'psnr_y'. LPIPS is always of
    the colors. A pair that cannot be read is skipped.

    Raises:
      UserError: a measure is unknown, a name has no partner, two partners differ in size, or no
        pair can be measured.
    """
    distribution.check_names(how.only, MEASURES)
    matching = _matching(folders)
    _check_sizes(folders, matching)
    params = _lpips_params(how)
    wanted = [name for name in how.only or MEASURES if name != 'lpips' or params is not None]
    values = {_label(name, how): np.full(len(matching), np.nan) for name in wanted}
    skipped, progress, done = {}, Progress(len(matching), unit='pair'), 0
    for rows, sizes, images, references in _batches(folders, how.crop, matching, skipped):
        fits = {name: sizes.min(1) >= _min_side(name, how.network) for name in wanted}
        names = tuple(name for name in wanted if fits[name].any())
        found = _measure(params, images, references, sizes, names=names, luma=how.luma)
        for name in names:
            each = np.where(fits[name], np.asarray(found[name], np.float64), np.nan)
            values[_label(name, how)][rows] = each[: len(rows)]
        done += len(rows)
        progress.advance(done)
    progress.close()
    if len(skipped) == len(matching):
        raise UserError(f'no pair can be read; the first: {skipped[0]}.')
    if all(np.isnan(each).all() for each in values.values()):
        sides = ', '.join(f'{_min_side(name, how.network)} for {name}' for name in wanted)
        raise UserError(f'all pictures are too small: sides must have {sides}; give --size.')
    names = tuple(name for row, name in enumerate(matching) if row not in skipped)
    values = {name: np.delete(each, list(skipped)) for name, each in values.items()}
    return Pairs(names, values, tuple(skipped.values()))


def line(folders: Folders, how: How, pairs: Pairs) -> dict[str, Any]:
    """Averages the pairs, in a dict like that of `distribution.compare`.

    The spread is the standard error over pairs. Infinite PSNR, of equal pictures, and pictures
    that are too small for a measure are left out of its mean; the note counts them.
    """
    metrics, spread, notes = {}, {}, []
    for name, each in pairs.values.items():
        finite = each[np.isfinite(each)]
        small, equal = int(np.isnan(each).sum()), int(np.isinf(each).sum())
        if small:
            side = _min_side(name, how.network)
            notes.append(f'{small} pictures below {side} pixels a side have no {name}.')
        if equal:
            equals = f'{equal} equal pairs have an infinite {name}'
            notes.append(f'{equals} and are not in its mean.' if len(finite) else f'{equals}.')
        if len(finite) or equal:
            metrics[name] = float(finite.mean()) if len(finite) else float('inf')
        if len(finite) > 1:
            spread[name] = float(finite.std(ddof=1) / len(finite) ** 0.5)
    sizes = f'at {folders.size} ({folders.fit})' if folders.size else 'at their own size'
    cut = f', without a border of {how.crop} pixels' if how.crop else ''
    if pairs.skipped:
        number = len(pairs.skipped)
        are = 'pair was' if number == 1 else 'pairs were'
        notes.append(f'{number:,} {are} skipped; the first: {pairs.skipped[0]}.')
    if not how.only and not any(name.startswith('lpips') for name in pairs.values):
        notes.append('LPIPS is missing: --measure=lpips says why.')
    count = len(pairs.names)
    return {
        'extractor': 'pairs',
        'digest': 'of equal names',
        'reference': folders.reference,
        'num_reference': count,
        'num_generated': count,
        'metrics': metrics,
        'spread': spread,
        'floor': {},
        'note': ' '.join([f'The {count} pairs were compared {sizes}{cut}.', *notes]),
    }


def write_csv(path: pathlib.Path, pairs: Pairs) -> None:
    """Writes one row per pair, sorted by name; a measure that a pair lacks is left empty.

    Raises:
      UserError: the file cannot be written.
    """
    try:
        with files.writing(path) as partial, open(partial, 'w', newline='') as file:
            rows = csv.writer(file)
            rows.writerow(['name', *pairs.values])
            for name, *row in zip(pairs.names, *pairs.values.values(), strict=True):
                rows.writerow([name, *('' if np.isnan(each) else f'{each:.6g}' for each in row)])
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error}): name another --csv.') from error


def _matching(folders: Folders) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Returns the two files of each name, sorted by name."""
    sides = []
    for option in ('generated', 'reference'):
        root, found = scan(folders, option)
        side = {}
        for file in found:
            name = pathlib.PurePath(file).with_suffix('').as_posix()
            if name in side:
                raise UserError(
                    f'{side[name]} and {root / file} have the same name: move one of them away.'
                )
            side[name] = root / file
        sides.append(side)
    generated, reference = sides
    unmatched = sorted(generated.keys() - reference.keys())
    if unmatched:
        raise UserError(
            f'{len(unmatched)} of {len(generated)} images of {folders.generated} have no partner '
            f'of the same name in {folders.reference}: {unmatched[0]} has none; name two folders '
            'that match.'
        )
    return {name: (generated[name], reference[name]) for name in sorted(generated)}


def _check_sizes(folders: Folders, matching: Mapping[str, Sequence[pathlib.Path]]) -> None:
    """Raises UserError for partners of two sizes, by their headers, before anything is measured."""
    if folders.size:
        return
    for both in matching.values():
        sizes = [size_of(file) for file in both]
        if None not in sizes and sizes[0] != sizes[1]:
            first, second = (
                f'{file} is {width} x {height}'
                for file, (height, width) in zip(both, sizes, strict=True)
            )
            raise UserError(f'{first} and {second}; give --size=height,width.')


def _batches(
    folders: Folders,
    crop: int,
    matching: Mapping[str, Sequence[pathlib.Path]],
    skipped: dict[int, str],
) -> Iterator[tuple[list[int], np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (rows, sizes int [k, 2], images, references) with one k for each padded shape.

    The images are uint8 [k, height, width, 3]. There may be fewer rows than k; the last images are
    then black. Pairs that cannot be read are added to `skipped`, by row.
    """
    waiting = collections.defaultdict(list)
    for row, both in enumerate(matching.values()):
        try:
            pair = [_read(file, folders, crop) for file in both]
        except decode.DecodeError as error:
            logging.warning('Skipped: %s.', error)
            skipped[row] = str(error)
            continue
        shape = tuple(map(_padded, pair[0].shape[:2]))
        group = waiting[shape]
        group.append((row, pair))
        if len(group) == _batch_size(shape):
            yield _stack(group, shape)
            group.clear()
    yield from (_stack(group, shape) for shape, group in waiting.items() if group)


def _read(file: pathlib.Path, folders: Folders, crop: int) -> np.ndarray:
    picture = decode.to_channels(decode.decode(file, matte=decode.WHITE), 3)
    if folders.size:
        picture = decode.resize(picture, folders.size, fit=folders.fit, matte=decode.WHITE)
    height, width = picture.shape[:2]
    if min(height, width) <= 2 * crop:
        raise UserError(f'{file} is {width} x {height}: --crop={crop} leaves nothing of it.')
    return picture[crop : height - crop, crop : width - crop]


def _padded(side: int) -> int:
    """Rounds a side up, by a quarter at most if it is large, so that few shapes are compiled."""
    step = max(_STEP, 2 ** (side.bit_length() - 3))
    return -(-side // step) * step


def _batch_size(shape: tuple[int, int]) -> int:
    return max(1, min(_PAIRS_AT_ONCE, _PIXELS_AT_ONCE // (shape[0] * shape[1])))


def _stack(group, shape):
    rows = [row for row, _ in group]
    sides = []
    for side in zip(*(pair for _, pair in group), strict=True):
        sheet = np.zeros((_batch_size(shape), *shape, 3), np.uint8)
        for place, picture in enumerate(side):
            sheet[place, : picture.shape[0], : picture.shape[1]] = picture
        sides.append(sheet)
    sizes = np.full((_batch_size(shape), 2), shape, np.int32)
    sizes[: len(group)] = [pair[0].shape[:2] for _, pair in group]
    return rows, sizes, *sides


@functools.partial(jax.jit, static_argnames=('names', 'luma'))
def _measure(params, images, references, sizes, *, names: tuple[str, ...], luma: bool):
    colors = [from_uint8(images), from_uint8(references)]
    if luma:
        levels = [jnp.round(paired.luma(side)) for side in colors]
    else:
        levels = [images.astype(jnp.float32), references.astype(jnp.float32)]
    # Differences of levels are exact, so that equal pictures have an error of 0. The variances of
    # SSIM are more exact for values around 0.
    levels = [side - _GRAY for side in levels]
    functions = {
        'l1': lambda: paired.mae(*levels, sizes=sizes) / _WHITE,
        'psnr': lambda: paired.psnr(*levels, data_range=_WHITE, sizes=sizes),
        'ssim': lambda: paired.ssim(*levels, minimum=-_GRAY, data_range=_WHITE, sizes=sizes),
        'lpips': lambda: lpips.lpips(params, *colors, sizes=sizes),
    }
    return {name: functions[name]() for name in names}


def _label(name: str, how: How) -> str:
    if name == 'lpips':
        return f'lpips_{how.network}'
    return f'{name}_y' if how.luma else name


def _min_side(name: str, network: str) -> int:
    if name.startswith('ssim'):
        return paired.MIN_SIDE
    return lpips.MIN_SIDES[network] if name.startswith('lpips') else 1


def _lpips_params(how: How):
    """Returns the parameters of LPIPS, or None if it is not asked for or not installed."""
    if how.only and 'lpips' not in how.only:
        return None
    try:
        return lpips.load(how.network)
    except UserError as error:
        if how.only:
            raise
        logging.warning('Without LPIPS: %s', error)
        return None
