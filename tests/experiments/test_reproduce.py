"""Published numbers measured anew: what holds, what does not, what was never reached."""

import math
import pathlib
import subprocess
import sys

from experiments.reproduce import holds

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = """
from configs import evolve_original


def get_config():
    return evolve_original.get_config('smoke')


EXPECTED = {expected}
"""


def reproduce(folder, expected):
    path = folder / 'published.py'
    path.write_text(CONFIG.format(expected=expected))
    command = [sys.executable, '-m', 'experiments.reproduce', f'--config={path}']
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


def test_the_spread_is_of_seeds_and_a_share_of_one():
    assert [holds(now, 0.5, 0.1, 3) for now in (0.21, 0.79, 0.19, 0.81)] == [
        True,
        True,
        False,
        False,
    ]
    assert [holds(now, -20.0, 9.0, 1) for now in (-19.1, -20.9, -18.9)] == [True, True, False]
    assert not holds(math.nan, 0.5, 0.1, 3)
