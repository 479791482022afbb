r"""Renders the emoji of a color font into a folder: a set of about 3,600 small pictures.

python -m experiments.prepare.emoji --output=data/emoji [--font=NotoColorEmoji.ttf]

One PNG of 136 x 128 with transparency an emoji, named by its code points.
"""

import pathlib

from absl import flags

from imggen import cli
from imggen.data.download import emoji
from imggen.images import write_png

_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the PNGs; made if missing.')
_FONT = flags.DEFINE_string('font', None, 'The font file; looked for by default.')


def main(argv):
    del argv
    path, written = emoji.find_font(path=_FONT.value), 0
    for name, picture in emoji.pictures(emoji.load_font(path)):
        write_png(pathlib.Path(_OUTPUT.value) / f'{name}.png', picture)
        written += 1
    print(f'{_OUTPUT.value}: {written:,} emoji of {path}')


if __name__ == '__main__':
    flags.mark_flags_as_required(['output'])
    cli.run(main)
