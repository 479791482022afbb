"""Published numbers measured anew: what holds, what does not, what was never reached."""

import importlib
import math
import pathlib
import re
import shlex
import subprocess
import sys

from experiments.reproduce import expected, holds

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = """
from configs import evolve_original


def get_config(arg=None):
    return evolve_original.get_config(f'{{arg}},smoke' if arg else 'smoke')


EXPECTED = {{'': {expected}, ':target': {{'probability': (3.0, 0.1, 3)}}}}
"""


def reproduce(folder, expected, *options, variant=''):
    path = folder / 'published.py'
    path.write_text(CONFIG.format(expected=expected))
    command = [sys.executable, '-m', 'experiments.reproduce', f'--config={path}{variant}', *options]
    return subprocess.run(
        [*command, f'--workdir={folder / "run"}'], cwd=ROOT, capture_output=True, text=True
    )


def test_numbers_hold_within_their_spread(tmp_path):
    wrong = {'probability': (2.0, 0.1, 3), 'evaluations_to_0.9999': (1.0, 0.0, 1)}
    missed = reproduce(tmp_path, wrong)
    assert missed.returncode == 1, missed.stderr
    first, second = missed.stdout.splitlines()[-2:]
    assert first.split()[:1] == ['probability'] and first.endswith('MISSED')
    assert second.split()[-2:] == ['nan', 'MISSED']  # Four steps do not come there.

    now = float(first.split()[-2])
    held = reproduce(tmp_path, {'probability': (now + 0.2, 0.1, 3)})
    assert held.returncode == 0 and held.stdout.rstrip().endswith('holds'), held.stderr


def test_numbers_are_those_of_the_variant_and_its_options(tmp_path):
    own = {'probability': (2.0, 0.1, 3)}
    for variant, options in [(':ideas', ()), ('', ('--config.method.chains_per_class=2',))]:
        refused = reproduce(tmp_path, own, *options, variant=variant)
        assert refused.returncode == 1 and not (tmp_path / 'run').exists()
        assert 'py:target' in refused.stderr.partition(': give ')[2]
    done = reproduce(tmp_path, own, '--config.run.log_every_steps=2', variant=':target')
    assert done.stdout.splitlines()[-1].split()[1:4] == ['3', '+-', '0.1'], done.stderr


def test_every_published_number_belongs_to_a_config_that_can_be_made():
    published = 0
    for path in sorted((ROOT / 'configs').glob('*.py')):
        module = importlib.import_module(f'configs.{path.stem}')
        for options, numbers in getattr(module, 'EXPECTED', {}).items():
            variant = [part[1:] for part in options.split() if part.startswith(':')]
            module.get_config(*variant)
            assert expected(str(path), shlex.split(options)) == numbers
            for mean, deviation, seeds in numbers.values():
                assert math.isfinite(mean) and deviation >= 0 and seeds >= 1
            published += 1
    assert published > 60


def test_every_config_of_a_published_table_publishes_its_numbers():
    named = set()
    for path in (ROOT / 'results').iterdir():
        named.update(re.findall(r'--config=configs/(\w+)\.py', path.read_text()))
    without = {
        name
        for name in named
        if not hasattr(importlib.import_module(f'configs.{name}'), 'EXPECTED')
    }
    # Scripts made these tables, and no single command measures their numbers.
    assert len(named) > 25 and without == {'evolve_imagenet', 'style_neighbours'}


def test_the_spread_is_of_seeds_and_a_share_of_one():
    assert [holds(now, 0.5, 0.1, 3) for now in (0.21, 0.79, 0.19, 0.81)] == [
        True,
        True,
        False,
        False,
    ]
    assert [holds(now, -20.0, 9.0, 1) for now in (-19.1, -20.9, -18.9)] == [True, True, False]
    assert not holds(math.nan, 0.5, 0.1, 3)
