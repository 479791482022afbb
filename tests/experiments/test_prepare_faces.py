"""The command that cuts faces out of photographs, on a real face and with wrong options."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks import face_detectors
from imggen.data import decode
from imggen.data.faces import manifest, portrait_set
from imggen.data.faces.boxes import Box

ROOT = pathlib.Path(__file__).parents[2]


def manifest_of(output):
    return json.loads((output / manifest.JSON).read_text())


def command(*arguments):
    return subprocess.run(
        [sys.executable, '-m', 'experiments.prepare', 'faces', *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_finds_a_real_face(tmp_path):
    skimage = pytest.importorskip('skimage')
    (tmp_path / 'in').mkdir()
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / 'in' / 'astronaut.png')
    Image.new('RGB', (64, 64)).save(tmp_path / 'in' / 'black.png')
    done = command(
        f'--source={tmp_path}/in', f'--output={tmp_path}/out', '--size=48x64', '--filters'
    )
    assert done.returncode == 0, done.stderr
    assert f'skipped: {tmp_path}/in/black.png shows no face' in done.stdout
    assert '1 portraits of 2 photographs' in done.stdout
    assert '2/2' in done.stderr  # Progress.
    portrait = decode.decode(tmp_path / 'out' / portrait_set.FOLDER / 'astronaut_0.png')
    assert portrait.shape == (64, 48, 3)
    content = manifest_of(tmp_path / 'out')
    assert content['settings']['detector'] == 'haar'
    assert (tmp_path / 'out' / 'contact_filters.png').exists()


def test_names_that_are_no_text_are_kept_as_they_are(tmp_path):
    skimage = pytest.importorskip('skimage')
    (tmp_path / 'in').mkdir()
    Image.new('RGB', (64, 64)).save(tmp_path / 'in' / os.fsdecode(b'black\xff.png'))
    astronaut = Image.fromarray(skimage.data.astronaut())
    astronaut.save(tmp_path / 'in' / os.fsdecode(b'one\xff, two.png'))
    done = command(f'--source={tmp_path}/in', f'--output={tmp_path}/out', '--size=64,48')
    assert done.returncode == 0, done.stderr
    assert r'black\udcff.png shows no face' in done.stdout
    name = os.fsdecode(b'one\xff, two_0.png')
    assert (tmp_path / 'out' / portrait_set.FOLDER / name).exists()
    assert manifest_of(tmp_path / 'out')['portraits'][0]['file'] == name
    lines = (tmp_path / 'out' / manifest.CSV).read_bytes().splitlines()
    assert lines[1].startswith(b'"one\xff, two_0.png","one\xff, two.png",')


def test_haar_takes_only_what_shows_an_eye_unless_told_otherwise(tmp_path):
    skimage = pytest.importorskip('skimage')
    # So small that the cascade for eyes finds none.
    small = decode.resize(skimage.data.astronaut(), (150, 150))
    (tmp_path / 'in').mkdir()
    sheet = np.pad(small, ((0, 150), (0, 150), (0, 0)), constant_values=128)
    Image.fromarray(sheet).save(tmp_path / 'in' / 'a.png')
    common = (f'--source={tmp_path}/in', f'--output={tmp_path}/out', '--size=64,48')
    done = command(*common, '--min_side=24')
    assert done.returncode == 1
    assert 'a.png shows no face with 1 eye); choose another --detector' in done.stderr
    done = command(*common, '--min_side=24', '--min_eyes=0')
    assert done.returncode == 0, done.stderr
    assert manifest_of(tmp_path / 'out')['settings']['min_eyes'] == 0


def test_small_faces_in_a_large_photograph_take_a_larger_max_side(tmp_path):
    skimage = pytest.importorskip('skimage')
    (tmp_path / 'in').mkdir()
    left = skimage.data.astronaut()
    sheet = np.pad(left, ((0, 0), (0, 3000 - 512), (0, 0)), constant_values=128)
    Image.fromarray(sheet).save(tmp_path / 'in' / 'a.png')
    common = (f'--source={tmp_path}/in', '--size=64,48')
    done = command(*common, f'--output={tmp_path}/small', '--missing=keep', '--max_side=600')
    assert done.returncode == 0, done.stderr
    assert 'note: the longest photograph has 3000 pixels' in done.stdout
    assert 'faces below 120 pixels are not found; --max_side=1500 also finds' in done.stdout
    (record,) = manifest_of(tmp_path / 'small')['portraits']
    assert record['box'] is None
    done = command(*common, f'--output={tmp_path}/large', '--max_side=1500')
    assert done.returncode == 0, done.stderr
    assert 'note:' not in done.stdout
    content = manifest_of(tmp_path / 'large')
    assert content['portraits'][0]['box'] and content['settings']['max_side'] == 1500


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--source=/nowhere', '--output=out'), '/nowhere is not a folder; set --source to one'),
        (('--source=in', '--output=out', '--size=64'), '--size=64 is not height,width: give two'),
        (
            ('--source=in', '--output=out', '--min_score=0.9', '--yunet_model=/nope'),
            '--yunet_model is an option of --detector=yunet; choose that or leave it out',
        ),
        (
            ('--source=in', '--output=out', '--min_score=0.9'),
            '--min_score is an option of --detector=yunet; choose that or leave it out',
        ),
        (
            ('--source=in', '--output=out', '--detector=yunet', '--cascades=/nope'),
            '--cascades is an option of --detector=haar; choose that or leave it out',
        ),
        (
            ('--source=in', '--output=out', '--align', '--margin=20'),
            '--margin has no effect with --align; leave one of them out',
        ),
        (
            ('--source=in', '--output=out', '--min_side=20'),
            '--min_side=20 is less than haar can find; set it to 24 or more',
        ),
    ],
)
def test_a_wrong_command_ends_with_one_sentence(arguments, message):
    done = command(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f'error: {message}') and done.stderr.count('\n') == 1


def test_detections_are_matched_with_the_truth_once_each():
    truth = [Box(0, 0, 10, 10), Box(0, 20, 10, 10), Box(0, 40, 10, 10)]
    detections = [Box(0, 1, 10, 10), Box(1, 0, 10, 10), Box(0, 22, 10, 10), Box(50, 50, 9, 9)]
    assert face_detectors.count(detections, truth) == (2, 2, 1)
    assert face_detectors.count([], truth) == (0, 0, 3)
