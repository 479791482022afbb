"""The command that measures: which flags go together, and numbers that are never lost."""

import json
import pathlib
import subprocess
import sys

import pytest

from imggen import images
from imggen.workdir import reader
from tests.evaluation.test_pairs import picture
from tests.helpers import untrained

ROOT = pathlib.Path(__file__).parents[2]
# Runs the command with several lists of flags in one process, and prints the errors. A run whose
# samples are known stands for a trained one.
SCRIPT = """
import json, sys
import numpy as np
from absl import flags
from absl.testing import flagsaver
from experiments import evaluate
from imggen import data, images
from imggen.errors import UserError
from tests.helpers import held

digits = data.examples({'name': 'digits'}, split='train')[0][:12]
run = held.run(images.from_uint8(digits), data={'name': 'digits'})
evaluate.load.load = lambda workdir, which: run
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


def run_all(cases):
    """Returns what was printed, and asserts that each list of flags had its error."""
    command = [sys.executable, '-c', SCRIPT, json.dumps(list(map(list, cases)))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *printed, errors = done.stdout.splitlines()
    for (given, expected), error in zip(cases.items(), json.loads(errors), strict=True):
        assert error == expected or (expected and expected in error), (given, error)
    return '\n'.join(printed)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures')
    for name, noise in (('made', 9), ('real', 0)):
        for index in range(3):
            images.write_png(root / name / f'{index}.png', picture((20, 24 + index), noise=noise))
    return root


def test_flags_that_do_nothing_are_refused_and_numbers_are_printed_first(folders):
    full = folders / 'full'
    full.mkdir()
    (full / 'config.json').write_text(json.dumps({'format': reader.FORMAT}))
    (full / 'evaluations.jsonl').symlink_to('/dev/full')
    run = f'--workdir={full}'
    two = [f'--generated={folders / "made"}', f'--reference={folders / "real"}']
    paired, existing = [*two, '--paired'], folders / 'made' / '0.png'
    printed = run_all(
        {
            (): 'give either --workdir',
            (run, *two): '--generated does nothing with --workdir',
            (run, '--size=8,8'): '--size does nothing with --workdir',
            (run, '--paired'): '--paired does nothing with --workdir',
            (run, '--guidance=2'): 'the run keeps no worse network',
            (*two, '--guidance=0'): '--guidance does nothing with two folders',
            (*two, '--nopaired', '--guidance=2'): '--guidance does nothing with two folders',
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
            (run, '--num=12', '--extractor=pixels', '--measure=frechet'): 'No space left on device',
        }
    )
    assert 'psnr_y' in printed and 'without a border of 2 pixels' in printed
    header, *rows = (folders / 'pairs.csv').read_text().splitlines()
    assert header == 'name,psnr_y' and len(rows) == 3
    assert '12 generated against' in printed and 'frechet' in printed


FLOW = {
    'name': 'flow_matching',
    'num_steps': 1,
    'network': {'features': (4, 4), 'heads': 1},
    'early': 0.5,
    'evaluations': 2,
}


def measure(folder, data, *options):
    """Measures an untrained flow, and returns the finished process."""
    flow = untrained.write(folder, FLOW, {'image': (1, 8, 8, 1)}, data=data)
    command = [sys.executable, '-m', 'experiments.evaluate', f'--workdir={flow}', '--num=12']
    command += ['--extractor=pixels', *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_another_guidance_is_measured_and_not_recorded(tmp_path):
    for options, recorded in [(['--guidance=3'], 0), ([], 1), (['--guidance=3'], 1)]:
        done = measure(tmp_path, {'name': 'digits'}, '--measure=frechet', *options)
        assert done.returncode == 0 and '12 generated against' in done.stdout, done.stderr
        assert ('With a guidance of 3' in done.stdout) == bool(options)
        assert len(reader.read(tmp_path).evaluations) == recorded


def test_copying_is_measured_only_against_held_out_images(folders, tmp_path):
    data = {'name': 'folder', 'path': str(folders / 'real'), 'size': (8, 8)}
    done = measure(tmp_path, data, '--measure=copying_thumbnails')
    assert done.returncode == 1 and 'train with --config.data.test_fraction=0.1' in done.stderr
    assert 'generated image' not in done.stderr  # Before any long work.
