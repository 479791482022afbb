r"""Prints how well evaluators, and distances in pretrained features, reject other images.

python -m experiments.studies.detectors runs/diversity --extractors=pixels,lite0 [--num=1000]

Numbers are areas under the ROC curve: 1 separates real images from the others, 0.5 is chance. The
others are noise, random shapes, real images with shuffled patches, and another data set (the
other classes, if the run keeps some). Each run has a row for its evaluator. Each extractor has one
for the distance to the nearest of --training training images of the first run.
"""

from absl import flags

from imggen import cli, devices, features
from imggen.errors import UserError
from imggen.evaluation import detection
from imggen.inference import load
from imggen.report import formats

_EXTRACTORS = flags.DEFINE_list('extractors', ['pixels'], f'Some of {features.EXTRACTORS}.')
_NUM = flags.DEFINE_integer('num', 1000, 'Largest number of images of each kind.', lower_bound=2)
_TRAINING = flags.DEFINE_integer(
    'training', 5000, 'Largest number of training images to be near to.', lower_bound=1
)
_SEED = flags.DEFINE_integer('seed', 0, 'Draws the impostors and the training images.')
_COLUMNS = {
    'area_noise': 'noise',
    'area_shapes': 'shapes',
    'area_patches': 'shuffled patches',
    'area_other_set': 'another set',
}


def main(argv):
    workdirs = argv[1:]
    if not workdirs:
        raise UserError('There is nothing to measure: name one or more runs of an evaluator.')
    devices.cache_compilations()
    extractors = [features.make(name) for name in _EXTRACTORS.value]
    runs = [load.load(workdir) for workdir in workdirs]
    for run in runs:
        detection.check(run)
    rows = {
        workdir: detection.measure(run, num_images=_NUM.value, seed=_SEED.value)
        for workdir, run in zip(workdirs, runs, strict=True)
    }
    for extractor in extractors:
        rows[f'nearest in {extractor.name}'] = detection.measure_nearest(
            runs[0],
            extractor,
            num_images=_NUM.value,
            num_training=_TRAINING.value,
            seed=_SEED.value,
        )
    cells = [[name, *(f'{row[key]:.3f}' for key in _COLUMNS)] for name, row in rows.items()]
    print(formats.markdown_table(['detector', *_COLUMNS.values()], cells), end='')


if __name__ == '__main__':
    cli.run(main)
