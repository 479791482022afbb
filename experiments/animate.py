r"""Makes a film of a run: how its images changed in training.

python -m experiments.animate --workdir=runs/gan --output=film.mp4
python -m experiments.animate --workdir=runs/style --output=film.gif [--name=tubingen]

The frames are the sheets of samples, which show the same latents, or the same inputs,
throughout. If the run leaves results, as style transfer does, the frames are the stages of one
result, which --name chooses.
"""

import pathlib
from collections.abc import Iterable

import numpy as np
from absl import flags

from imggen import cli, files
from imggen.data import decode
from imggen.errors import UserError
from imggen.inference import animation

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string('output', None, 'A .mp4, .gif or .webp file.')
_NAME = flags.DEFINE_string('name', None, 'Which result, if the run has several.')
_SIDE = flags.DEFINE_integer(
    'side', 1024, 'Larger frames are shrunk to this longer side in pixels.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 5.0, 'Length of the film.', 0.1, 3600.0)
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a file at --output.')
_HOLD_MILLISECONDS = 1500  # How long the last frame stays.


def main(argv):
    del argv
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix not in animation.SUFFIXES:
        raise UserError(f'--output={output} cannot be written: give a .mp4, .gif or .webp file.')
    files.refuse_overwrite([output], overwrite=_OVERWRITE.value)
    frames = [_fit(frame) for frame in _frames(pathlib.Path(_WORKDIR.value))]
    milliseconds = round(1000 * _SECONDS.value / len(frames))
    times = [milliseconds] * (len(frames) - 1) + [_HOLD_MILLISECONDS]
    animation.write(output, np.stack(frames), milliseconds=times, min_height=1)
    print(f'{output}: {len(frames)} frames of {_WORKDIR.value}')


def _frames(workdir: pathlib.Path) -> Iterable[np.ndarray]:
    """Returns the stages of a result, or the sheets of samples if the run has no results."""
    folders = {path.name: path for path in (workdir / 'results').glob('*') if path.is_dir()}
    if not folders and _NAME.value is None:
        return animation.film(workdir)
    name = _NAME.value if _NAME.value or len(folders) > 1 else next(iter(folders))
    if name not in folders:
        there_are = f'choose one of {", ".join(sorted(folders))}' if folders else 'there are none'
        raise UserError(f'--name={name} is not a result of {workdir}: {there_are}.')
    paths = sorted(folders[name].glob('*.png'))
    if not paths:
        raise UserError(f'{folders[name]} holds no .png files: name another result with --name.')
    stages = [decode.to_channels(decode.decode(path), 3) for path in paths]
    return [stage for stage in stages if stage.shape == stages[-1].shape]


def _fit(frame: np.ndarray) -> np.ndarray:
    scale = min(1.0, _SIDE.value / max(frame.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in frame.shape[:2])
    return decode.resize(frame, size, fit='stretch')


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
