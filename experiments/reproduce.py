r"""Trains a config again and checks whether its published numbers still hold.

python -m experiments.reproduce --config=configs/gan_fashion_mnist.py [--workdir=...]

A config states its numbers as EXPECTED = {metric: (mean, standard deviation, number of seeds)}.
The run takes the config's own seed. A value holds if it lies within three standard deviations
of the mean, or within 5 % of it if there was one seed.
"""

import math

from absl import flags

from imggen import cli, devices
from imggen.errors import UserError
from imggen.evaluation import evaluate
from imggen.inference import load
from imggen.training import train

_CONFIG = cli.define_config()
_WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder of the run; runs/reproduce/NAME by default.'
)


def main(argv):
    del argv
    devices.cache_compilations()
    name = cli.given_config()[0].split(':')[0]
    expected = _expected(name)
    workdir = _WORKDIR.value or f'runs/reproduce/{cli.find_config(name).stem}'
    train.train(_CONFIG.value.to_dict(), workdir, command=cli.command_line())
    restored = load.load(workdir)
    found = evaluate.evaluate(restored, evaluate.protocol(restored))['metrics']
    print(f'{"metric":>20} {"published":>22} {"now":>10}')
    held = True
    for name, (mean, deviation, seeds) in expected.items():
        now = found.get(name, math.nan)  # A number that was not measured does not hold.
        within = holds(now, mean, deviation, seeds)
        held &= within
        published = f'{mean:.4g} +- {deviation:.2g} ({seeds})'
        print(f'{name:>20} {published:>22} {now:>10.4g}  {"holds" if within else "MISSED"}')
    return 0 if held else 1


def holds(now: float, mean: float, deviation: float, seeds: int) -> bool:
    """Returns whether a value agrees with a published one. NaN does not."""
    return abs(now - mean) <= (3.0 * deviation if seeds > 1 else 0.05 * abs(mean))


def _expected(name: str) -> dict[str, tuple[float, float, int]]:
    module = cli.load_config_module(name)
    if not hasattr(module, 'EXPECTED'):
        raise UserError(f'{name} publishes no numbers: it has no EXPECTED.')
    return module.EXPECTED


if __name__ == '__main__':
    flags.mark_flag_as_required('config')
    cli.run(main)
