"""The picture beside a table: a row of images for each run."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from configs import gan_perceptron_digits
from imggen.training import train


@pytest.fixture(scope='module')
def workdirs(tmp_path_factory):
    made = []
    for seed in (0, 1):
        config = gan_perceptron_digits.get_config('smoke')
        config.seed, config.method.num_steps = seed, 1
        made.append(tmp_path_factory.mktemp(f'run{seed}'))
        train.train(config.to_dict(), made[-1])
    return made


def rows(*options):
    command = [sys.executable, '-m', 'experiments.studies.rows', *options]
    return subprocess.run(command, capture_output=True, text=True)


def test_rows_are_real_pictures_and_each_runs_own(workdirs, tmp_path):
    output = tmp_path / 'rows.png'
    given = list(map(str, workdirs))
    done = rows(*given, '--names=first,second', '--num=5', f'--output={output}')
    assert done.returncode == 0, done.stderr
    with Image.open(output) as picture:
        sheet = np.asarray(picture)
    size = 32 + 2  # Digits of 8 x 8 pixels, enlarged four times, and the gap.
    assert sheet.shape[0] == 3 * size - 2
    margin = sheet.shape[1] - (5 * size - 2)
    names, pictures = sheet[:, :margin], sheet[:, margin:]
    real, first, second = (pictures[top : top + 32] for top in (0, size, 2 * size))
    assert not np.array_equal(real, first) and not np.array_equal(first, second)
    assert all((names[top : top + 32] < 128).any() for top in (0, size, 2 * size))

    done = rows(*given, '--names=one', f'--output={output}')
    assert done.returncode == 1
    assert done.stderr.strip() == 'error: --names has 1 names for 2 runs: give one for each.'
