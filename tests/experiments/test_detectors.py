"""The table of detectors: a row for each evaluator and for each network."""

import subprocess
import sys

from configs import evaluator_cnn, evaluator_dcgan
from imggen.training import train


def detectors(*options):
    command = [sys.executable, '-m', 'experiments.studies.detectors', *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_row_for_each_run_and_each_extractor(tmp_path):
    config = evaluator_cnn.get_config('smoke,data=digits')
    runs = [tmp_path / f'cnn{seed}' for seed in range(2)]
    for config.seed, run in enumerate(runs):
        train.train(config.to_dict(), run)
    done = detectors(*runs, '--extractors=pixels', '--num=50', '--training=200')
    assert done.returncode == 0, done.stderr
    said, _, *lines = done.stdout.splitlines()
    assert said.startswith('50 held-out images of digits') and 'nearest of 200 training' in said
    header, _, *rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert header == ['detector', 'noise', 'shapes', 'shuffled patches', 'another set']
    assert [row[0] for row in rows] == [str(runs[0]), 'nearest in pixels']
    assert all('±' in cell and cell.endswith('(2)') for cell in rows[0][1:])
    values = [[float(cell.split()[0]) for cell in row[1:]] for row in rows]
    assert all(0 <= value <= 1 for row in values for value in row)
    assert min(values[1]) > 0.7
    config.data.class_names = ('0', '1')
    train.train(config.to_dict(), tmp_path / 'other')
    done = detectors(runs[0], tmp_path / 'other')
    assert done.returncode == 1 and f'other has other data than {runs[0]}' in done.stderr


def test_what_cannot_be_measured_is_told_before_any_work(tmp_path):
    assert 'name one or more runs' in detectors().stderr
    train.train(evaluator_dcgan.get_config('smoke,data=digits').to_dict(), tmp_path / 'gan')
    done = detectors(tmp_path / 'gan', '--extractors=nothing')
    assert done.returncode == 1 and "no extractor 'nothing'" in done.stderr
    done = detectors(tmp_path / 'gan')
    assert done.returncode == 1 and "'gan' has no evaluator" in done.stderr
