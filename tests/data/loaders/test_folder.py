"""A folder of pictures: what is found, skipped, cached, held out and refused."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import time

import numpy as np
import pytest
from PIL import Image

from imggen.data.loaders import folder, folder_cache
from imggen.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'imggen' / 'folders'


@pytest.fixture
def root(tmp_path):
    """Six color pictures of one value each: cats 10, 20, 30 and dogs 110, 120, 130."""
    root = tmp_path / 'pictures'
    for kind, first in (('cats', 10), ('dogs', 110)):
        (root / kind / 'more').mkdir(parents=True)
        for number in range(3):
            path = root / kind / ('more' if number == 2 else '') / f'{number}.PNG'
            value = first + 10 * number
            Image.new('RGB', (20, 10), (value, value, 0)).save(path)
    return root


def first_values(dataset):
    return dataset.read(slice(None))['image'][:, 0, 0, 0].tolist()


def test_reads_the_tree_in_the_order_of_its_names(root):
    dataset = folder.load(path=str(root), size=(5, 8))
    assert dataset.shape == (6, 5, 8, 3)
    assert first_values(dataset) == [10, 20, 30, 110, 120, 130]
    assert 'label' not in dataset.read(slice(None)) and dataset.class_names == ()
    rows = dataset.read(np.array([4, 0, 4]))['image']
    np.testing.assert_array_equal(rows[:, 0, 0, 0], [120, 10, 120])


def test_sub_folders_are_classes_when_asked(root):
    dataset = folder.load(path=str(root), size=(4, 4), labels='folders')
    assert dataset.class_names == ('cats', 'dogs')
    assert dataset.class_counts == (3, 3)
    assert dataset.read(slice(None))['label'].tolist() == [0, 0, 0, 1, 1, 1]


def test_pictures_beside_the_sub_folders_are_skipped_and_listed(root, caplog):
    Image.new('L', (9, 9)).save(root / 'stray.png')
    with caplog.at_level('WARNING', logger='absl'):
        dataset = folder.load(path=str(root), size=(4, 4), labels='folders')
    assert dataset.class_names == ('cats', 'dogs') and dataset.shape[0] == 6
    assert 'stray.png is in no sub-folder' in caplog.text
    with pytest.raises(UserError, match=r'2\.PNG is in no sub-folder, nor is another picture'):
        folder.load(path=str(root / 'cats' / 'more'), size=(4, 4), labels='folders')


def test_a_class_without_a_training_picture_is_named(tmp_path, caplog):
    for number in range(20):
        (tmp_path / f'{number:02}').mkdir()
        Image.new('L', (4, 4)).save(tmp_path / f'{number:02}' / 'one.png')
    options = {'path': str(tmp_path), 'size': (4, 4), 'labels': 'folders', 'test_fraction': 0.5}
    with caplog.at_level('WARNING', logger='absl'):
        dataset = folder.load(**options)
    empty = dataset.class_counts.index(0)
    held_out = folder.load(**options, split='test')
    number = held_out.shape[0]
    assert f'{tmp_path}: all pictures of {number} of the 20 classes are held out' in caplog.text
    assert f'the first of these classes is {empty:02}' in caplog.text
    assert f'4 x 4 x 1, {number} held out, from 20 files' in dataset.description
    assert 'held out' not in held_out.description


def test_hidden_broken_and_other_files_are_passed_over_and_reported(root, caplog):
    (root / 'cats' / 'broken.jpg').write_bytes(b'\xff\xd8\xff\xe0 not a picture')
    (root / 'cats' / 'notes.txt').write_text('no picture')
    (root / '.thumbnails').mkdir()
    for hidden in (root / '.thumbnails' / 'a.png', root / '.a.png'):
        shutil.copy(root / 'cats' / '0.PNG', hidden)
    os.symlink('nowhere.png', root / 'dangling.png')
    os.mkfifo(root / 'pipe.png')
    with caplog.at_level('WARNING', logger='absl'):
        dataset = folder.load(path=str(root), size=(4, 4))
    assert first_values(dataset) == [10, 20, 30, 110, 120, 130]
    assert '9 files, 3 unreadable, 1 other file' in dataset.description
    skipped = [record.getMessage() for record in caplog.records]
    for line, name in zip(skipped, ('cats/broken.jpg', 'dangling.png', 'pipe.png'), strict=True):
        assert line.startswith(f'skipped: {root / name} cannot be read')
    assert [f'skipped: {reason}' for reason in dataset.skipped] == skipped
    # The list is kept with the cache: a second start reports the same.
    assert folder.load(path=str(root), size=(4, 4)).description == dataset.description


def test_gray_folders_have_one_channel_unless_told_otherwise(root, tmp_path):
    gray = tmp_path / 'gray'
    gray.mkdir()
    Image.new('L', (6, 6), 40).save(gray / 'a.png')
    Image.new('RGB', (6, 6), (90, 90, 90)).save(gray / 'b.png')
    dataset = folder.load(path=str(gray), size=(4, 4))
    assert dataset.shape == (2, 4, 4, 1) and first_values(dataset) == [40, 90]
    assert folder.load(path=str(gray), size=(4, 4), channels=3).shape == (2, 4, 4, 3)
    assert folder.load(path=str(root), size=(4, 4), channels=1).shape == (6, 4, 4, 1)


def test_tiles_belong_to_the_file_they_come_from(root):
    dataset = folder.load(path=str(root), size=(5, 5), fit='tiles', labels='folders')
    assert dataset.shape == (6 * 8, 5, 5, 3)
    assert first_values(dataset) == np.repeat([10, 20, 30, 110, 120, 130], 8).tolist()
    assert dataset.read(slice(None))['label'].tolist() == [0] * 24 + [1] * 24


def test_the_splits_part_the_files_by_name_alone(tmp_path):
    root = tmp_path / 'many'
    root.mkdir()
    for number in range(200):
        Image.new('L', (2, 2), number).save(root / f'{number:03}.png')
    options = {'path': str(root), 'size': (2, 2), 'test_fraction': 0.25}
    train, test = (first_values(folder.load(**options, split=split)) for split in ('train', 'test'))
    assert sorted(train + test) == list(range(200))
    assert 30 < len(test) < 70
    for number in range(0, 200, 2):  # What is left keeps its side.
        (root / f'{number:03}.png').unlink()
    assert first_values(folder.load(**options, split='test')) == [n for n in test if n % 2]
    with pytest.raises(UserError, match=r'no pictures for the split .test.'):
        folder.load(path=str(root), size=(2, 2), split='test')


def test_pictures_are_decoded_once(root, cache, monkeypatch):
    before = folder.load(path=str(root), size=(4, 4)).read(slice(None))
    (entry,) = cache.iterdir()
    written = (entry / 'images.npy').stat().st_mtime_ns
    monkeypatch.setattr(folder_cache, '_decode', None)  # Decoding again would fail.
    after = folder.load(path=str(root), size=(4, 4)).read(slice(None))
    np.testing.assert_array_equal(before['image'], after['image'])
    assert (entry / 'images.npy').stat().st_mtime_ns == written
    np.testing.assert_array_equal(np.load(entry / 'images.npy'), after['image'])


def test_the_decoding_of_many_files_shows_progress(root, monkeypatch, capsys):
    folder.load(path=str(root), size=(4, 4))
    assert not capsys.readouterr().err
    monkeypatch.setattr(folder_cache, '_MANY', 2)
    folder.load(path=str(root), size=(5, 5))
    assert re.fullmatch(r'file (\d+)/\1, 0:00 left\n', capsys.readouterr().err)


def test_the_cache_notices_changed_added_and_removed_files(root):
    options = {'path': str(root), 'size': (4, 4)}
    folder.load(**options)
    path = root / 'cats' / '0.PNG'
    status = path.stat()
    Image.new('RGB', (20, 10), (11, 12, 0)).save(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert first_values(folder.load(**options))[0] == 11
    (root / 'cats' / '1.PNG').unlink()
    Image.new('RGB', (20, 10), (99, 0, 0)).save(root / 'a.png')
    assert first_values(folder.load(**options)) == [99, 11, 30, 110, 120, 130]
    assert folder.load(**{**options, 'size': (3, 3)}).shape[1:3] == (3, 3)


def test_another_folder_of_equal_names_sizes_and_times_is_another_entry(tmp_path):
    black, white = tmp_path / 'black', tmp_path / 'white'
    for place, level in ((black, 0), (white, 255)):
        place.mkdir()
        Image.new('RGB', (4, 4), (level,) * 3).save(place / 'a.bmp')
        os.utime(place / 'a.bmp', ns=(1, 1))
    assert first_values(folder.load(path=str(black), size=(4, 4))) == [0]
    assert first_values(folder.load(path=str(white), size=(4, 4))) == [255]
    # In the same place, too.
    os.replace(white / 'a.bmp', black / 'a.bmp')
    assert first_values(folder.load(path=str(black), size=(4, 4))) == [255]


def test_links_to_folders_are_named(root):
    (root / 'up').symlink_to('..')
    dataset = folder.load(path=str(root), size=(4, 4))
    assert dataset.shape[0] == 6 and dataset.skipped == (f'{root}/up is a link to a folder',)


@contextlib.contextmanager
def another_user():
    """Runs as nobody, if this process is root."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_second_user_reads_a_shared_cache_and_is_told_where_that_is_impossible(monkeypatch):
    if os.geteuid():
        pytest.skip('only root can become another user')
    with tempfile.TemporaryDirectory() as shared:
        top = pathlib.Path(shared)
        top.chmod(0o755)
        monkeypatch.setenv('XDG_CACHE_HOME', shared)
        (top / 'pictures').mkdir()
        Image.new('RGB', (4, 4), (7, 7, 9)).save(top / 'pictures' / 'a.png')
        options = {'path': str(top / 'pictures'), 'size': (4, 4)}
        folder.load(**options)
        with another_user():
            assert first_values(folder.load(**options)) == [7]
            with pytest.raises(UserError, match=r'folders cannot be used .*; set XDG_CACHE_HOME'):
                folder.load(**{**options, 'size': (3, 3)})
        (entry,) = (top / 'imggen' / 'folders').iterdir()
        entry.chmod(0o700)
        with another_user(), pytest.raises(UserError, match='set XDG_CACHE_HOME'):
            folder.load(**options)


