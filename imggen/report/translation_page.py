"""A page of held-out images: input, output and target side by side, as files beside the page."""

import pathlib
import re

import numpy as np

from imggen import data, files, images
from imggen.inference import translate
from imggen.metrics import paired
from imggen.report.formats import number
from imggen.report.render import render
from imggen.workdir.restore import Restored


def write(
    restored: Restored, folder: pathlib.Path, *, num_images: int, seed: int = 0
) -> pathlib.Path:
    """Translates held-out images of a run, spread over all of them, and shows them.

    Args:
      restored: a trained translation.
      folder: gets index.html, and one PNG for each image and set. They replace an older page
        and its images.
      num_images: the largest number of images.
      seed: seed of the method's random numbers.

    Returns:
      The page's path.

    Raises:
      UserError: the run translates nothing, or its data has no held-out images.
    """
    sources = data.files(restored.config['data'], split='test')
    places = translate.spread_evenly(num_images, len(sources))
    rows, names, older = [], (), _files(folder)
    for sets in translate.validation(restored, num_images=num_images, spread=True, seed=seed):
        # The older page is removed only once there are images to put in its place.
        while older:
            older.pop().unlink(missing_ok=True)
        names = tuple(sets)
        for index, decibels in enumerate(np.asarray(paired.psnr(sets['output'], sets['target']))):
            shown = {name: f'{len(rows):05d}_{name}.png' for name in names}
            for name, file in shown.items():
                images.write_png(folder / file, images.to_uint8(sets[name][index]))
            source = sources[places[len(rows)]] if sources else ''
            finite = np.isfinite(decibels)
            psnr = number(round(float(decibels), 2)) if finite else 'the same'
            rows.append((f'{len(rows)} {source}'.strip(), shown, psnr))
    path = folder / 'index.html'
    text = render(
        'translation_page.html.j2',
        title=f'{restored.config["method"]["name"]}: {len(rows)} held-out images',
        step=restored.step,
        seed=seed,
        names=names,
        rows=rows,
    )
    files.write_text(path, text)
    return path


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the image files that the page in a folder shows."""
    page = folder / 'index.html'
    text = page.read_text(encoding='utf-8', errors='replace') if page.is_file() else ''
    return [folder / name for name in re.findall(r'src="(\d{5,}_\w+\.png)"', text)]
