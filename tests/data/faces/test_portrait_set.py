"""From a folder of photographs to portraits: files, manifest, contact sheet, what is refused."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from imggen.data import decode
from imggen.data.faces import alignment, contact_sheet, manifest, portrait_set, portraits
from imggen.data.faces.boxes import Box
from imggen.data.faces.detectors import Face
from imggen.data.loaders import folder
from imggen.errors import UserError

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
    return portrait_set.prepare(source, output, red, portraits.Settings(**settings))


def manifest_of(output):
    return json.loads((output / manifest.JSON).read_text())


def files_beside(output):
    """What an attempt left in the folder of its output."""
    return {path.name for path in output.parent.iterdir()} - {'photographs'}


def test_portraits_keep_their_folders_and_a_name_each(source, tmp_path):
    summary = prepare(source, tmp_path / 'out', which='all')
    names = folder.scan(tmp_path / 'out' / portrait_set.FOLDER).files
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


def test_one_photograph_is_a_source_and_skipped_ones_are_listed(source, tmp_path):
    summary = prepare(source / 'a.tif', tmp_path / 'one')
    assert (summary.photographs, summary.portraits) == (1, 1)
    assert (tmp_path / 'one' / portrait_set.FOLDER / 'a_0.png').is_file()
    (source / 'above').symlink_to('..')
    summary = prepare(source, tmp_path / 'all')
    lines = (tmp_path / 'all' / 'skipped.txt').read_text().splitlines()
    assert sorted(lines) == sorted(reason for _, reason in summary.skipped)
    assert [line.split()[0].rpartition('/')[2] for line in sorted(lines)] == [
        'above',
        'broken.jpg',
        'dot.png',
        'empty.png',
    ]


def test_names_that_would_collide_get_names_of_their_own(tmp_path):
    (tmp_path / 'in').mkdir()
    for name in ('a.PNG', 'a.jpg', 'a.png', 'a_png.png', 'a_png.jpg', f'{"x" * 251}.png'):
        Image.new('RGB', (9, 9)).save(tmp_path / 'in' / name)
    summary = prepare(tmp_path / 'in', tmp_path / 'out', missing='keep')
    written = list((tmp_path / 'out' / portrait_set.FOLDER).iterdir())
    assert len(written) == summary.portraits == 5
    assert [reason.split()[-5:] for _, reason in summary.skipped] == [
        ['has', 'too', 'long', 'a', 'name']
    ]


@pytest.mark.parametrize(
    ('top', 'left', 'is_whole'),
    [(20, 30, True), (0, 30, True), (20, 73, False), (44, 30, False), (-7, 30, False)],
)
def test_a_face_that_the_edge_cuts_off_gives_no_portrait(top, left, is_whole):
    picture = np.zeros((60, 90, 3), np.uint8)
    eyes = ((top + 6.0, left + 5.0), (top + 6.0, left + 15.0))
    face = Face(Box(float(top), float(left), 20.0, 20.0), 0.9, eyes)
    taken, reason = portraits.take(picture, [face], portraits.Settings(size=(24, 18)))
    assert bool(taken) == is_whole
    assert reason == ('' if is_whole else 'shows no face that its edge does not cut off')


def test_the_largest_face_fills_a_portrait_that_is_not_stretched(source, tmp_path):
    prepare(source, tmp_path / 'out')
    portrait = decode.decode(tmp_path / 'out' / portrait_set.FOLDER / 'a_0.png')
    assert portrait.shape == (24, 18, 3)
    is_red = np.all(portrait > (200, -1, -1), axis=-1) & np.all(portrait < (256, 60, 60), axis=-1)
    # 20 of the 26.7 rows that a box of 20 columns grows to.
    assert np.all(is_red[:, 9] == ((np.arange(24) >= 3) & (np.arange(24) < 21)))


def test_the_manifest_says_where_each_portrait_comes_from(source, tmp_path):
    prepare(source, tmp_path / 'out', which='all', margin_percent=25.0)
    content = manifest_of(tmp_path / 'out')
    assert content['settings']['margin_percent'] == 25.0
    record = {line['file']: line for line in content['portraits']}['a_tif_0.png']
    assert record['source'] == 'a.tif' and record['score'] == 0.75
    assert record['box'] == {'top': 20, 'left': 30, 'height': 20, 'width': 20}
    assert record['eyes'] == [[26, 35], [26, 45]]
    assert record['portrait'] == {'top': 10, 'left': 25, 'height': 40, 'width': 30}
    facts = record['picture']
    assert (facts['width'], facts['height'], facts['format']) == (90, 60, 'TIFF')
    assert facts['camera'] == 'Box camera' and not facts['gray']
    assert record['outside'] == 0
    with Image.open(source / 'a.tif') as image:  # The place is there, but not told.
        assert image.getexif().get_ifd(0x8825)[1] == 'N'
    assert 'N' not in facts.values()
    picture = decode.decode(source / 'a.tif')
    assert facts['saturation'] == pytest.approx(np.ptp(picture, axis=-1).mean(), abs=0.01)
    with open(tmp_path / 'out' / 'manifest.csv', newline='') as file:
        lines = list(csv.DictReader(file))
    assert [line['file'] for line in lines] == [line['file'] for line in content['portraits']]
    assert lines[0]['box.top'] == '20.0' and lines[0]['picture.width'] == '90'


def test_what_gave_no_portrait_is_named_with_the_reason(source, tmp_path):
    summary = prepare(source, tmp_path / 'out')
    reasons = dict(summary.skipped)
    assert reasons['empty.png'] == f'{source}/empty.png shows no face'
    assert reasons['dot.png'].endswith('dot.png is 1 x 1 pixels, too small for a portrait')
    assert 'broken.jpg cannot be read' in reasons['broken.jpg']
    skipped = manifest_of(tmp_path / 'out')['skipped']
    assert {line['source'] for line in skipped} == {'empty.png', 'dot.png', 'broken.jpg'}


def test_facts_about_photographs_without_a_portrait_are_told_where_they_can_be_read(
    source, tmp_path
):
    prepare(source, tmp_path / 'out')
    facts = {line['source']: line['picture'] for line in manifest_of(tmp_path / 'out')['skipped']}
    assert facts['broken.jpg'] is None
    assert (facts['empty.png']['width'], facts['empty.png']['height']) == (50, 40)
    assert facts['empty.png']['format'] == 'PNG' and facts['dot.png']['sharpness'] == 0


def test_a_photograph_that_is_kept_whole_loses_nothing():
    picture = np.full((50, 200, 3), 100, np.uint8)
    picture[:, :40] = picture[:, 160:] = 255
    picture[:5] = picture[45:] = 0
    settings = portraits.Settings(size=(96, 72), missing='keep')
    (kept,), reason = portraits.take(picture, [], settings)
    assert reason == '' and kept.face is None and kept.picture.shape == (96, 72, 3)
    # 200 columns become 72, so 50 rows become 18, the 39 above and below repeat the edge.
    middle = kept.picture[48, :, 0]
    assert np.all(middle[:14] > 240) and np.all(middle[-14:] > 240)
    assert np.all(middle[16:56] < 110)
    assert np.all(kept.picture[:40] < 20) and np.all(kept.picture[-40:] < 20)
    assert kept.box == pytest.approx((25 - 400 / 3, 0, 800 / 3, 200))
    assert kept.outside == pytest.approx(1 - 50 / (800 / 3))
    (upright,), _ = portraits.take(picture.swapaxes(0, 1), [], settings)
    assert np.all(upright.picture[:18, 36] > 240) and np.all(upright.picture[-18:, 36] > 240)
    # Padded at its own scale this one would fill 7 GB.
    (panorama,), _ = portraits.take(np.zeros((2, 60000, 1), np.uint8), [], settings)
    assert panorama.picture.shape == (96, 72, 1)


def test_photographs_without_a_face_are_kept_or_refused_when_asked(source, tmp_path):
    kept = prepare(source, tmp_path / 'kept', missing='keep')
    assert {file for file, _ in kept.skipped} == {'dot.png', 'broken.jpg'}
    whole = decode.decode(tmp_path / 'kept' / portrait_set.FOLDER / 'empty_0.png')
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
        decode.decode(tmp_path / 'out' / portrait_set.FOLDER / name)
        for name in ('a_0.png', 'deep/b_0.png')
    )
    tops = [np.flatnonzero(portrait[:, 20, 0] > 200).min() for portrait in (first, second)]
    assert tops[0] == tops[1]
    # Ten pixels between the eyes become 0.3 of 36, so each becomes 1.08.
    assert tops[0] == pytest.approx(0.42 * 48 - 6 * 1.08, abs=1)


def test_what_an_aligned_portrait_shows_of_outside_the_photograph_is_told():
    # Eyes that lie where they shall come to, but for a shift of the whole picture.
    size = (48, 40)
    (row, left), (_, right) = alignment.eye_places(size)
    picture = np.zeros((*size, 3), np.uint8)

    def outside(eyes):
        face = Face(Box(10.0, 10.0, 20.0, 20.0), 1.0, eyes)
        settings = portraits.Settings(size=size, align=True)
        (portrait,), _ = portraits.take(picture, [face], settings)
        return portrait.facts()['outside']

    assert outside(((row, left), (row, right))) == 0
    assert outside(((row - 12, left), (row - 12, right))) == pytest.approx(12 / 48, abs=0.001)
    assert outside(((row, left + 10), (row, right + 10))) == pytest.approx(10 / 40, abs=0.001)
    # Half as far apart, the portrait is half the picture in each direction.
    middle = (left + right) / 2
    near = ((row, (left + middle) / 2), (row, (right + middle) / 2))
    assert outside(near) == 0
    # Twice as far: the picture fills a quarter.
    assert outside(((row, 2 * left - middle), (row, 2 * right - middle))) == pytest.approx(
        0.75, abs=0.03
    )


def test_the_contact_sheet_shows_boxes_that_reach_beyond_it():
    mark = contact_sheet.Mark(Box(-300.0, -1.0, 700.0, 210.0), (9, 8, 7))
    tile = contact_sheet.tile(np.zeros((50, 200, 3), np.uint8), [mark], caption='a', side=200)
    drawn = np.all(tile == (9, 8, 7), axis=-1)
    assert drawn[:200, :2].all() and drawn[:200, 198:].all() and drawn[:2].all()
    assert not drawn[200:].any() and not drawn[2:198, 2:198].any()


def test_the_contact_sheet_draws_every_face(source, tmp_path):
    prepare(source, tmp_path / 'out')
    sheet = decode.decode(tmp_path / 'out' / 'contact_000.png')
    colors = {tuple(color) for color in sheet.reshape(-1, 3)}
    assert {(40, 220, 60), (255, 150, 0), (255, 255, 255)} <= colors


def test_many_photographs_fill_several_sheets(tmp_path, monkeypatch):
    monkeypatch.setattr(portrait_set, '_PER_SHEET', 4)
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / '00.png').write_bytes(b'no picture')
    for number in range(1, 10):
        Image.new('RGB', (8, 8)).save(tmp_path / 'in' / f'{number:02}.png')
    prepare(tmp_path / 'in', tmp_path / 'out', missing='keep')
    sheets = sorted(path.name for path in (tmp_path / 'out').glob('contact_*.png'))
    assert sheets == ['contact_000.png', 'contact_001.png', 'contact_002.png']


def test_folders_that_would_be_mixed_up_are_refused(source, tmp_path):
    prepare(source, tmp_path / 'out')
    with pytest.raises(UserError, match='out exists and is not empty; choose another folder'):
        prepare(source, tmp_path / 'out')
    with pytest.raises(UserError, match='whose pictures are read; choose another'):
        prepare(source, source / 'out')
    (tmp_path / 'nothing').mkdir()
    with pytest.raises(UserError, match='holds no pictures'):
        prepare(tmp_path / 'nothing', tmp_path / 'other')
    prepare(source, tmp_path / 'nothing')  # What is empty can be filled.
    assert (tmp_path / 'nothing' / manifest.JSON).exists()
    with pytest.raises(UserError, match=r'photograph\.png exists and is not empty'):
        (tmp_path / 'photograph.png').write_bytes(b'')
        prepare(source, tmp_path / 'photograph.png')
    with pytest.raises(UserError, match=r'cannot be made \(not a directory\)'):
        prepare(source, tmp_path / 'photograph.png' / 'out')


def test_a_run_that_ends_early_leaves_nothing_to_be_mixed_with(source, tmp_path):
    with pytest.raises(UserError, match=r'broken\.jpg cannot be read .*--missing=skip'):
        prepare(source, tmp_path / 'out', missing='refuse')
    assert files_beside(tmp_path / 'out') == set()

    def interrupt(done, total, file):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        portrait_set.prepare(
            source, tmp_path / 'out', red, portraits.Settings(size=(24, 18)), advance=interrupt
        )
    assert files_beside(tmp_path / 'out') == set()


def test_what_a_killed_run_left_is_replaced_by_the_next(source, tmp_path):
    left = tmp_path / '.out.partial' / portrait_set.FOLDER
    left.mkdir(parents=True)
    Image.new('RGB', (99, 99)).save(left / 'old_0.png')
    (left.parent / 'contact_007.png').write_bytes(b'')
    prepare(source, tmp_path / 'out')
    assert not left.parent.exists()
    assert not (tmp_path / 'out' / 'contact_007.png').exists()
    names = folder.scan(tmp_path / 'out' / portrait_set.FOLDER).files
    assert names == ('a_0.png', 'a_tif_0.png', 'deep/b_0.png')


def test_no_portrait_at_all_is_an_error_after_which_one_can_try_again(source, tmp_path):
    with pytest.raises(UserError, match=r'first: .*/a\.png shows no face\); choose another --det'):
        portrait_set.prepare(
            source, tmp_path / 'out', lambda picture: [], portraits.Settings(size=(24, 18))
        )
    assert files_beside(tmp_path / 'out') == set()
    assert prepare(source, tmp_path / 'out').portraits == 3
    (tmp_path / 'bad').mkdir()
    (tmp_path / 'bad' / 'a.png').write_bytes(b'no picture')
    with pytest.raises(UserError, match=r'a\.png cannot be read .*; name a folder of other'):
        prepare(tmp_path / 'bad', tmp_path / 'more')