@pytest.mark.parametrize('name', ['images.npy', 'index.json'])
@pytest.mark.parametrize(
    'damage',
    [
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(b''),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
    ],
)
def test_a_damaged_cache_is_made_again(root, cache, name, damage):
    folder.load(path=str(root), size=(4, 4))
    (entry,) = cache.iterdir()
    damage(entry / name)
    assert first_values(folder.load(path=str(root), size=(4, 4))) == [10, 20, 30, 110, 120, 130]
    assert [path.name for path in cache.iterdir()] == [entry.name]


def test_a_cache_without_its_last_image_is_made_again(root, cache):
    folder.load(path=str(root), size=(4, 4))
    (entry,) = cache.iterdir()
    index = json.loads((entry / 'index.json').read_text())
    index['files'].pop()
    (entry / 'index.json').write_text(json.dumps(index))
    assert folder.load(path=str(root), size=(4, 4)).shape[0] == 6


def test_an_interrupted_build_leaves_nothing_behind(root, cache, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder_cache, '_write_header', interrupt)
        with pytest.raises(KeyboardInterrupt):
            folder.load(path=str(root), size=(4, 4))
    assert list(cache.iterdir()) == []
    assert folder.load(path=str(root), size=(4, 4)).shape[0] == 6


def test_images_without_room_are_refused_before_they_are_decoded(root):
    with pytest.raises(UserError, match=r'pictures of 1000000 x 1000000 need .*config\.data\.size'):
        folder.load(path=str(root), size=(1_000_000, 1_000_000))


