"""The command that measures: which flags go together, and numbers that are never lost."""

import json
import pathlib
import subprocess
import sys

import pytest

from imggen import images
from imggen.training import train
from tests.evaluation.test_pairs import picture
from tests.helpers import processes

ROOT = pathlib.Path(__file__).parents[2]
# Reads lists of flags, runs the command with each in one process, and prints the errors.
MANY = """
import json, sys
from absl import flags
from absl.testing import flagsaver
from experiments import evaluate
from imggen.errors import UserError

errors = []
for given in json.loads(sys.argv[1]):
    with flagsaver.flagsaver():
        flags.FLAGS(['evaluate', *given])
        try:
            errors.append(evaluate.main([]))
        except UserError as error:
            errors.append(str(error))
print(json.dumps(errors))
"""


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    config = {
        'seed': 0,
        'method': {**processes._METHOD, 'num_steps': 1},
        'data': {
            'name': 'idx',
            'path': str(processes.write_set(folder / 'set')),
            'batch_size': processes.BATCH_SIZE,
        },
        'run': {'num_samples': 4, 'extractor': 'pixels'},
    }
    train.train(config, folder / 'workdir')
    return folder / 'workdir'


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures')
    for name, noise in (('made', 9), ('real', 0)):
        for index in range(3):
            images.write_png(root / name / f'{index}.png', picture((20, 24 + index), noise=noise))
    return root


def test_a_flag_that_would_do_nothing_is_refused(workdir, folders):
    run = f'--workdir={workdir}'
    two = [f'--generated={folders / "made"}', f'--reference={folders / "real"}']
    paired, existing = [*two, '--paired'], folders / 'made' / '0.png'
    cases = {
        (): 'give either --workdir',
        (run, *two): '--generated does nothing with --workdir',
        (run, '--size=8,8'): '--size does nothing with --workdir',
        (run, '--paired'): '--paired does nothing with --workdir',
        (two[0],): 'give either --workdir',
        (*two, '--num=4', '--extractor=pixels'): '--num does nothing with two folders',
        (*two, '--crop=2', '--extractor=pixels'): '--crop does nothing with two folders',
        tuple(two): 'two folders are compared by features: give --extractor',
        (*paired, '--extractor=pixels'): '--extractor does nothing with --paired',
        (*paired, '--seed=1'): '--seed does nothing with --paired',
        (*paired, '--measure=kid'): '--measure=kid is unknown: there are l1, psnr, ssim, lpips',
        (*paired, f'--csv={existing}'): f'{existing} exists: name another --csv',
        (*two, '--save_statistics=x.npz'): '--generated does nothing with --save_statistics',
        ('--save_statistics=x.npz', '--extractor=pixels'): 'give either --workdir',
        (two[0], f'--reference={existing}', '--extractor=pixels'): 'is not an .npz file',
        (*paired, '--y', '--crop=2', '--measure=psnr', f'--csv={folders / "pairs.csv"}'): None,
    }
    command = [sys.executable, '-c', MANY, json.dumps(list(map(list, cases)))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *printed, errors = done.stdout.splitlines()
    for (given, expected), error in zip(cases.items(), json.loads(errors), strict=True):
        assert error == expected or expected in error, given
    assert 'psnr_y' in ''.join(printed)
    assert 'without a border of 2 pixels' in printed[-1]
    header, *rows = (folders / 'pairs.csv').read_text().splitlines()
    assert header == 'name,psnr_y' and len(rows) == 3


def test_numbers_that_cannot_be_recorded_are_printed_all_the_same(workdir):
    (workdir / 'evaluations.jsonl').symlink_to('/dev/full')
    command = [sys.executable, '-m', 'experiments.evaluate', f'--workdir={workdir}', '--num=12']
    done = subprocess.run([*command, '--measure=frechet'], cwd=ROOT, capture_output=True, text=True)
    (workdir / 'evaluations.jsonl').unlink()
    assert done.returncode == 1 and 'Traceback' not in done.stderr, done.stderr
    assert '12 generated against 40' in done.stdout and 'frechet' in done.stdout
    assert 'the numbers above are not recorded' in done.stderr
    assert 'No space left on device' in done.stderr
