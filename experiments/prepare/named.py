r"""Fetches a free data set into a folder.

python -m experiments.prepare mnist --output=data/mnist
python -m experiments.prepare emoji --output=data/emoji [--font=NotoColorEmoji.ttf]
python -m experiments.prepare photographs --output=data/photographs [--side=1280]
python -m experiments.prepare openmoji --output=data/openmoji [--side=72]
python -m experiments.prepare icons --output=data/icons [--side=72]

`python -m experiments.prepare` lists the sets, with their sizes and licenses. The packages come
from Debian or npm, through apt-get or npm, without root. They are unpacked, not installed, and no
script of theirs runs. Their contents are compared with digests in imggen/data/free/sets.py.

The folder also gets LICENSE.txt, and a sheet of a hundred pictures lies beside it: data/emoji.png.
"""

import inspect
import pathlib

from absl import flags

from imggen import cli
from imggen.data.free import make, sets
from imggen.errors import UserError

_OUTPUT = flags.DEFINE_string('output', None, 'Folder for the set, new or empty.')
_CHECK = flags.DEFINE_bool('check', True, 'Refuse packages with other contents than published.')
_OPTIONS = [
    flags.DEFINE_string('font', None, 'A color font, in place of the fetched one; emoji only.'),
    flags.DEFINE_integer(
        'side',
        None,
        'Longer side in pixels; icons, landscapes, openmoji and photographs only.',
        lower_bound=1,
    ),
]


def main(argv):
    _, name, *more = argv
    if more:
        raise UserError(f'{more[0]!r} is no option: give one NAME, and options as --name=value.')
    options = {flag.name: flag.value for flag in _OPTIONS if flag.present}
    known = inspect.signature(sets.SETS[name].write).parameters
    for option in options:
        if option not in known:
            raise UserError(f'--{option} is no option of the set {name}; leave it out.')
    output = pathlib.Path(_OUTPUT.value).expanduser()
    made = make.make(name, output, check=_CHECK.value, options=options)
    dataset = sets.SETS[name]
    print(f'{output}: {made.count:,} pictures; look at {made.sheet}')
    print(f'license: {dataset.license}')
    print(f'read it with {dataset.usage.replace("FOLDER", str(output))}')


if __name__ == '__main__':
    flags.mark_flags_as_required(['output'])
    cli.run(main)
