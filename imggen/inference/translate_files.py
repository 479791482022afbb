"""Files of pictures translated: where each goes, in which format, what is left out and why.

Size (times the scale of super-resolution), alpha and names stay. What is unreadable is named
and left out; the rest of a folder goes on.
"""

import os
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from imggen import keys
from imggen.data import decode
from imggen.data.loaders import folder
from imggen.data.picture import Picture, read
from imggen.errors import UserError
from imggen.inference.translate import Translator

# Formats that hold exactly what is written, but for JPEG; others become PNG.
_FORMATS = {
    '.png': {},
    '.webp': {'lossless': True},
    '.tif': {},
    '.tiff': {},
    '.bmp': {},
    '.jpg': {'quality': 95},
    '.jpeg': {'quality': 95},
}
_WITH_ALPHA = ('.png', '.webp', '.tif', '.tiff')


class Job(NamedTuple):
    """One file: its name in --input, with forward slashes, where it lies and where it goes."""

    name: str
    path: pathlib.Path
    target: pathlib.Path


class Summary(NamedTuple):
    """What came of the files.

    Attributes:
      written: how many there are.
      skipped: for each that is left out a sentence that names it.
      cut: names of those that were cut into tiles which may differ in tone.
    """

    written: int
    skipped: list[str]
    cut: list[str]


def list_jobs(source: pathlib.Path, output: pathlib.Path) -> list[Job]:
    """Lists a picture, or all pictures under a folder, and where their translations go.

    Args:
      source: a picture or a folder.
      output: a file, or a folder outside of `source` that gets files of the same names, in
        the same folders.

    Raises:
      UserError: there is no such picture or folder, or the output cannot be written, would
        overwrite the input or would be read again as one.
    """
    if source.is_dir():
        found = folder.scan(source).files
        if not found:
            raise UserError(f'{source} holds no pictures; set --input to a folder of some.')
        if output.resolve().is_relative_to(source.resolve()):
            raise UserError(f'{output} lies in {source}, whose pictures are read; name another.')
        if output.is_file():
            raise UserError(f'{output} is a file, {source} a folder: name a folder in --output.')
        jobs = [Job(file, source / file, output / _name(file)) for file in found]
    elif source.is_file():
        is_file = output.suffix and not output.is_dir()
        jobs = [Job(source.name, source, output if is_file else output / _name(source.name))]
    else:
        raise UserError(f'{source} is no picture and no folder; set --input to one.')
    for job in jobs:
        if job.target.suffix.lower() not in _FORMATS:
            raise UserError(
                f'{job.target} cannot be written: name an --output that ends in one of '
                f'{", ".join(_FORMATS)}.'
            )
        if job.path.resolve() == job.target.resolve():
            raise UserError(f'{output} would overwrite what is in --input: name another --output.')
    return jobs


def translate_files(
    translator: Translator,
    jobs: Sequence[Job],
    *,
    seed: int = 0,
    done: Callable[[int], None] = lambda count: None,
) -> Summary:
    """Translates files.

    Args:
      translator: from `make`.
      jobs: from `list_jobs`.
      seed: of what is drawn; a picture draws from this and its name, whatever lies beside it.
      done: told after each file how many are done.

    Raises:
      UserError: the output cannot be written.
    """
    key, written, skipped, cut = keys.stream(seed, 'sample'), 0, [], []
    for count, (name, path, target) in enumerate(jobs, start=1):
        try:
            picture = read(path, '--input')
            if picture.alpha is not None and target.suffix.lower() not in _WITH_ALPHA:
                raise UserError(
                    f'{target} cannot hold the alpha of {path}: choose one that ends in .png.'
                )
            own_key = jax.random.fold_in(key, zlib.crc32(os.fsencode(name)))
            _write(target, picture, translator.translate(own_key, picture.rgb), translator.scale)
            written += 1
            if translator.sees_all and translator.cuts(picture.rgb):
                cut.append(name)
        except UserError as error:
            skipped.append(str(error))
        except OSError as error:
            raise UserError(f'{target} cannot be written ({error.strerror or error}).') from error
        done(count)
    return Summary(written, skipped, cut)


def _name(file: str) -> str:
    return file if pathlib.PurePath(file).suffix.lower() in _FORMATS else f'{file}.png'


def _write(path: pathlib.Path, picture: Picture, pixels: np.ndarray, scale: int) -> None:
    """Writes pixels with the picture's alpha; a reader never sees half a file."""
    if scale > 1 and decode.is_gray(picture.rgb):
        pixels = decode.to_channels(pixels, 1)
    if picture.alpha is not None:
        alpha = decode.resize(picture.alpha[..., None], pixels.shape[:2], fit='stretch')
        pixels = np.concatenate([decode.to_channels(pixels, 3), alpha], axis=-1)
    suffix = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.partial')
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(partial, format=Image.registered_extensions()[suffix], **_FORMATS[suffix])
    partial.replace(path)
