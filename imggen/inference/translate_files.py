"""Translates image files: where each one goes, in which format, which are skipped and why.

A file keeps its size (times the scale of super-resolution), its alpha, its 16 bits, its EXIF data
and its name. Unreadable files are named and skipped; the rest of a folder is translated.
"""

import errno
import os
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from imggen import files, keys, skipped
from imggen.data import decode, encode
from imggen.data.loaders import folder
from imggen.data.picture import Picture, read
from imggen.errors import UserError
from imggen.inference.translate import Translator


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


class Plan(NamedTuple):
    """What to do, and a sentence for each sub-folder of the input that is passed over."""

    jobs: list[Job]
    skipped: list[str]


def plan(source: pathlib.Path, output: pathlib.Path, *, overwrite: bool = False) -> Plan:
    """Lists an image file, or all image files under a folder, and where their translations go.

    Args:
      source: a file or a folder.
      output: a file, or a folder outside of `source`, in which the translations get the same
        names in the same sub-folders. What becomes PNG is called a.gif.png.
      overwrite: whether files in place of the translations may be replaced.

    Raises:
      UserError: the source does not exist or holds no images, or the output cannot be written,
        exists, would overwrite the input or would later be read as input.
    """
    passed_over = []
    if source.is_dir():
        found = folder.scan(source, option='--input')
        passed_over = [reason for _, reason in found.skipped]
        if not found.files:
            raise UserError(f'{source} holds no images; set --input to a folder that does.')
        if pathlib.Path(os.path.realpath(output)).is_relative_to(os.path.realpath(source)):
            raise UserError(f'{output} lies in {source}, the input; name another --output.')
        if output.is_file():
            raise UserError(f'{output} is a file, but {source} a folder: set --output to a folder.')
        jobs = [
            Job(file, source / file, output / name) for file, name in _names(found.files).items()
        ]
    elif source.is_file():
        is_file = output.suffix and not output.is_dir()
        target = output if is_file else output / _names((source.name,))[source.name]
        jobs = [Job(source.name, source, target)]
    else:
        raise UserError(f'{source} is neither a file nor a folder; set --input to one.')
    for job in jobs:
        if job.target.suffix.lower() not in encode.OPTIONS:
            raise UserError(
                f'{job.target} cannot be written: name an --output that ends in one of '
                f'{", ".join(encode.OPTIONS)}.'
            )
        if os.path.realpath(job.path) == os.path.realpath(job.target):
            raise UserError(f'{output} would overwrite the input: name another --output.')
    targets = [job.target for job in jobs]
    if source.is_dir():
        targets.append(output / skipped.NAME)
    files.refuse_overwrite(targets, overwrite=overwrite)
    return Plan(jobs, passed_over)


def translate_files(
    translator: Translator,
    jobs: Sequence[Job],
    *,
    seed: int = 0,
    quality: int = 95,
    done: Callable[[int], None] = lambda count: None,
) -> Summary:
    """Translates files.

    Args:
      translator: from `make`.
      jobs: from `plan`.
      seed: of what the method draws. A file's draws depend on the seed and its name alone.
      quality: of JPEG, from 1 to 100.
      done: called after each file with the number of files done.

    Raises:
      UserError: the output cannot be written.
    """
    key, written, reasons, cut = keys.stream(seed, 'sample'), 0, [], []
    for count, (name, path, target) in enumerate(jobs, start=1):
        try:
            picture = read(path, '--input', deep=True)
            if picture.alpha is not None and target.suffix.lower() not in encode.WITH_ALPHA:
                raise UserError(
                    f'{target} cannot hold the transparency of {path}: name one that ends in .png.'
                )
            own_key = jax.random.fold_in(key, zlib.crc32(os.fsencode(name)))
            pixels = _finished(
                picture, translator.translate(own_key, picture.rgb), translator.scale
            )
            encode.write(target, pixels, exif=picture.exif, quality=quality)
            written += 1
            if translator.sees_whole_image and translator.cuts(picture.rgb):
                cut.append(name)
        except UserError as error:
            reasons.append(str(error))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                reasons.append(f'{target} is too long a name')
            else:
                raise UserError(
                    f'{target} cannot be written ({error.strerror or error}).'
                ) from error
        done(count)
    return Summary(written, reasons, cut)


def _names(found: Sequence[str]) -> dict[str, str]:
    """Returns the name of each file's translation; no two are equal."""
    names = {file: file for file in found if _suffix(file) in encode.OPTIONS}
    taken = set(names)
    for file in found:
        if file not in names:
            names[file] = f'{file}.png'
            while names[file] in taken:
                names[file] += '.png'
            taken.add(names[file])
    return {file: names[file] for file in found}


def _suffix(file: str) -> str:
    return pathlib.PurePosixPath(file).suffix.lower()


def _finished(picture: Picture, pixels: np.ndarray, scale: int) -> np.ndarray:
    """Returns pixels with the alpha of the original, and gray if that is."""
    if scale > 1 and decode.is_gray(picture.rgb):
        pixels = decode.to_channels(pixels, 1)
    if picture.alpha is None:
        return pixels
    alpha = decode.resize(picture.alpha[..., None], pixels.shape[:2], fit='stretch')
    return np.concatenate([decode.to_channels(pixels, 3), alpha], axis=-1)
