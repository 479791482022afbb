"""Animations as GIF, WebP or MP4, and the film of a run's sample sheets."""

import contextlib
import errno
import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from imggen import files, images
from imggen.data import decode
from imggen.errors import UserError
from imggen.workdir import reader

SUFFIXES = ('.gif', '.webp', '.mp4')
_LARGEST_SIDES = {'.gif': 65_535, '.webp': 16_383, '.mp4': 65_534}
_CODECS = ('vp09', 'mp4v')  # VP9, which browsers play; MPEG-4, if this OpenCV lacks it.
_FRAMES_PER_SECOND = 50


def write(
    path: str | os.PathLike,
    frames: np.ndarray,
    *,
    milliseconds: int | Sequence[int] = 60,
    min_height: int = 256,
) -> None:
    """Writes an animation atomically, in the format of the suffix, which is one of SUFFIXES.

    GIF and WebP repeat for ever. WebP keeps a fourth channel, opacity; the others get white behind
    it. MP4 has 50 frames a second, each image as many of them as its time takes, and even sides.

    Args:
      path: the file.
      frames: uint8 [n, height, width, 1, 3 or 4].
      milliseconds: how long each image stays, or one number for all.
      min_height: smaller frames are enlarged by an integer factor, as far as the format allows.

    Raises:
      UserError: this OpenCV cannot write MP4, or the format holds no frames of this size.
    """
    path = pathlib.Path(path)
    side, limit = max(frames.shape[1:3]), _LARGEST_SIDES[path.suffix]
    if side > limit:
        cure = 'name a .mp4 file' if side <= _LARGEST_SIDES['.mp4'] else 'make smaller images'
        raise UserError(f'{path} cannot have {side} pixels a side, but {limit}: {cure}.')
    scale = max(1, min(min_height // frames.shape[1], limit // side))
    frames = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    if frames.shape[-1] == 4 and path.suffix != '.webp':
        frames = images.over(frames, 255)
    times = [milliseconds] * len(frames) if isinstance(milliseconds, int) else list(milliseconds)
    with files.writing(path) as partial:
        if path.suffix == '.mp4':
            _write_mp4(partial, frames, times)
            return
        pictures = [
            Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame) for frame in frames
        ]
        pictures[0].save(
            partial,
            format=path.suffix[1:],
            save_all=True,
            append_images=pictures[1:],
            duration=times,
            loop=0,
            quality=90,  # Of WebP.
        )


def _write_mp4(path: pathlib.Path, frames: np.ndarray, milliseconds: Sequence[int]) -> None:
    """Writes uint8 frames [n, height, width, 1 or 3] to a path of any suffix."""
    import cv2

    height, width = frames.shape[1:3]
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    made = path.with_name(f'{path.name}.mp4')  # OpenCV goes by the suffix.
    try:
        with _quiet_ffmpeg():
            for codec in (cv2.VideoWriter_fourcc(*code) for code in _CODECS):
                size = (width + width % 2, height + height % 2)
                film = cv2.VideoWriter(str(made), cv2.CAP_FFMPEG, codec, _FRAMES_PER_SECOND, size)
                if film.isOpened():
                    break
            else:
                raise UserError('This OpenCV cannot write MP4: name a .gif or a .webp file.')
            ends = np.rint(np.cumsum(milliseconds) * (_FRAMES_PER_SECOND / 1000)).astype(int)
            counts = np.maximum(1, np.diff(ends, prepend=0))
            for frame, count in zip(frames, counts, strict=True):
                color = np.pad(decode.to_channels(frame, 3), odd, mode='edge')[..., ::-1]
                for _ in itertools.repeat(None, int(count)):
                    film.write(color)
            film.release()
            if (held := _num_frames(made)) != counts.sum():
                raise OSError(errno.ENOSPC, f'holds {held} of {counts.sum()} frames', str(path))
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def _num_frames(path: pathlib.Path) -> int:
    """Returns the number of frames of a film; OpenCV says nothing where it could not write."""
    import cv2

    film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return int(film.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        film.release()


@contextlib.contextmanager
def _quiet_ffmpeg() -> Iterator[None]:
    """Keeps OpenCV's remarks on codecs from standard error; they concern no user."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def film(workdir: str | os.PathLike) -> np.ndarray:
    """Returns the sample sheets of a run in order: uint8 [n, height, width, 1 or 3].

    All sheets are made with the same keys, so that the film shows how the samples of fixed
    latents change in training.
    """
    run = reader.read(workdir)
    sheets = []
    for _, path in run.samples:
        sheets.append(decode.decode(path))
    if not sheets:
        raise UserError(
            f'{run.path} has no sample sheets to make a film of: name the workdir of a training.'
        )
    kept = [sheet for sheet in sheets if sheet.shape == sheets[-1].shape]
    return np.stack(kept)
