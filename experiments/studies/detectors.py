r"""Prints how well evaluators, and distances in pretrained features, reject other images.

python -m experiments.studies.detectors runs/diversity --extractors=pixels,lite0 [--num=1000]

Numbers are areas under the ROC curve: 1 separates real images from the others, 0.5 is chance. The
others are noise, random shapes, real images with shuffled patches, and another data set (the
other classes, if the run keeps some). Runs that differ only in their seeds share a row, with mean
and standard deviation. Each extractor has a row for the distance to the nearest of --training
training images. All runs have the same data.
"""

import collections
import json
from collections.abc import Iterator, Mapping, Sequence

from absl import flags

from imggen import cli, devices, features
from imggen.errors import UserError
from imggen.evaluation import detection
from imggen.inference import load
from imggen.report import formats
from imggen.seed_statistics import summarize
from imggen.workdir.restore import Restored

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
    _check(workdirs, runs)
    num_real = min(_NUM.value, len(detection.real_images(runs[0], 'test')))
    num_training = min(_TRAINING.value, len(detection.real_images(runs[0], 'train')))
    rows = collections.defaultdict(list)
    names = {}
    for workdir, run in zip(workdirs, runs, strict=True):
        same = json.dumps({**run.config, 'seed': 0, 'run': {}}, sort_keys=True)
        name = names.setdefault(same, workdir)
        rows[name].append(detection.measure(run, num_images=_NUM.value, seed=_SEED.value))
    for extractor in extractors:
        found = detection.measure_nearest(
            runs[0],
            extractor,
            num_images=_NUM.value,
            num_training=_TRAINING.value,
            seed=_SEED.value,
        )
        rows[f'nearest in {extractor.name}'].append(found)
    print(
        f'{num_real:,} held-out images of {runs[0].config["data"]["name"]} and as many of each '
        f'other kind; nearest of {num_training:,} training images; seed {_SEED.value}\n'
    )
    cells = [[name, *_cells(measured)] for name, measured in rows.items()]
    print(formats.markdown_table(['detector', *_COLUMNS.values()], cells), end='')


def _check(workdirs: Sequence[str], runs: Sequence[Restored]) -> None:
    """Raises UserError if a run has no evaluator, or other data than the first one."""
    for workdir, run in zip(workdirs, runs, strict=True):
        try:
            detection.check(run)
        except UserError as error:
            raise UserError(f'{workdir}: {error}') from error
        other = {**run.config['data'], 'batch_size': 0}
        if other != {**runs[0].config['data'], 'batch_size': 0}:
            raise UserError(
                f'{workdir} has other data than {workdirs[0]}: compare runs of one config.data.'
            )


def _cells(measured: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """Yields each area, with its deviation if several runs have one."""
    for key in _COLUMNS:
        mean, deviation, count = summarize([each[key] for each in measured])
        yield f'{mean:.3f}' + (f' ± {deviation:.3f} ({count})' if count > 1 else '')


if __name__ == '__main__':
    cli.run(main)
