"""Animations: GIF files, and the film of a run's sample sheets."""

import os
import pathlib

import numpy as np
from PIL import Image

from imggen.data import decode
from imggen.errors import UserError
from imggen.workdir import reader

_MIN_HEIGHT = 256  # Pixels. Smaller frames are enlarged by an integer factor.


def write_gif(path: str | os.PathLike, frames: np.ndarray, *, milliseconds: int = 60) -> None:
    """Writes uint8 frames [n, height, width, 1 or 3] as a GIF that repeats."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scale = max(1, _MIN_HEIGHT // frames.shape[1])
    frames = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    pictures = [
        Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame) for frame in frames
    ]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)


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
        raise UserError(f'{run.path} has no sample sheets to make a film of: train it first.')
    kept = [sheet for sheet in sheets if sheet.shape == sheets[-1].shape]
    return np.stack(kept)
