r"""Downloads 34 free photographs into a folder, to train and evaluate translations.

python -m experiments.prepare.photographs --output=data/photographs [--side=1280]

They come from Debian's wallpaper packages (170 MB to download), which are unpacked without root and
not kept. Each photograph becomes a PNG whose longer side is reduced to --side pixels.
"""

import pathlib

from absl import flags

from imggen import cli, files, images
from imggen.data.download import photographs

_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the PNGs, new or empty.')
_SIDE = flags.DEFINE_integer('side', 1280, 'Longer side in pixels.', lower_bound=1)


def main(argv):
    del argv
    write(pathlib.Path(_OUTPUT.value).expanduser(), side=_SIDE.value)


def write(output: pathlib.Path, *, side: int) -> None:
    """Writes the photographs as PNG files and prints how many there are."""
    written = 0
    with files.filling(output) as partial:
        for name, image in photographs.photographs(side=side):
            images.write_png(partial / f'{name}.png', image)
            written += 1
    print(f'{output}: {written} photographs, longer side {side} pixels')


if __name__ == '__main__':
    flags.mark_flags_as_required(['output'])
    cli.run(main)
