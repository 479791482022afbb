"""Statistics of a reference set in a file: all that the Fréchet distance needs of its images.

The file is an .npz archive:

    mu         float64 [d], the mean of the features
    sigma      float64 [d, d], their unbiased covariance
    count      the number of images
    extractor  name and digest of the extractor
    size, fit  how the images were resized

`mu` and `sigma` have the names that pytorch-fid gives them.
"""

import os
import zipfile
from typing import NamedTuple

import numpy as np

from imggen import files
from imggen.errors import UserError
from imggen.metrics.frechet import Moments

_ENTRIES = frozenset({'mu', 'sigma', 'count', 'extractor', 'size', 'fit'})
_MAX_FEATURES = 8192
_MAX_BYTES = 8 * _MAX_FEATURES**2 + 2**20


class Statistics(NamedTuple):
    """The statistics of a set of images.

    Attributes:
      moments: of the features.
      extractor: name and digest of the extractor.
      size: (height, width) that the images were resized to.
      fit: how; see `imggen.data.decode.resize`.
    """

    moments: Moments
    extractor: str
    size: tuple[int, int]
    fit: str

    def check(self, extractor: str, size: tuple[int, int] | None, *, where: str) -> None:
        """Raises UserError if other features or sizes are to be compared with those of a file."""
        if extractor != self.extractor:
            raise UserError(
                f'{where} has statistics of {self.extractor}, not of {extractor}: give that '
                '--extractor, or make the statistics again.'
            )
        if size not in (None, self.size):
            height, width = self.size
            raise UserError(
                f'{where} has statistics of images of {height} x {width}: leave --size out.'
            )


def write(path: str | os.PathLike, found: Statistics) -> None:
    """Writes statistics, atomically.

    Raises:
      UserError: the file cannot be written.
    """
    arrays = {
        'mu': found.moments.mean,
        'sigma': found.moments.covariance,
        'count': found.moments.count,
        'extractor': found.extractor,
        'size': found.size,
        'fit': found.fit,
    }
    try:
        with files.writing(path) as partial, open(partial, 'wb') as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error}): name another file.') from error


def read(path: str | os.PathLike) -> Statistics:
    """Reads what `write` wrote. Nothing in the file is executed, and a huge one is not loaded.

    Raises:
      UserError: the file is missing or damaged, or lacks an entry.
    """
    try:
        # NumPy leaves an archive open if it is damaged, so the file is opened here.
        with open(path, 'rb') as file:
            with zipfile.ZipFile(file) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                    raise ValueError(f'more than {_MAX_FEATURES} features')
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                return _checked(stored)
    except (OSError, ValueError, EOFError, TypeError, MemoryError, NotImplementedError) as error:
        raise UserError(f'{path} cannot be read ({error}); make it again.') from error
    except (zipfile.BadZipFile, RuntimeError) as error:
        raise UserError(f'{path} is not an .npz file ({error}); make it again.') from error


def _checked(stored) -> Statistics:
    if missing := sorted(_ENTRIES - set(stored.files)):
        raise ValueError(f'it lacks {missing[0]}')
    mean, covariance = np.asarray(stored['mu']), np.asarray(stored['sigma'])
    if mean.ndim != 1 or covariance.shape != (mean.size, mean.size) or not mean.size:
        raise ValueError(f'mu is {mean.shape} and sigma {covariance.shape}')
    for array in (mean, covariance):
        if array.dtype.kind != 'f' or not np.isfinite(array).all():
            raise ValueError('mu and sigma must be finite numbers')
    if not np.allclose(covariance, covariance.T, rtol=1e-6, atol=1e-9 * np.abs(covariance).max()):
        raise ValueError('sigma is not symmetric')
    count, (height, width) = int(stored['count']), map(int, stored['size'])
    if count < 2 or min(height, width) < 1:
        raise ValueError('count or size is not positive')
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    moments = Moments(count, mean, covariance * (count - 1))
    return Statistics(moments, str(stored['extractor']), (height, width), str(stored['fit']))