def test_what_a_killed_process_left_is_removed_a_day_later(root, cache):
    for name, age in (('.partial-old', 90_000), ('.partial-new', 3_600)):
        (cache / name).mkdir(parents=True)
        (cache / name / 'images.npy').write_bytes(b'half')
        for path in (cache / name / 'images.npy', cache / name):
            os.utime(path, (time.time() - age,) * 2)
    (cache / '.partial-gone').symlink_to('finished')  # It ends while another one looks.
    folder.load(path=str(root), size=(4, 4))
    assert {path.name for path in cache.glob('.partial-*')} == {'.partial-new', '.partial-gone'}


def test_one_picture_and_labels_of_other_files_are_told(root, tmp_path, caplog):
    labels = tmp_path / 'labels.csv'
    labels.write_text('name,class\ncats/0.PNG,cat\n')
    dataset = folder.load(path=str(root), size=(4, 4), labels=str(labels))
    assert dataset.shape[0] == 1
    assert 'names files that are no readable pictures' in caplog.text
    assert '(1; the first: name)' in caplog.text
    assert 'holds one picture to train on' in caplog.text


def test_missing_empty_and_broken_folders_are_told(tmp_path):
    with pytest.raises(UserError, match=r'config\.data\.path is missing'):
        folder.load(path='', size=(8, 8))
    with pytest.raises(UserError, match='is not a folder'):
        folder.load(path=str(tmp_path / 'nowhere'), size=(4, 4))
    root = tmp_path / 'pictures'
    root.mkdir()
    (root / 'readme.txt').write_text('none here')
    with pytest.raises(UserError, match='holds no pictures'):
        folder.load(path=str(root), size=(4, 4))
    (root / 'a.png').write_bytes(b'')
    (root / 'b.jpg').write_bytes(b'nothing')
    with pytest.raises(UserError, match=r'none of the 2 pictures .* can be read.*a\.png'):
        folder.load(path=str(root), size=(4, 4))


