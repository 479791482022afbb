r"""Measures a config's published numbers anew and says whether they still hold.

python -m experiments.reproduce --config=configs/gan_fashion_mnist.py [--workdir=...]

A config states them as EXPECTED = {measure: (mean, standard deviation, seeds)}. The
run takes the config's own seed; a value holds if it lies within three standard
deviations of the mean (of one seed: within 5 % of it).
"""

import importlib.util
import math
import pathlib

from absl import flags
from ml_collections import config_flags

from imggen import cli, devices
from imggen.errors import UserError
from imggen.evaluation import evaluate
from imggen.inference import load
from imggen.training import train

_CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'What to run: a file of configs/.', **cli.ANY_OPTION
)
_WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder of the run; runs/reproduce/NAME by default.'
)


def main(argv):
    del argv
    devices.cache_compilations()
    given = config_flags.get_config_filename(flags.FLAGS['config'])
    path = pathlib.Path(given.split(':')[0])
    expected = _expected(path)
    workdir = _WORKDIR.value or f'runs/reproduce/{path.stem}'
    config = _CONFIG.value.to_dict()
    train.train(config, workdir, command=f'python -m experiments.reproduce --config={given}')
    found = _measure(workdir, config)
    print(f'{"measure":>20} {"published":>22} {"now":>10}')
    held = True
    for name, (mean, deviation, seeds) in expected.items():
        now = found.get(name, math.nan)  # What was not reached is no number, and no longer holds.
        within = holds(now, mean, deviation, seeds)
        held &= within
        published = f'{mean:.4g} +- {deviation:.2g} ({seeds})'
        print(f'{name:>20} {published:>22} {now:>10.4g}  {"holds" if within else "MISSED"}')
    return 0 if held else 1


def holds(now: float, mean: float, deviation: float, seeds: int) -> bool:
    """Says whether a value agrees with a published one; a value that is no number does not."""
    return abs(now - mean) <= (3.0 * deviation if seeds > 1 else 0.05 * abs(mean))


def _expected(path: pathlib.Path) -> dict[str, tuple[float, float, int]]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, 'EXPECTED'):
        raise UserError(f'{path} publishes no numbers: it has no EXPECTED.')
    return module.EXPECTED


def _measure(workdir, config) -> dict[str, float]:
    restored = load.load(workdir)
    if config['method']['name'] == 'classifier':
        from imggen.evaluation import classifier
        from imggen.methods.evolution import classifiers

        trained = classifiers.load(str(workdir))
        return classifier.quality(trained.params, logits=trained.logits)
    how = evaluate.protocol(restored)
    return evaluate.evaluate(restored, how)['metrics']


if __name__ == '__main__':
    flags.mark_flag_as_required('config')
    cli.run(main)
