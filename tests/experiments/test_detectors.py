"""The table of detectors: a row for each evaluator and for each network."""

import subprocess
import sys

from configs import evaluator_cnn, evaluator_dcgan
from imggen.training import train


def detectors(*options):
    command = [sys.executable, '-m', 'experiments.studies.detectors', *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_row_for_each_run_and_each_extractor(tmp_path):
    train.train(evaluator_cnn.get_config('smoke,data=digits').to_dict(), tmp_path / 'cnn')
    done = detectors(tmp_path / 'cnn', '--extractors=pixels', '--num=50', '--training=200')
    assert done.returncode == 0, done.stderr
    header, _, *rows = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in done.stdout.splitlines()
    ]
    assert header == ['detector', 'noise', 'shapes', 'shuffled patches', 'another set']
    assert [row[0] for row in rows] == [str(tmp_path / 'cnn'), 'nearest in pixels']
    values = [[float(cell) for cell in row[1:]] for row in rows]
    assert all(0 <= value <= 1 for row in values for value in row)
    assert min(values[1]) > 0.7


def test_what_cannot_be_measured_is_told_before_any_work(tmp_path):
    assert 'name one or more runs' in detectors().stderr
    train.train(evaluator_dcgan.get_config('smoke,data=digits').to_dict(), tmp_path / 'gan')
    done = detectors(tmp_path / 'gan', '--extractors=nothing')
    assert done.returncode == 1 and "no extractor 'nothing'" in done.stderr
    done = detectors(tmp_path / 'gan')
    assert done.returncode == 1 and "'gan' has no evaluator" in done.stderr
