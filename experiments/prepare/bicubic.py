r"""Shrinks a folder of pictures as MATLAB does, and enlarges them again: the data of a benchmark.

python -m experiments.prepare bicubic --input=set5/ --output=set5_x4/ --scale=4
python -m experiments.translate --workdir=runs/x4 --input=set5_x4/small --output=set5_x4/mine
python -m experiments.evaluate --generated=set5_x4/mine --reference=set5_x4/target --paired
    --y --crop=4

The output has three folders: `target`, the pictures without the rows and columns that --scale does
not divide; `small`, their reduction; and `bicubic`, its enlargement, the baseline.

With --y there is Y of YCbCr alone, and `bicubic` is enlarged from the reduction before it is
rounded, as in the first published tables.
"""

import pathlib

import numpy as np
from absl import flags

from imggen import cli, files, images
from imggen.data import decode
from imggen.data.imresize import imresize
from imggen.data.loaders import folder
from imggen.errors import UserError
from imggen.metrics import paired

_INPUT = flags.DEFINE_string('input', None, 'A folder of pictures.')
_OUTPUT = flags.DEFINE_string('output', None, 'A new folder.')
_SCALE = flags.DEFINE_integer('scale', 4, 'What height and width are divided by.', lower_bound=2)
_Y = flags.DEFINE_bool('y', False, 'Write Y of YCbCr alone.')


def main(argv):
    del argv
    root = pathlib.Path(_INPUT.value).expanduser()
    found = _names(root)
    with files.filling(pathlib.Path(_OUTPUT.value).expanduser()) as output:
        for name, file in found.items():
            try:
                picture = decode.decode(file)
            except decode.DecodeError as error:
                raise UserError(f'{error}; remove it from --input.') from error
            for version, made in _versions(picture, _SCALE.value, file).items():
                images.write_png(output / version / name, made)
    print(f'{_OUTPUT.value}: {len(found)} pictures, divided by {_SCALE.value}')


def _names(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the pictures of a folder by the name of what is made of them."""
    found = {}
    for file in folder.scan(root, option='--input').files:
        name = pathlib.PurePath(file).with_suffix('.png').as_posix()
        if name in found:
            raise UserError(f'{found[name]} and {root / file} have one name: rename one of them.')
        found[name] = root / file
    if not found:
        raise UserError(f'{root} holds no pictures: name another --input.')
    return found


def _versions(picture: np.ndarray, scale: int, path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the target, its reduction and the enlargement, uint8 [height, width, channels]."""
    height, width = (side // scale * scale for side in picture.shape[:2])
    if not height or not width:
        raise UserError(f'{path} is smaller than --scale={scale}: remove it from --input.')
    target = picture[:height, :width]
    if _Y.value:
        colors = images.from_uint8(decode.to_channels(target, 3)[None])
        target = _rounded(paired.luma(colors)[0])
    small = imresize(target, (height // scale, width // scale))
    enlarged = imresize(small if _Y.value else _rounded(small), (height, width))
    return {'target': target, 'small': _rounded(small), 'bicubic': _rounded(enlarged)}


def _rounded(levels) -> np.ndarray:
    return np.clip(np.floor(np.asarray(levels) + 0.5), 0, 255).astype(np.uint8)


if __name__ == '__main__':
    flags.mark_flags_as_required(['input', 'output'])
    cli.run(main)
