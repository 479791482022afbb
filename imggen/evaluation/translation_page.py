"""A page of held-out pictures: input, output and truth side by side, as files beside it."""

import pathlib
import re

import numpy as np

from imggen import data, images
from imggen.inference import translate
from imggen.metrics import paired
from imggen.report.markup import Markup, element, number
from imggen.workdir.restore import Restored

_STYLE = Markup(
    'body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}'
    'table{border-collapse:collapse}th,td{padding:.3rem .6rem;text-align:left}'
    'td img{display:block;max-width:22vw;min-width:96px;image-rendering:pixelated}'
    'th{position:sticky;top:0;background:#fff;font-weight:600}'
    '@media(prefers-color-scheme:dark){body,th{background:#161616;color:#ddd}}'
)


def write(
    restored: Restored, folder: pathlib.Path, *, num_images: int, seed: int = 0
) -> pathlib.Path:
    """Translates the held-out pictures of a run and shows them.

    Args:
      restored: a trained translation.
      folder: gets index.html and one PNG a picture and set, in place of those of the page
        that was there.
      num_images: how many pictures at most.
      seed: of what is drawn.

    Returns:
      The page's path.

    Raises:
      UserError: the run translates nothing, or its data has no held-out pictures.
    """
    files = data.files(restored.config['data'], split='test')
    rows, names, count, older = [], (), 0, _files(folder)
    for sets in translate.validation(restored, num_images=num_images, seed=seed):
        # Not before there is something to put in their place.
        while older:
            older.pop().unlink(missing_ok=True)
        names = tuple(sets)
        errors = np.asarray(paired.psnr(sets['output'], sets['target']))
        for index, decibels in enumerate(errors):
            pictures = {name: pixels[index] for name, pixels in sets.items()}
            file = files[count] if files else ''
            rows.append(_row(folder, count, file, pictures, float(decibels)))
            count += 1
    title = f'{restored.config["method"]["name"]}: {count} held-out pictures'
    heads = [element('th', head) for head in ('', *names, 'PSNR, dB')]
    page = element(
        'html',
        element(
            'head',
            element('meta', charset='utf-8'),
            element('title', title),
            element('style', _STYLE),
        ),
        element(
            'body',
            element('h1', title),
            element('p', f'Step {restored.step}, seed {seed}. PSNR is of output against target.'),
            element('table', element('thead', element('tr', heads)), element('tbody', rows)),
        ),
        lang='en',
    )
    path = folder / 'index.html'
    path.write_text(f'<!doctype html>\n{page}\n', encoding='utf-8')
    return path


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the pictures of the page that lies in a folder, and no other files there."""
    page = folder / 'index.html'
    text = page.read_text(encoding='utf-8', errors='replace') if page.is_file() else ''
    return [folder / name for name in re.findall(r'src="(\d{5,}_\w+\.png)"', text)]


def _row(folder: pathlib.Path, index: int, file: str, pictures: dict, decibels: float) -> Markup:
    cells = [element('td', f'{index} {file}'.strip())]
    for name, pixels in pictures.items():
        shown = f'{index:05d}_{name}.png'
        images.write_png(folder / shown, images.to_uint8(pixels))
        picture = element('img', src=shown, alt=f'{name} {index}', loading='lazy')
        cells.append(element('td', picture))
    finite = number(round(decibels, 2)) if np.isfinite(decibels) else 'the same'
    return element('tr', [*cells, element('td', finite)])
