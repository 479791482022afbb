"""Translates image files: where each one goes, in which format, which are skipped and why.

A file keeps its size (times the scale of super-resolution), its alpha and its name. Unreadable
files are named and skipped; the rest of a folder is translated.
"""

import os
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from imggen import files, keys
from imggen.data import decode
from imggen.data.loaders import folder
from imggen.data.picture import Picture, read
from imggen.errors import UserError
from imggen.inference.translate import Translator

# All but JPEG are lossless. Files of any other format become PNG.
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
    """One file: its name below --input, with forward slashes, its path, and where it goes."""

    name: str
    path: pathlib.Path
    target: pathlib.Path


class Summary(NamedTuple):
    """What became of the files.

    Attributes:
      written: number of files written.
      skipped: one sentence for each skipped file, which names it.
      cut: names of the files that were cut into tiles which may differ in tone.
    """

    written: int
    skipped: list[str]
    cut: list[str]


def list_jobs(source: pathlib.Path, output: pathlib.Path) -> list[Job]:
    """Lists an image file, or all image files under a folder, and where their translations go.

    Args:
      source: a file or a folder.
      output: a file, or a folder outside of `source`, in which the translations get the same
        names in the same sub-folders.

    Raises:
      UserError: the source does not exist or holds no images, or the output cannot be written,
        would overwrite the input or would later be read as input.
    """
    if source.is_dir():
        found = folder.scan(source).files
        if not found:
            raise UserError(f'{source} holds no images; set --input to a folder that does.')
        if output.resolve().is_relative_to(source.resolve()):
            raise UserError(f'{output} lies in {source}, the input; name another --output.')
        if output.is_file():
            raise UserError(f'{output} is a file, but {source} a folder: set --output to a folder.')
        jobs = [Job(file, source / file, output / _name(file)) for file in found]
    elif source.is_file():
        is_file = output.suffix and not output.is_dir()
        jobs = [Job(source.name, source, output if is_file else output / _name(source.name))]
    else:
        raise UserError(f'{source} is neither a file nor a folder; set --input to one.')
    for job in jobs:
        if job.target.suffix.lower() not in _FORMATS:
            raise UserError(
                f'{job.target} cannot be written: name an --output that ends in one of '
                f'{", ".join(_FORMATS)}.'
            )
        if job.path.resolve() == job.target.resolve():
            raise UserError(f'{output} would overwrite the input: name another --output.')
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
      seed: of what the method draws. A file's draws depend on the seed and its name alone.
      done: called after each file with the number of files done.

    Raises:
      UserError: the output cannot be written.
    """
    key, written, skipped, cut = keys.stream(seed, 'sample'), 0, [], []
    for count, (name, path, target) in enumerate(jobs, start=1):
        try:
            picture = read(path, '--input')
            if picture.alpha is not None and target.suffix.lower() not in _WITH_ALPHA:
                raise UserError(
                    f'{target} cannot hold the transparency of {path}: name one that ends in .png.'
                )
            own_key = jax.random.fold_in(key, zlib.crc32(os.fsencode(name)))
            _write(target, picture, translator.translate(own_key, picture.rgb), translator.scale)
            written += 1
            if translator.sees_whole_image and translator.cuts(picture.rgb):
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
    """Writes pixels with the alpha of the original."""
    if scale > 1 and decode.is_gray(picture.rgb):
        pixels = decode.to_channels(pixels, 1)
    if picture.alpha is not None:
        alpha = decode.resize(picture.alpha[..., None], pixels.shape[:2], fit='stretch')
        pixels = np.concatenate([decode.to_channels(pixels, 3), alpha], axis=-1)
    suffix = path.suffix.lower()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    with files.writing(path) as partial:
        image.save(partial, format=Image.registered_extensions()[suffix], **_FORMATS[suffix])
