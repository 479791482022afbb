r"""Makes an animation of how a run's result came about.

python -m experiments.animate --workdir=W --output=run.gif [--name=tubingen] [--side=512]

The frames are W/results/<name>/*.png, which a run of style transfer leaves every
sample_every_steps, at the content's own size.
"""

import pathlib

from absl import flags
from PIL import Image

from imggen import cli
from imggen.errors import UserError

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A .gif or .webp file.')
_NAME = flags.DEFINE_string('name', None, 'Which result, where the run has several.')
_SIDE = flags.DEFINE_integer('side', 512, 'The longer side of the frames.', lower_bound=1)
_SECONDS = flags.DEFINE_float('seconds', 5.0, 'How long it plays.', lower_bound=0.1)
_HOLD_MILLISECONDS = 1500  # How long the last frame stands.


def main(argv):
    del argv
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix not in ('.gif', '.webp'):
        raise UserError(f'--output={output} cannot be written: give a .gif or a .webp file.')
    folders = sorted(
        path for path in (pathlib.Path(_WORKDIR.value) / 'results').glob('*') if path.is_dir()
    )
    names = [folder.name for folder in folders]
    if not names:
        raise UserError(
            f'{_WORKDIR.value} holds no results: name the workdir of a style run; a translation '
            'is filmed by experiments.translate --film, any other run by experiments.sample --film.'
        )
    if (_NAME.value is None and len(names) > 1) or _NAME.value not in (None, *names):
        raise UserError(f'--name={_NAME.value} is no result: choose one of {", ".join(names)}.')
    folder = folders[names.index(_NAME.value or names[0])]
    frames = [_frame(path) for path in sorted(folder.glob('*.png'))]
    durations = [round(1000 * _SECONDS.value / len(frames))] * (len(frames) - 1)
    output.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        output,
        save_all=True,
        append_images=frames[1:],
        duration=[*durations, _HOLD_MILLISECONDS],
        loop=0,
    )
    print(f'{output}: {len(frames)} frames of {folder}')


def _frame(path: pathlib.Path) -> Image.Image:
    with Image.open(path) as picture:
        frame = picture.convert('RGBA')
    frame.thumbnail((_SIDE.value, _SIDE.value))
    white = Image.new('RGBA', frame.size, 'white')
    return Image.alpha_composite(white, frame).convert('RGB')


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
