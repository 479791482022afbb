r"""Renders the emoji of a color font into a folder, a set of about 3,600 small images.

python -m experiments.prepare.emoji --output=data/emoji [--font=NotoColorEmoji.ttf]

Each emoji becomes a PNG of 136 x 128 pixels with transparency, named by its code points.
"""

import pathlib

from absl import flags

from imggen import cli, files, images
from imggen.data.download import emoji

_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the PNGs, new or empty.')
_FONT = flags.DEFINE_string('font', None, 'The font file; searched for by default.')


def main(argv):
    del argv
    output, written = pathlib.Path(_OUTPUT.value).expanduser(), 0
    font = emoji.find_font(path=_FONT.value)
    with files.filling(output) as partial:
        for name, image in emoji.pictures(emoji.load_font(font)):
            images.write_png(partial / f'{name}.png', image)
            written += 1
    print(f'{output}: {written:,} emoji from {font}')


if __name__ == '__main__':
    flags.mark_flags_as_required(['output'])
    cli.run(main)
