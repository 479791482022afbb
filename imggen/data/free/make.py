"""Makes a data set of `sets.SETS`: fetches, checks, fills a folder and draws a sheet."""

import contextlib
import pathlib
import tempfile
from typing import Any, NamedTuple

import numpy as np

from imggen import files, images
from imggen.data import decode
from imggen.data.download import packages
from imggen.data.free import sets
from imggen.errors import UserError

_SHOWN = 100
_TILE = 96  # Pixels.


class Made(NamedTuple):
    """How many pictures a folder got, and the path of the sheet."""

    count: int
    sheet: pathlib.Path


def make(name: str, output: pathlib.Path, *, check: bool = True, options: dict[str, Any]) -> Made:
    """Makes a set in a new or empty folder.

    The folder gets LICENSE.txt beside the pictures. The sheet of up to a hundred pictures lies
    beside the folder, so that it is no picture of the set.

    Args:
      name: of `sets.SETS`.
      output: the folder.
      check: whether packages that hold other files than those known are refused.
      options: of `write` of the set.

    Raises:
      UserError: a package cannot be fetched or holds other files, the folder is not empty, or the
        sheet would replace a file.
    """
    dataset, sheet = sets.SETS[name], output.with_name(f'{output.name}.png')
    if sheet.exists():
        raise UserError(f'{sheet}, where the sheet would go, exists: remove it.')
    terms = [f'{dataset.summary}\nLicense: {dataset.license}\n']
    with files.filling(output) as partial, contextlib.ExitStack() as scratch:

        def fetch():
            fetched = []
            for package in dataset.packages:
                root = scratch.enter_context(tempfile.TemporaryDirectory(prefix='imggen-'))
                fetched.append(packages.fetch(package, pathlib.Path(root), check=check))
                terms.append(f'From {package}\n{fetched[-1].terms}')
            return fetched

        count, tiles, stride = 0, [], 1
        for picture in dataset.write(fetch, partial, **options):
            if count % stride == 0:
                tiles.append(decode.resize(picture, (_TILE, _TILE), fit='pad'))
            if len(tiles) == 2 * _SHOWN:  # Every picture so far has the same chance to be shown.
                tiles, stride = tiles[::2], 2 * stride
            count += 1
        files.write_text(partial / 'LICENSE.txt', '\n'.join(terms))
    rows = np.linspace(0, len(tiles) - 1, min(_SHOWN, len(tiles)), dtype=int)
    images.write_png(sheet, images.grid(np.stack(tiles)[rows]))
    return Made(count, sheet)
