r"""Measures a run against real images, or one folder of pictures against another.

python -m experiments.evaluate --workdir=runs/gan [--num=10000] [--extractor=fashion_classifier]
python -m experiments.evaluate --generated=mine/ --reference=real/ --extractor=lite0 [--size=64,64]
python -m experiments.evaluate --generated=mine/ --reference=truth/ --paired

Every figure comes with its sample counts, the hash of the extractor, its standard
error where it has one, and the floor: the same measure of real against real
images. A run's figures are appended to its evaluations.jsonl, where reports and
sweeps read them.
"""

from absl import flags

from imggen import cli, devices, features
from imggen.errors import UserError
from imggen.evaluation import evaluate
from imggen.evaluation import folders as comparing
from imggen.inference import load

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_NUM = flags.DEFINE_integer(
    'num', None, 'How many images the run makes; 10,000, of stacked images 26,000.', lower_bound=2
)
_SEED = flags.DEFINE_integer('seed', 0, 'Of those images.')
_GENERATED = flags.DEFINE_string('generated', None, 'A folder of pictures to be measured.')
_REFERENCE = flags.DEFINE_string('reference', None, 'The folder they are compared with.')
_SIZE = flags.DEFINE_list('size', None, 'height,width that both folders are brought to.')
_FIT = flags.DEFINE_enum('fit', 'crop', ['crop', 'pad', 'stretch'], 'How they are brought there.')
_PAIRED = flags.DEFINE_bool('paired', False, 'Compare pictures of equal names: PSNR, SSIM, LPIPS.')
_EXTRACTOR = flags.DEFINE_enum(
    'extractor', None, list(features.EXTRACTORS), "Whose features; by default the config's choice."
)
_MEASURE = flags.DEFINE_list('measure', [], 'Measures to keep; all by default.')


def main(argv):
    del argv
    devices.cache_compilations()
    if bool(_GENERATED.value) != bool(_REFERENCE.value) or bool(_WORKDIR.value) == bool(
        _GENERATED.value
    ):
        raise UserError('give either --workdir, or both --generated and --reference.')
    if _WORKDIR.value:
        which = int(_CHECKPOINT.value) if _CHECKPOINT.value.isdigit() else _CHECKPOINT.value
        restored = load.load(_WORKDIR.value, which=which)
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
    else:
        folders = comparing.Folders(_GENERATED.value, _REFERENCE.value, _size(), _FIT.value)
        asked = {'only': _MEASURE.value, 'seed': _SEED.value}
        if _PAIRED.value:
            line = comparing.pairs(folders)
        else:
            extractor = features.make(_EXTRACTOR.value or 'fashion_classifier')
            line = comparing.distributions(folders, extractor, **asked)
    _print(line)


def _size():
    if not _SIZE.value:
        return None
    try:
        height, width = map(int, _SIZE.value)
    except ValueError as error:
        raise UserError(f'--size={",".join(_SIZE.value)} is no height,width.') from error
    return height, width


def _print(line) -> None:
    step = f'step {line["step"]}; ' if 'step' in line else ''
    compared = 'scores of the run'
    if line['extractor']:
        compared = (
            f'{line["num_generated"]} generated against {line["num_reference"]} of '
            f'{line["reference"]}; extractor {line["extractor"]}-{line["digest"]}'
        )
    print(f'{step}{compared}')
    print(f'{"measure":>18} {"value":>10} {"+-":>10} {"floor":>10}')
    for name, value in line['metrics'].items():
        cells = [line['spread'].get(name), line['floor'].get(name)]
        cells = ['' if cell is None else f'{cell:.4g}' for cell in cells]
        print(f'{name:>18} {value:>10.4g} {cells[0]:>10} {cells[1]:>10}')
    print(line['note'])


if __name__ == '__main__':
    cli.run(main)
