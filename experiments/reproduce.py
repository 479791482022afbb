r"""Trains a config again and checks whether its published numbers still hold.

python -m experiments.reproduce --config=configs/gan_fashion_mnist.py [--workdir=...]
python -m experiments.reproduce --config=configs/gan_fashion_mnist.py:published
python -m experiments.reproduce --config=configs/evaluator_dcgan.py --config.total_images=30000
    --config.data.batch_size=16 --num=2000

A config states its numbers as EXPECTED = {options: {metric: (mean, standard deviation, number of
seeds)}}, where the options are those of the published table's command, as in

  'total_images=30000 data.batch_size=16 --num=2000'

with ':argument' in front for a variant, and '' for the config as it is. Numbers are compared with
those of the same options only. The seed, the path of the data and config.run may differ.

The run takes the config's own seed. A value holds if it lies within three standard deviations
of the mean, or within 5 % of it if there was one seed.
"""

import math
import re
import shlex

from absl import flags

from imggen import cli, devices
from imggen.errors import UserError
from imggen.evaluation import evaluate
from imggen.inference import load
from imggen.training import train

_CONFIG = cli.define_config()
_WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder of the run; runs/reproduce/NAME by default, with its options.'
)
_NUM = flags.DEFINE_integer('num', None, 'As in experiments.evaluate.', lower_bound=2)
_EXTRACTOR = flags.DEFINE_string('extractor', None, 'As in experiments.evaluate.')
_FREE = re.compile(r'(seed|data\.path|run\..*)=')  # Options that any table may vary.


def main(argv):
    del argv
    devices.cache_compilations()
    name, overrides = cli.given_config()
    name, _, variant = name.partition(':')
    options = _options(variant, overrides)
    published = expected(name, options)
    place = re.sub(r'[^\w.=,-]+', '_', ' '.join([cli.find_config(name).stem, *options]))
    workdir = _WORKDIR.value or f'runs/reproduce/{place}'
    train.train(_CONFIG.value.to_dict(), workdir, command=cli.command_line())
    restored = load.load(workdir)
    how = evaluate.protocol(restored, num_images=_NUM.value, extractor=_EXTRACTOR.value)
    found = evaluate.evaluate(restored, how)['metrics']
    print(f'{"metric":>20} {"published":>22} {"now":>10}')
    held = True
    for metric, (mean, deviation, seeds) in published.items():
        now = found.get(metric, math.nan)  # A number that was not measured does not hold.
        within = holds(now, mean, deviation, seeds)
        held &= within
        text = f'{mean:.4g} +- {deviation:.2g} ({seeds})'
        print(f'{metric:>20} {text:>22} {now:>10.4g}  {"holds" if within else "MISSED"}')
    return 0 if held else 1


def holds(now: float, mean: float, deviation: float, seeds: int) -> bool:
    """Returns whether a value agrees with a published one. NaN does not."""
    return abs(now - mean) <= (3.0 * deviation if seeds > 1 else 0.05 * abs(mean))


def expected(name: str, options: list[str]) -> dict[str, tuple[float, float, int]]:
    """Returns the numbers that a config publishes for these options.

    Raises:
      UserError: it publishes none, or only for other options; the message has these.
    """
    published = getattr(cli.load_config_module(name), 'EXPECTED', {})
    if not published:
        raise UserError(f'{name} publishes no numbers: it has no EXPECTED.')
    for key, numbers in published.items():
        if set(shlex.split(key)) == set(options):
            return numbers
    known = '; '.join(_as_typed(name, shlex.split(key)) for key in published)
    raise UserError(
        f'{_as_typed(name, options)} is not what the published numbers of {name} were measured '
        f'with: give {known}.'
    )


def _as_typed(name: str, options: list[str]) -> str:
    typed = f'--config={name}'
    for option in options:
        is_own = option.startswith((':', '--'))
        typed += option if option[0] == ':' else f' {option if is_own else "--config." + option}'
    return typed


def _options(variant: str, overrides: dict) -> list[str]:
    """Returns the options of this command in the form of EXPECTED."""
    options = [f':{variant}'] if variant else []
    options += [f'{name}={value}' for name, value in overrides.items()]
    options += [f'--num={_NUM.value}'] if _NUM.value else []
    options += [f'--extractor={_EXTRACTOR.value}'] if _EXTRACTOR.value else []
    return [option for option in options if not _FREE.match(option)]


if __name__ == '__main__':
    flags.mark_flag_as_required('config')
    cli.run(main)
