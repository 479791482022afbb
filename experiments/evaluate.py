r"""Measures a run against real images, or one folder of pictures against another.

python -m experiments.evaluate --workdir=runs/gan [--num=10000] [--extractor=judge]
python -m experiments.evaluate --generated=mine/ --reference=real/ --extractor=lite0 [--size=64,64]

Every figure comes with its sample counts, the hash of the extractor, its standard
error where it has one, and the floor: the same measure of real against real
images. A run's figures are appended to its measures.jsonl, where reports and
sweeps read them.
"""

import collections

import numpy as np
from absl import flags
from PIL import Image

from imggen import data, devices, entry, features, measuring, restoring
from imggen.data import folder
from imggen.errors import UserError
from imggen.metrics.extraction import extract, reference_features

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_NUM = flags.DEFINE_integer('num', 10_000, 'How many images the run makes.', lower_bound=2)
_SEED = flags.DEFINE_integer('seed', 0, 'Of those images.')
_GENERATED = flags.DEFINE_string('generated', None, 'A folder of pictures to be measured.')
_REFERENCE = flags.DEFINE_string('reference', None, 'The folder they are compared with.')
_SIZE = flags.DEFINE_list('size', None, 'height,width that both folders are brought to.')
_FIT = flags.DEFINE_enum('fit', 'crop', ['crop', 'pad', 'stretch'], 'How they are brought there.')
_EXTRACTOR = flags.DEFINE_enum('extractor', 'judge', list(features.EXTRACTORS), 'Whose features.')
_MEASURE = flags.DEFINE_list('measure', [], 'Measures to keep; all by default.')


def main(argv):
    del argv
    devices.cache_compilations()
    if bool(_GENERATED.value) != bool(_REFERENCE.value) or bool(_WORKDIR.value) == bool(
        _GENERATED.value
    ):
        raise UserError('give either --workdir, or both --generated and --reference.')
    extractor = features.make(_EXTRACTOR.value)
    if _WORKDIR.value:
        which = int(_CHECKPOINT.value) if _CHECKPOINT.value.isdigit() else _CHECKPOINT.value
        restored = restoring.restore(_WORKDIR.value, which=which)
        asked = {'num_images': _NUM.value, 'seed': _SEED.value}
        line = measuring.recorded(_WORKDIR.value, extractor, step=restored.step, **asked)
        if line is None:
            line = measuring.evaluate(restored, extractor, only=_MEASURE.value, **asked)
            measuring.append(_WORKDIR.value, line)
    else:
        line = _compare_folders(extractor)
    _print(line)


def _compare_folders(extractor):
    size, note = _common_size()
    read = lambda path: data.examples(  # noqa: E731
        {'name': 'folder', 'path': path, 'size': size, 'fit': _FIT.value}, split='train'
    )[0]
    mesh = devices.make_mesh()
    real = measuring.Reference(
        _REFERENCE.value,
        reference_features(extractor, _whole(read(_REFERENCE.value)), mesh=mesh),
        None,
    )
    generated = extract(extractor, read(_GENERATED.value), mesh=mesh)
    line = measuring.compare(real, generated, extractor, only=_MEASURE.value, seed=_SEED.value)
    return {**line, 'note': f'{note}; {line["note"]}'}


def _whole(pictures):
    return pictures if isinstance(pictures, np.ndarray) else np.concatenate(list(pictures))


def _common_size() -> tuple[tuple[int, int], str]:
    """Returns the size of both folders' pictures, and a sentence on what is resized."""
    sizes = collections.Counter()
    for path in (_REFERENCE.value, _GENERATED.value):
        root = folder.pathlib.Path(path)
        for name in folder.scan(root).files:
            try:
                with Image.open(root / name) as picture:
                    sizes[picture.size[::-1]] += 1
            except (OSError, ValueError, Image.DecompressionBombError):
                continue  # The loader lists it.
    if not sizes:
        raise UserError(f'{_REFERENCE.value} and {_GENERATED.value} hold no pictures to compare.')
    try:
        size = tuple(map(int, _SIZE.value)) if _SIZE.value else sizes.most_common(1)[0][0]
    except ValueError as error:
        raise UserError(f'--size={",".join(_SIZE.value)} is no height,width.') from error
    resized = sum(count for other, count in sizes.items() if other != size)
    total = sum(sizes.values())
    return size, (
        f'{resized} of {total} pictures brought to {size[0]} x {size[1]} '
        f'({_FIT.value}, antialiased)'
    )


def _print(line) -> None:
    step = f', step {line["step"]}' if 'step' in line else ''
    print(
        f'{line["num_generated"]} generated against {line["num_reference"]} of '
        f'{line["reference"]}{step}; extractor {line["extractor"]}-{line["digest"]}'
    )
    print(f'{"measure":>18} {"value":>10} {"+-":>10} {"floor":>10}')
    for name, value in line['measures'].items():
        cells = [line['spread'].get(name), line['floor'].get(name)]
        cells = ['' if cell is None else f'{cell:.4g}' for cell in cells]
        print(f'{name:>18} {value:>10.4g} {cells[0]:>10} {cells[1]:>10}')
    print(line['note'])


if __name__ == '__main__':
    entry.run(main)
