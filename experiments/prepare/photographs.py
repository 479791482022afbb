r"""Fetches 34 free photographs into a folder, to train and to measure translations on.

python -m experiments.prepare.photographs --output=data/photographs [--side=1280]

They come from Debian's wallpaper packages (170 MB to download), which are unpacked without
root and not kept. PNG, the longer side reduced to --side.
"""

import pathlib

from absl import flags

from imggen import cli
from imggen.data.download import photographs
from imggen.images import write_png

_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the PNGs; made if missing.')
_SIDE = flags.DEFINE_integer('side', 1280, 'Pixels of the longer side.', lower_bound=1)


def main(argv):
    del argv
    write(pathlib.Path(_OUTPUT.value), side=_SIDE.value)


def write(output: pathlib.Path, *, side: int) -> None:
    """Writes the photographs as PNG files, and how many they are on the screen."""
    written = 0
    for name, picture in photographs.photographs(side=side):
        write_png(output / f'{name}.png', picture)
        written += 1
    print(f'{output}: {written} photographs, the longer side {side} pixels')


if __name__ == '__main__':
    flags.mark_flags_as_required(['output'])
    cli.run(main)
