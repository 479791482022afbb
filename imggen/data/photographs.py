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

from imggen.data import debian, decode
from imggen.errors import UserError
from imggen.progress import Progress

# What else these packages hold is drawn, computed or grey.
FILES = {
    'mate-backgrounds': [
        f'usr/share/backgrounds/mate/nature/{name}.jpg'
        for name in (
            'Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings '
            'Wood YellowFlower'
        ).split()
    ],
    'lomiri-wallpapers-16.04': [
        f'usr/share/backgrounds/{name}.jpg'
        for name in (
            'Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Picture_0B_by_freespace '
            'Picture_1A_by_freespace Wine_by_Jakkub_Mede aitzgorri_by_Aitzol_Berasategi '
            'free_by_Peter_Nerlich friends_by_Aitzol_Berasategi greentock_by_Peter_Nerlich '
            'life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi '
            'seeding_by_Clements_Engelhardt sunset_by_Aitzol_Berasategi'
        ).split()
    ],
    'lomiri-wallpapers-20.04': ['usr/share/backgrounds/Kleiber_by_Lukas_Baubkus.jpg'],
    'plasma-workspace-wallpapers': [
        f'usr/share/wallpapers/{name}/contents/images/2560x1600.jpg'
        for name in (
            'BytheWater ColorfulCups EveningGlow FallenLeaf Kite OneStandsOut Path summer_1am'
        ).split()
    ],
}


def photographs(*, side: int, files=FILES) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (name, picture uint8 [height, width, 3]), the longer side reduced to `side`.

    Reduced at least by a quarter they keep nothing of the JPEG files' artefacts.

    Raises:
      UserError: a package cannot be had.
    """
    progress, done = Progress(sum(map(len, files.values())), unit='photograph'), 0
    for package, members in files.items():
        with tempfile.TemporaryDirectory(prefix='imggen-') as scratch:
            try:
                root = debian.unpack(package, pathlib.Path(scratch))
            except (OSError, subprocess.SubprocessError) as error:
                raise UserError(f'the Debian package {package} cannot be had: {error}') from error
            for member in members:
                yield _name(member), _reduced(decode.decode(root / member), side)
                done += 1
                progress.advance(done)
    progress.close()


def _name(member: str) -> str:
    path = pathlib.PurePosixPath(member)
    return path.stem if path.parent.name != 'images' else path.parts[-4]


def _reduced(picture: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
