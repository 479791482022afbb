r"""Makes a film of a run: how its images changed in training.

python -m experiments.animate --workdir=runs/gan --output=film.gif
python -m experiments.animate --workdir=runs/style --output=film.gif [--name=tubingen]

The frames are the sheets of samples, which show the same latents, or the same inputs,
throughout. If the run leaves results, as style transfer does, the frames are the stages of one
result, which --name chooses.
"""

import pathlib

from absl import flags
from PIL import Image

from imggen import cli, files
from imggen.data import decode
from imggen.errors import UserError
from imggen.inference import animation

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A .gif or .webp file.')
_NAME = flags.DEFINE_string('name', None, 'Which result, if the run has several.')
_SIDE = flags.DEFINE_integer(
    'side', 1024, 'Larger frames are shrunk to this longer side in pixels.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 5.0, 'Length of the film.', lower_bound=0.1)
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a file at --output.')
_HOLD_MILLISECONDS = 1500  # How long the last frame stays.
_MIN_HEIGHT = 256  # Pixels. Smaller frames are enlarged by a whole factor.


def main(argv):
    del argv
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix not in ('.gif', '.webp'):
        raise UserError(f'--output={output} cannot be written: give a .gif or a .webp file.')
    files.refuse_overwrite([output], overwrite=_OVERWRITE.value)
    frames = [_fit(frame) for frame in _frames(pathlib.Path(_WORKDIR.value))]
    milliseconds = round(1000 * _SECONDS.value / len(frames))
    with files.writing(output) as partial:
        frames[0].save(
            partial,
            format=output.suffix[1:],
            save_all=True,
            append_images=frames[1:],
            duration=[milliseconds] * (len(frames) - 1) + [_HOLD_MILLISECONDS],
            loop=0,
        )
    print(f'{output}: {len(frames)} frames of {_WORKDIR.value}')


def _frames(workdir: pathlib.Path) -> list[Image.Image]:
    """Returns the stages of a result, or the sheets of samples if the run has no results."""
    folders = {path.name: path for path in (workdir / 'results').glob('*') if path.is_dir()}
    if not folders and _NAME.value is None:
        return [
            Image.fromarray(sheet.squeeze(-1) if sheet.shape[-1] == 1 else sheet)
            for sheet in animation.film(workdir)
        ]
    name = _NAME.value if _NAME.value or len(folders) > 1 else next(iter(folders))
    if name not in folders:
        there_are = f'choose one of {", ".join(sorted(folders))}' if folders else 'there are none'
        raise UserError(f'--name={name} is not a result of {workdir}: {there_are}.')
    return [_opaque(path) for path in sorted(folders[name].glob('*.png'))]


def _opaque(path: pathlib.Path) -> Image.Image:
    return Image.fromarray(decode.to_channels(decode.decode(path, matte=decode.WHITE), 3))


def _fit(frame: Image.Image) -> Image.Image:
    factor = max(1, _MIN_HEIGHT // frame.height)
    frame = frame.resize((factor * frame.width, factor * frame.height), Image.Resampling.NEAREST)
    frame.thumbnail((_SIDE.value, _SIDE.value))
    return frame


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
