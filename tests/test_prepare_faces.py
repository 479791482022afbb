"""From photographs to portraits: files, manifest, contact sheet, and bad photographs."""

import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks import face_detectors
from imggen.data import decode, folder, portraits
from imggen.data.boxes import Box
from imggen.data.faces import Face
from imggen.errors import UserError

ROOT = pathlib.Path(__file__).parent.parent
RNG = np.random.default_rng(0)


@pytest.fixture
def source(tmp_path):
    """A landscape whose red square is the face, the same as png in a folder, and bad files."""
    source = tmp_path / 'photographs'
    (source / 'deep').mkdir(parents=True)
    picture = RNG.integers(0, 100, (60, 90, 3), dtype=np.uint8)
    picture[20:40, 30:50] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0110] = 'Box camera'
    exif[0x8825] = {1: 'N'}  # A place.
    Image.fromarray(picture).save(source / 'a.tif', exif=exif.tobytes())
    Image.fromarray(picture).save(source / 'a.png')
    Image.fromarray(picture[:, ::-1].copy()).save(source / 'deep' / 'b.png')
    Image.new('RGB', (50, 40)).save(source / 'empty.png')
    Image.new('RGB', (1, 1)).save(source / 'dot.png')
    (source / 'broken.jpg').write_bytes(b'no picture')
    return source


def red(picture):
    """Finds the red square; a picture with two halves of one has two faces."""
    rows, columns = np.nonzero(np.all(picture == (255, 0, 0), axis=-1))
    if not len(rows):
        return []
    box = Box(rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1)
    box = Box(*map(float, box))
    eyes = ((box.top + 6, box.left + 5), (box.top + 6, box.left + 15))
    small = Face(Box(box.top, box.left, 5.0, 5.0), 0.25, ())
    return [Face(box, 0.75, eyes), small]


def prepare(source, output, **settings):
    settings = {'size': (24, 18), 'margin_percent': 0.0, **settings}
    return portraits.prepare(source, output, red, portraits.Settings(**settings))


def test_portraits_keep_their_folders_and_a_name_each(source, tmp_path):
    summary = prepare(source, tmp_path / 'out', which='all')
    names = folder.scan(tmp_path / 'out' / portraits.FOLDER).files
    assert names == (
        'a_0.png',
        'a_1.png',
        'a_tif_0.png',
        'a_tif_1.png',
        'deep/b_0.png',
        'deep/b_1.png',
    )
    assert (summary.photographs, summary.portraits) == (6, 6)
    assert len(folder.scan(tmp_path / 'out').files) == len(names) + 1  # And one contact sheet.


def test_the_largest_face_fills_a_portrait_that_is_not_stretched(source, tmp_path):
    prepare(source, tmp_path / 'out')
    portrait = decode.decode(tmp_path / 'out' / portraits.FOLDER / 'a_0.png')
    assert portrait.shape == (24, 18, 3)
    is_red = np.all(portrait > (200, -1, -1), axis=-1) & np.all(portrait < (256, 60, 60), axis=-1)
    # 20 of the 26.7 rows that a box of 20 columns grows to.
    assert np.all(is_red[:, 9] == ((np.arange(24) >= 3) & (np.arange(24) < 21)))


def test_the_manifest_says_where_each_portrait_comes_from(source, tmp_path):
    prepare(source, tmp_path / 'out', which='all', margin_percent=25.0)
    manifest = json.loads((tmp_path / 'out' / portraits.MANIFEST).read_text())
    assert manifest['settings']['margin_percent'] == 25.0
    record = {line['file']: line for line in manifest['portraits']}['a_tif_0.png']
    assert record['source'] == 'a.tif' and record['score'] == 0.75
    assert record['box'] == {'top': 20, 'left': 30, 'height': 20, 'width': 20}
    assert record['eyes'] == [[26, 35], [26, 45]]
    assert record['portrait'] == {'top': 10, 'left': 25, 'height': 40, 'width': 30}
    facts = record['picture']
    assert (facts['width'], facts['height'], facts['format']) == (90, 60, 'TIFF')
    assert facts['camera'] == 'Box camera' and not facts['grey']
    assert record['outside'] == 0
    with Image.open(source / 'a.tif') as image:  # The place is there, but not told.
        assert image.getexif().get_ifd(0x8825)[1] == 'N'
    assert 'N' not in facts.values()
    picture = decode.decode(source / 'a.tif')
    assert facts['saturation'] == pytest.approx(np.ptp(picture, axis=-1).mean(), abs=0.01)
    with open(tmp_path / 'out' / 'manifest.csv', newline='') as file:
        lines = list(csv.DictReader(file))
    assert [line['file'] for line in lines] == [line['file'] for line in manifest['portraits']]
    assert lines[0]['box.top'] == '20.0' and lines[0]['picture.width'] == '90'


def test_what_gave_no_portrait_is_named_with_the_reason(source, tmp_path):
    summary = prepare(source, tmp_path / 'out')
    reasons = dict(summary.skipped)
    assert reasons['empty.png'] == f'{source}/empty.png shows no face'
    assert reasons['dot.png'].endswith('dot.png is 1 x 1 pixels, too small for a portrait')
    assert 'broken.jpg cannot be read' in reasons['broken.jpg']
    skipped = json.loads((tmp_path / 'out' / portraits.MANIFEST).read_text())['skipped']
    assert {line['source'] for line in skipped} == {'empty.png', 'dot.png', 'broken.jpg'}