@pytest.mark.parametrize(
    'options',
    [
        {'size': (4,)},
        {'size': (0, 4)},
        {'split': 'valid'},
        {'labels': 'names'},
        {'split_by': 'size'},
        {'alpha': True, 'channels': 1},
        {'fit': 'zoom'},
        {'channels': 2},
        {'matte': (0, 0, 256)},
        {'test_fraction': 1.5},
    ],
)
def test_senseless_options_are_told(root, options):
    with pytest.raises(UserError, match=f'config.data.{next(iter(options))}'):
        folder.load(**{'path': str(root), 'size': (4, 4), **options})


def test_an_unwritable_cache_is_told(root, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(UserError, match='set XDG_CACHE_HOME'):
        folder.load(path=str(root), size=(4, 4))


def test_a_size_of_one_number_is_named(tmp_path):
    with pytest.raises(UserError, match='size=8 is one number: give height,width'):
        folder.load(path=str(tmp_path), size=8)


def test_opacity_is_kept_when_asked_for(tmp_path):
    root = tmp_path / 'pictures'
    root.mkdir()
    pixels = np.full((8, 8, 4), 200, np.uint8)
    pixels[:, 4:, 3] = 0
    Image.fromarray(pixels).save(root / 'a.png')
    Image.new('L', (8, 4), 90).save(root / 'b.png')
    dataset = folder.load(path=str(root), size=(8, 8), alpha=True, fit='pad')
    assert dataset.shape == (2, 8, 8, 4)
    clear, opaque = dataset.read(slice(None))['image']
    np.testing.assert_array_equal(clear[:, :4], 200)
    np.testing.assert_array_equal(clear[:, 4:], 0)  # No color where nothing is seen.
    np.testing.assert_array_equal(opaque[2:6, :, :3], 90)
    np.testing.assert_array_equal(opaque[2:6, :, 3], 255)
    np.testing.assert_array_equal(opaque[:2], 0)  # A pad is transparent.
    plain = folder.load(path=str(root), size=(8, 8), fit='pad').read(slice(None))['image']
    assert plain.shape[-1] == 1 and plain[0, 0, 7, 0] == 255


def test_files_of_one_folder_stay_together_when_asked(tmp_path):
    root = tmp_path / 'pictures'
    for unit in range(12):
        (root / str(unit)).mkdir(parents=True)
        for frame in range(3):
            Image.new('L', (4, 4), unit).save(root / str(unit) / f'{frame}.png')
    options = {'path': str(root), 'size': (4, 4), 'test_fraction': 0.4}

    def units(split, **more):
        return set(first_values(folder.load(**options, split=split, **more)))

    train, test = (units(split, split_by='folder') for split in ('train', 'test'))
    assert train and test and not train & test and train | test == set(range(12))
    assert units('train') & units('test')  # By file, frames of one unit are on both sides.


@pytest.mark.parametrize('cached', [False, True])
def test_pictures_that_are_small_or_long_are_told(root, caplog, cached):
    Image.new('RGB', (9, 30)).save(root / 'small.png')
    Image.new('RGB', (90, 40)).save(root / 'long.png')
    Image.new('RGB', (50, 20)).save(root / 'longer.png')
    folder._warn_once.cache_clear()
    if cached:
        folder.load(path=str(root), size=(20, 20))
        folder._warn_once.cache_clear()
        caplog.clear()
    folder.load(path=str(root), size=(20, 20))
    small = 'smaller than half of 20 x 20 and are blurred by being enlarged'
    assert f'1 of 9 pictures are {small}; the worst is small.png, 30 x 9' in caplog.text
    long = r'3 of 9 pictures lose more than half .*fit=pad.*; the worst is small\.png, 30 x 9'
    assert re.search(long, caplog.text)


@pytest.mark.parametrize(
    ('size', 'fit', 'told'),
    [
        ((20, 40), 'crop', []),
        ((21, 42), 'crop', ['blurred']),
        ((21, 42), 'tiles', ['blurred']),
        ((21, 42), 'stretch', ['blurred']),
        ((21, 40), 'pad', []),
        ((9, 10), 'crop', []),
        ((20, 9), 'crop', ['lose']),
        ((20, 9), 'pad', []),
    ],
)
def test_what_is_told_depends_on_the_fit(root, caplog, size, fit, told):
    folder._warn_once.cache_clear()
    folder.load(path=str(root), size=size, fit=fit)  # Pictures of 10 x 20.
    assert [word for word in ('blurred', 'lose') if word in caplog.text] == told
