r"""Compares the images of a run with real ones, or one folder of images with another.

python -m experiments.evaluate --workdir=runs/gan [--num=10000] [--extractor=fashion_classifier]
python -m experiments.evaluate --generated=mine/ --reference=real/ --extractor=lite0 [--size=64,64]
python -m experiments.evaluate --generated=mine/ --reference=truth/ --paired

Every number comes with the sample counts, the hash of the extractor, its standard error if it has
one, and the floor: the same metric of real against real images. The metrics of a run are appended
to its evaluations.jsonl, which reports and sweeps read.
"""

from typing import Any

from absl import flags

from imggen import cli, devices, features
from imggen.errors import UserError
from imggen.evaluation import evaluate, folders
from imggen.inference import load

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_NUM = flags.DEFINE_integer(
    'num',
    None,
    'Number of images that the run makes: 10,000 by default, 26,000 if they are stacked.',
    lower_bound=2,
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of those images.')
_GENERATED = flags.DEFINE_string('generated', None, 'A folder of images to measure.')
_REFERENCE = flags.DEFINE_string('reference', None, 'The folder to compare them with.')
_SIZE = flags.DEFINE_list('size', None, 'height,width to resize the images of both folders to.')
_FIT = flags.DEFINE_enum('fit', 'crop', ['crop', 'pad', 'stretch'], 'How they are resized.')
_PAIRED = flags.DEFINE_bool('paired', False, 'Compare images of equal names: PSNR, SSIM, LPIPS.')
_EXTRACTOR = flags.DEFINE_enum(
    'extractor',
    None,
    ['', *features.EXTRACTORS],
    "Features in which sets are compared. A run's config names its own; '' compares none.",
)
_MEASURE = flags.DEFINE_list('measure', [], 'Metrics to keep; all by default.')


def main(argv):
    del argv
    devices.cache_compilations()
    is_run, is_folders = bool(_WORKDIR.value), bool(_GENERATED.value and _REFERENCE.value)
    if is_run == is_folders or bool(_GENERATED.value) != bool(_REFERENCE.value):
        raise UserError('give either --workdir, or both --generated and --reference.')
    _print(_evaluate_run() if is_run else _compare_folders())


def _evaluate_run() -> dict[str, Any]:
    restored = load.load(_WORKDIR.value, which=_CHECKPOINT.value)
    how = evaluate.protocol(
        restored,
        num_images=_NUM.value,
        extractor=_EXTRACTOR.value,
        only=_MEASURE.value,
        seed=_SEED.value,
    )
    line = evaluate.recorded(_WORKDIR.value, restored, how)
    if line is None:
        line = evaluate.evaluate(restored, how)
        evaluate.append(_WORKDIR.value, line)
    return line


def _compare_folders() -> dict[str, Any]:
    size = cli.height_and_width(_SIZE) if _SIZE.value else None
    given = folders.Folders(_GENERATED.value, _REFERENCE.value, size, _FIT.value)
    if _PAIRED.value:
        return folders.pairs(given)
    if not _EXTRACTOR.value:
        raise UserError(
            'two folders are compared by features: give --extractor=lite0, or '
            '--extractor=pixels, which needs no weights.'
        )
    extractor = features.make(_EXTRACTOR.value)
    return folders.distributions(given, extractor, only=_MEASURE.value, seed=_SEED.value)


def _print(line: dict[str, Any]) -> None:
    step = f'step {line["step"]}; ' if 'step' in line else ''
    compared = 'scores of the run'
    if line['extractor']:
        compared = (
            f'{line["num_generated"]} generated against {line["num_reference"]} of '
            f'{line["reference"]}; extractor {line["extractor"]}-{line["digest"]}'
        )
    print(f'{step}{compared}')
    print(f'{"metric":>18} {"value":>10} {"+-":>10} {"floor":>10}')
    for name, value in line['metrics'].items():
        cells = [line['spread'].get(name), line['floor'].get(name)]
        cells = ['' if cell is None else f'{cell:.4g}' for cell in cells]
        print(f'{name:>18} {value:>10.4g} {cells[0]:>10} {cells[1]:>10}')
    print(line['note'])


if __name__ == '__main__':
    cli.run(main)
