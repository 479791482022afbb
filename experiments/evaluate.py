r"""Compares the images of a run with real ones, or one folder of images with another.

python -m experiments.evaluate --workdir=runs/gan [--num=10000] [--extractor=fashion_classifier]
    [--guidance=1.5] [--best_of=4]
python -m experiments.evaluate --generated=mine/ --reference=real/ --extractor=lite0 [--size=64,64]
python -m experiments.evaluate --reference=real/ --extractor=lite0 --save_statistics=real.npz
python -m experiments.evaluate --generated=mine/ --reference=real.npz --extractor=lite0
python -m experiments.evaluate --generated=mine/ --reference=truth/ --paired
    [--measure=psnr,ssim,lpips] [--network=vgg] [--y] [--crop=4] [--csv=pairs.csv]

Every number comes with the sample counts, the hash of the extractor, its standard error if it has
one, and the floor: the same metric of real against real images. The metrics of a run are appended
to its evaluations.jsonl, which reports and sweeps read, unless --guidance or --best_of is given.
"""

import pathlib
import textwrap
from typing import Any

from absl import flags

from imggen import cli, devices, features
from imggen.errors import UserError
from imggen.evaluation import evaluate, folders, pairs, selection
from imggen.inference import load
from imggen.metrics import statistics

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_NUM = flags.DEFINE_integer(
    'num',
    None,
    'Number of images that the run makes: 10,000 by default, 26,000 if they are stacked.',
    lower_bound=2,
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of those images, and of the floor.')
_GENERATED = flags.DEFINE_string('generated', None, 'A folder of images to measure.')
_REFERENCE = flags.DEFINE_string(
    'reference', None, 'The folder to compare them with, or a file of --save_statistics.'
)
_SAVE_STATISTICS = flags.DEFINE_string(
    'save_statistics', None, 'An .npz to write the statistics of --reference to.'
)
_SIZE = flags.DEFINE_list('size', None, 'height,width to resize the images of both folders to.')
_FIT = flags.DEFINE_enum('fit', 'crop', ['crop', 'pad', 'stretch'], 'How they are resized.')
_GUIDANCE = flags.DEFINE_float(
    'guidance', None, 'Factor of guidance, of a flow that has it; as configured.'
)
_BEST_OF = flags.DEFINE_integer(
    'best_of',
    1,
    "Samples of which the most realistic is measured, chosen in the features of the run's config. "
    'The scores of the run are left out.',
    lower_bound=1,
)
_EXTRACTOR = flags.DEFINE_enum(
    'extractor',
    None,
    ['', *features.EXTRACTORS],
    "Features in which sets are compared. A run's config names its own; '' compares none.",
)
_MEASURE = flags.DEFINE_list('measure', [], 'Metrics to keep; all by default.')
_PAIRED = flags.DEFINE_bool('paired', False, 'Compare images of equal names: l1,psnr,ssim,lpips.')
_NETWORK = flags.DEFINE_enum('network', 'alex', ['alex', 'vgg'], 'The network of LPIPS.')
_Y = flags.DEFINE_bool('y', False, 'Measure l1, PSNR and SSIM on Y of YCbCr alone.')
_CROP = flags.DEFINE_integer('crop', 0, 'Pixels to cut off at each side.', lower_bound=0)
_CSV = flags.DEFINE_string('csv', None, 'A file for the values of each pair.')

_NETWORKS = {'alex': 'alexnet', 'vgg': 'vgg16'}
_TWO_FOLDERS = {'generated', 'reference', 'size', 'fit'}
# The flags that each kind of comparison reads.
_READ = {
    '--workdir': {'workdir', 'checkpoint', 'num', 'seed', 'guidance', 'best_of', 'extractor'}
    | {'measure'},
    '--paired': _TWO_FOLDERS | {'paired', 'measure', 'network', 'y', 'crop', 'csv'},
    '--save_statistics': {'save_statistics', 'reference', 'size', 'fit', 'extractor'},
    'two folders': _TWO_FOLDERS | {'extractor', 'measure', 'seed'},
}


def main(argv):
    del argv
    devices.cache_compilations()
    _check_flags()
    if _WORKDIR.value:
        _evaluate_run()
    elif _PAIRED.value:
        _compare_pairs()
    elif _SAVE_STATISTICS.value:
        _write_statistics()
    else:
        _print(_compare_folders())


def _check_flags() -> None:
    """Raises UserError for flags that are missing, or that would do nothing."""
    given = cli.given(set().union(*_READ.values()))
    kind = next((kind for kind in _READ if kind[2:] in given), 'two folders')
    if idle := sorted(given - _READ[kind]):
        raise UserError(f'--{idle[0]} does nothing with {kind}: leave it out.')
    needed = {'--save_statistics': {'reference'}, '--workdir': set()}
    if needed.get(kind, {'generated', 'reference'}) - given:
        raise UserError(
            'give either --workdir, or both --generated and --reference, or --reference and '
            '--save_statistics.'
        )


def _evaluate_run() -> None:
    if load.folder(_WORKDIR.value) != pathlib.Path(_WORKDIR.value):
        raise UserError(
            f'measures are written beside a model, and {_WORKDIR.value} is part of the package: '
            f'copy it by python -m experiments.export --workdir={_WORKDIR.value} --output=DIR.'
        )
    restored = load.load(_WORKDIR.value, which=_CHECKPOINT.value)
    if _GUIDANCE.value is not None:
        restored = load.with_guidance(restored, _GUIDANCE.value)
    how = evaluate.protocol(
        restored,
        num_images=_NUM.value,
        extractor=_EXTRACTOR.value,
        only=_MEASURE.value,
        seed=_SEED.value,
        best_of=_BEST_OF.value,
    )
    # Sweeps and reports compare runs as they are configured.
    is_recorded = _GUIDANCE.value is None and _BEST_OF.value == 1
    if is_recorded and (line := evaluate.recorded(_WORKDIR.value, restored, how)) is not None:
        _print(line)
        return
    line = evaluate.evaluate(restored, how)
    _print(line)  # Before it is recorded, so that a full disk costs nothing.
    if is_recorded:
        evaluate.append(_WORKDIR.value, line)
    else:
        changed = []
        if _GUIDANCE.value is not None:
            changed.append(f'a guidance of {_GUIDANCE.value:g}')
        if _BEST_OF.value > 1:
            by = selection.extractor_of(restored)
            changed.append(f'the best of {_BEST_OF.value} by {by}')
        print(f'With {" and ".join(changed)}; not recorded in evaluations.jsonl.')


def _compare_pairs() -> None:
    given, how = (
        _folders(),
        pairs.How(tuple(_MEASURE.value), _NETWORKS[_NETWORK.value], _Y.value, _CROP.value),
    )
    _check_new('csv', _CSV.value)
    found = pairs.compare(given, how)
    _print(pairs.line(given, how, found))
    if _CSV.value:
        pairs.write_csv(pathlib.Path(_CSV.value), found)


def _write_statistics() -> None:
    _check_new('save_statistics', _SAVE_STATISTICS.value)
    found = folders.statistics(_folders(), _extractor())
    statistics.write(_SAVE_STATISTICS.value, found)
    print(f'{_SAVE_STATISTICS.value}: {found.moments.count} images, {found.extractor}')


def _compare_folders() -> dict[str, Any]:
    given, extractor = _folders(), _extractor()
    if pathlib.Path(_REFERENCE.value).is_file():
        stored = statistics.read(_REFERENCE.value)
        return folders.against(given, stored, extractor, only=_MEASURE.value)
    return folders.distributions(given, extractor, only=_MEASURE.value, seed=_SEED.value)


def _folders() -> folders.Folders:
    size = cli.height_and_width(_SIZE) if _SIZE.value else None
    return folders.Folders(_GENERATED.value, _REFERENCE.value, size, _FIT.value)


def _extractor():
    if not _EXTRACTOR.value:
        raise UserError(
            'two folders are compared by features: give --extractor=lite0, or '
            '--extractor=pixels, which needs no weights.'
        )
    return features.make(_EXTRACTOR.value)


def _check_new(name: str, path: str | None) -> None:
    if path and pathlib.Path(path).exists():
        raise UserError(f'{path} exists: name another --{name} or remove it.')


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
    print(textwrap.fill(line['note'], 100), flush=True)


if __name__ == '__main__':
    cli.run(main)