def test_photographs_without_a_face_are_kept_or_refused_when_asked(source, tmp_path):
    kept = prepare(source, tmp_path / 'kept', missing='keep')
    assert {file for file, _ in kept.skipped} == {'dot.png', 'broken.jpg'}
    whole = decode.decode(tmp_path / 'kept' / portraits.FOLDER / 'empty_0.png')
    assert whole.shape == (24, 18, 3)
    with pytest.raises(UserError, match=r'broken\.jpg cannot be read .*; remove it'):
        prepare(source, tmp_path / 'refused', missing='refuse')


def test_faces_without_eyes_are_left_out_when_asked(source, tmp_path):
    summary = prepare(source, tmp_path / 'out', which='all', min_eyes=1)
    assert summary.portraits == 3
    only_small = portraits.take(
        decode.decode(source / 'a.png'),
        red(decode.decode(source / 'a.png'))[1:],
        portraits.Settings(min_eyes=2),
    )
    assert only_small == ([], 'shows no face with 2 eyes')


def test_aligned_eyes_lie_at_one_place_in_all(source, tmp_path):
    prepare(source, tmp_path / 'out', align=True, size=(48, 40))
    first, second = (
        decode.decode(tmp_path / 'out' / portraits.FOLDER / name)
        for name in ('a_0.png', 'deep/b_0.png')
    )
    tops = [np.flatnonzero(portrait[:, 20, 0] > 200).min() for portrait in (first, second)]
    assert tops[0] == tops[1]
    # Ten pixels between the eyes become 0.3 of 36, so each becomes 1.08.
    assert tops[0] == pytest.approx(0.42 * 48 - 6 * 1.08, abs=1)


def test_the_contact_sheet_draws_every_face(source, tmp_path):
    prepare(source, tmp_path / 'out')
    sheet = decode.decode(tmp_path / 'out' / 'contact_000.png')
    colours = {tuple(colour) for colour in sheet.reshape(-1, 3)}
    assert {(40, 220, 60), (255, 150, 0), (255, 255, 255)} <= colours


def test_many_photographs_fill_several_sheets(tmp_path, monkeypatch):
    monkeypatch.setattr(portraits, '_PER_SHEET', 4)
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / '00.png').write_bytes(b'no picture')
    for number in range(1, 10):
        Image.new('RGB', (8, 8)).save(tmp_path / 'in' / f'{number:02}.png')
    prepare(tmp_path / 'in', tmp_path / 'out')
    sheets = sorted(path.name for path in (tmp_path / 'out').glob('contact_*.png'))
    assert sheets == ['contact_000.png', 'contact_001.png', 'contact_002.png']


def test_folders_that_would_be_mixed_up_are_refused(source, tmp_path):
    prepare(source, tmp_path / 'out')
    with pytest.raises(UserError, match='holds portraits already'):
        prepare(source, tmp_path / 'out')
    with pytest.raises(UserError, match='whose pictures are read; choose another'):
        prepare(source, source / 'out')
    (tmp_path / 'nothing').mkdir()
    with pytest.raises(UserError, match='holds no pictures'):
        prepare(tmp_path / 'nothing', tmp_path / 'other')


def command(*arguments):
    return subprocess.run(
        [sys.executable, '-m', 'experiments.prepare_faces', *arguments],
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
        f'--source={tmp_path}/in', f'--output={tmp_path}/out', '--size=64,48', '--filters'
    )
    assert done.returncode == 0, done.stderr
    assert f'skipped: {tmp_path}/in/black.png shows no face' in done.stdout
    assert '1 portraits of 2 photographs' in done.stdout
    assert '2/2' in done.stderr  # Progress.
    portrait = decode.decode(tmp_path / 'out' / portraits.FOLDER / 'astronaut_0.png')
    assert portrait.shape == (64, 48, 3)
    manifest = json.loads((tmp_path / 'out' / portraits.MANIFEST).read_text())
    assert manifest['settings']['detector'] == 'haar'
    assert (tmp_path / 'out' / 'contact_filters.png').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--source=/nowhere', '--output=out'), 'error: /nowhere is not a folder'),
        (('--source=in', '--output=out', '--size=64'), 'error: --size=64 is no height,width'),
    ],
)
def test_a_wrong_command_ends_with_one_sentence(arguments, message):
    done = command(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(message) and 'Traceback' not in done.stderr


def test_detections_are_matched_with_the_truth_once_each():
    truth = [Box(0, 0, 10, 10), Box(0, 20, 10, 10), Box(0, 40, 10, 10)]
    detections = [Box(0, 1, 10, 10), Box(1, 0, 10, 10), Box(0, 22, 10, 10), Box(50, 50, 9, 9)]
    assert face_detectors.count(detections, truth) == (2, 2, 1)
    assert face_detectors.count([], truth) == (0, 0, 3)
