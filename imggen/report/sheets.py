"""Sample sheets as data URIs, chosen and encoded so that the page stays small.

Sheets are embedded without loss if they fit the run's share of the page. If not, there are fewer
of them, then they become lossy WebP, and then they are halved in size. The page says what was
left out.
"""

import base64
import functools
import io
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from PIL import Image

PAGE_BYTES = 12_000_000  # All sheets of a page together, before base64 adds a third.
MAX_FRAMES = 40
_ENOUGH_FRAMES = 6  # If fewer fit without loss, the sheets become lossy.
_STILL_BYTES = 500_000
_LARGEST_SIDE = 2048
_MODES = ((1, True), (1, False), (2, False), (4, False), (8, False))  # (shrink, lossless)


class Frame(NamedTuple):
    """One sheet: the step that it shows, its data URI, and its size in pixels."""

    step: int
    uri: str
    width: int
    height: int


class Film(NamedTuple):
    """The sheets of one run that the page holds, and a note on what it leaves out."""

    frames: list[Frame]
    note: str


def evenly(count: int, total: int) -> list[int]:
    """Picks `count` of `total` indices evenly, including the first and the last."""
    if count >= total:
        return list(range(total))
    if count <= 1:
        return [total - 1] if total else []
    return [round(index * (total - 1) / (count - 1)) for index in range(count)]


def encode(path: pathlib.Path, *, shrink: int = 1, lossless: bool = True) -> tuple[bytes, int, int]:
    """Reads a sheet and encodes it as WebP.

    Returns:
      (bytes, width, height); the size is that of the sheet before it shrinks.
    """
    # `imggen.data.decode` would import JAX, and a sheet is a PNG file that the run wrote.
    try:
        if not path.is_file():
            raise _UnreadableError(path)
        with Image.open(path, formats=('PNG',)) as opened:
            sheet = opened.convert('L' if opened.mode in ('1', 'L') else 'RGB')
    except Exception:  # Pillow raises nearly anything for damaged files.
        raise _UnreadableError(path) from None
    width, height = sheet.size
    shrink = max(shrink, -(-max(width, height) // _LARGEST_SIDE))
    if shrink > 1:
        sheet = sheet.reduce(shrink)
    buffer = io.BytesIO()
    # With more effort, lossless files are 3% smaller and take ten times as long; the others are 4%
    # smaller and take twice as long.
    effort = {'quality': 20, 'method': 1} if lossless else {'quality': 80, 'method': 2}
    sheet.save(buffer, 'WEBP', lossless=lossless, **effort)
    return buffer.getvalue(), width, height


def film(samples: Sequence[tuple[int, pathlib.Path]], *, allowed: int) -> Film:
    """Embeds the sheets of one run in at most about `allowed` bytes.

    A sheet that cannot be read is left out and named in the note.
    """
    readable, broken = list(samples), []
    while True:
        try:
            frames, shrink, lossless = _choose(readable, allowed)
            break
        except _UnreadableError as error:
            broken.append(error.path.name)
            readable = [(step, path) for step, path in readable if path != error.path]
    notes = []
    if len(frames) < len(readable):
        notes.append(f'{len(frames)} of {len(readable)} sheets are embedded')
    if frames and not lossless:
        notes.append('compressed with loss' + (f' at 1/{shrink} size' if shrink > 1 else ''))
    if broken:
        notes.append(f'not readable: {", ".join(sorted(broken))}')
    return Film(frames, '; '.join(notes))


def still(path: pathlib.Path) -> Frame | None:
    """Embeds one image, without loss if it is small; None if it cannot be read."""
    if not path.is_file():
        return None
    frames = film([(0, path)], allowed=_STILL_BYTES).frames
    return frames[0] if frames else None


class _UnreadableError(Exception):
    def __init__(self, path: pathlib.Path):
        super().__init__(str(path))
        self.path = path


def _choose(samples, allowed: int) -> tuple[list[Frame], int, bool]:
    """Uses the first mode in which enough sheets fit; returns (frames, shrink, lossless)."""
    for shrink, lossless in _MODES:
        read = functools.cache(
            lambda index, how=(shrink, lossless): encode(
                samples[index][1], shrink=how[0], lossless=how[1]
            )
        )
        most, enough = MAX_FRAMES, min(_ENOUGH_FRAMES if lossless else 2, len(samples))
        if samples:
            # A look at the last sheet saves the encoding of most others that would not fit.
            fitting = allowed / len(read(len(samples) - 1)[0])
            if 2 * fitting < enough and (shrink, lossless) != _MODES[-1]:
                continue
            most = min(most, max(enough, round(1.5 * fitting)))
        frames, size = _fit(samples, allowed, most, read)
        if len(frames) >= enough and size <= allowed:
            break
    return frames, shrink, lossless


def _fit(samples, allowed: int, most: int, read: Callable) -> tuple[list[Frame], int]:
    """Returns as many evenly chosen sheets as fit, `most` at most, and the sum of their bytes.

    The last sheet is among them. `read` encodes the sheet of an index, once.
    """
    count = min(most, len(samples))
    while True:
        chosen = evenly(count, len(samples))
        size = sum(len(read(index)[0]) for index in chosen)
        if size <= allowed or count <= 1:
            break
        count = min(count - 1, max(1, count * allowed // size))
    frames = []
    for index in chosen:
        data, width, height = read(index)
        uri = 'data:image/webp;base64,' + base64.b64encode(data).decode('ascii')
        frames.append(Frame(samples[index][0], uri, width, height))
    return frames, size
