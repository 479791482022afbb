"""Pairs: what the two sides are, that they stay together, and what is refused."""

import jax
import numpy as np
import pytest
from PIL import Image

from imggen import data, images
from imggen.data.pairs import filters, pairings, pairs
from imggen.errors import UserError

RNG = np.random.default_rng(0)
SIZE = (12, 10)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(picture).save(path)


@pytest.fixture
def root(tmp_path):
    """Nine pictures of the size itself, in three sub-folders of 4, 3 and 2."""
    for subset, count in (('a', 4), ('b', 3), ('c', 2)):
        for number in range(count):
            picture = RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            write(tmp_path / 'pictures' / subset / f'{number}.png', picture)
    return tmp_path / 'pictures'


def section(root, **options):
    return {'name': 'pairs', 'path': str(root), 'size': SIZE, 'batch_size': 6, **options}


def both(config, steps=(0, 1, 5)):
    """The batches of some steps, resident; streamed ones must equal them bit for bit."""
    resident = data.make(config, seed=0)
    streamed = data.make({**config, 'memory_budget_mib': 0}, seed=0)
    assert resident.max_window_steps is None and streamed.max_window_steps
    batches = []
    gather, other = jax.jit(resident.gather), jax.jit(streamed.gather)
    window = streamed.window(0, max(steps) + 1)
    for step in steps:
        batch, same = gather(resident.window(0, 1), step), other(window, step)
        assert batch.keys() == same.keys()
        for name in batch:
            np.testing.assert_array_equal(batch[name], same[name], err_msg=name)
        batches.append({name: np.asarray(side) for name, side in batch.items()})
    return batches


def levels(side):
    return images.to_uint8(side).astype(int)


@pytest.mark.parametrize('cached', [True, False])
def test_the_input_is_a_filter_of_the_target(root, cached):
    config = section(root, filter='contours', cache_filter=cached)
    for batch in both(config):
        assert batch['input'].shape == (6, *SIZE, 12) and batch['input'].dtype == np.float32
        for side, target in zip(levels(batch['input']), levels(batch['target']), strict=True):
            np.testing.assert_array_equal(side, filters.contours(target.astype(np.uint8)))


def test_a_cached_filter_equals_one_computed_on_the_fly(root):
    for name, given in (('canny', {'low': 30.0}), ('gray', {}), ('mask', {'fraction': 0.3})):
        config = section(root, filter=name, filter_options=given)
        first, second = (
            data.paired_examples({**config, 'cache_filter': cached}, split='train')
            for cached in (True, False)
        )
        for side in ('input', 'target'):
            np.testing.assert_array_equal(first[side], second[side])


def test_an_autoencoder_has_one_picture_on_both_sides(root):
    for batch in both(section(root)):
        np.testing.assert_array_equal(batch['input'], batch['target'])


@pytest.mark.parametrize('augment', [{'flip': True}, {'flip': True, 'crop': (7, 6)}])
def test_jitter_moves_both_sides_together(root, augment):
    """Gray is a function of each pixel: it stays one wherever a pixel goes."""
    seen = set()
    for batch in both(section(root, filter='gray', augment=augment), steps=range(8)):
        for side, target in zip(levels(batch['input']), levels(batch['target']), strict=True):
            np.testing.assert_array_equal(side, filters.gray(target.astype(np.uint8)))
            seen.add(target.tobytes())
    pictures = data.paired_examples(section(root), split='train')['target']
    height, width = augment.get('crop', SIZE)
    places = (SIZE[0] - height + 1) * (SIZE[1] - width + 1)
    pieces = {
        way[top : top + height, left : left + width].astype(int).tobytes()
        for picture in pictures
        for way in (picture, picture[:, ::-1])
        for top in range(SIZE[0] - height + 1)
        for left in range(SIZE[1] - width + 1)
    }
    assert seen <= pieces
    assert len(seen) > (9 if places == 1 else 40)


def test_another_picture_is_of_the_same_folder_and_never_the_same(root):
    config = section(root, task='another')
    examples = data.paired_examples(section(root), split='train')['target']
    number = {picture.tobytes(): index for index, picture in enumerate(examples)}
    subset = [0] * 4 + [1] * 3 + [2] * 2
    seen = set()
    for batch in both(config, steps=range(24)):
        own, other = (
            [number[picture.tobytes()] for picture in images.to_uint8(batch[name])]
            for name in ('input', 'target')
        )
        for first, second, label in zip(own, other, batch['label'], strict=True):
            assert first != second and subset[first] == subset[second] == label
            seen.add((first, second))
    assert len(seen) == 4 * 3 + 3 * 2 + 2  # Every pair, in 144 draws.


def test_partners_are_drawn_evenly():
    numbers = np.array([1, 0, 1, 1, 0, 1], np.int32)
    partner = pairings.another(numbers)
    rows = np.zeros(4000, np.int32)
    drawn = np.bincount(partner(jax.random.key(0), rows), minlength=6)
    assert drawn[[0, 1, 4]].sum() == 0
    # Five standard deviations of 4000 throws with probability 1/3.
    assert np.all(np.abs(drawn[[2, 3, 5]] - 4000 / 3) < 5 * np.sqrt(4000 * 2 / 9))


def test_noise_tells_nothing_of_the_picture_and_is_new_at_every_step(root):
    first, second, _ = both(section(root, task='noise', batch_size=64))
    noise = levels(first['input'])
    assert noise.min() == 0 and noise.max() == 255 and first['input'].shape == (64, *SIZE, 3)
    assert abs(noise.mean() - 127.5) < 5 * 74 / np.sqrt(noise.size)  # Uniform: deviation 73.9.
    assert not np.array_equal(first['input'], second['input'])
    assert len(np.unique(noise.reshape(64, -1), axis=0)) == 64


@pytest.mark.parametrize('scale', [2, 4])
def test_a_small_copy_is_pillows_bicubic(tmp_path, scale):
    for number in range(2):
        write(tmp_path / 'p' / f'{number}.png', RNG.integers(64, 192, (24, 20, 3), dtype=np.uint8))
    config = section(tmp_path / 'p', size=(24, 20), task='downscale', scale=scale)
    for batch in both({**config, 'augment': {'flip': True, 'crop': (16, 12)}}):
        assert batch['target'].shape == (6, 16, 12, 3)
        assert batch['input'].shape == (6, 16 // scale, 12 // scale, 3)
        for side, target in zip(levels(batch['input']), levels(batch['target']), strict=True):
            image = Image.fromarray(target.astype(np.uint8))
            small = image.resize((12 // scale, 16 // scale), Image.Resampling.BICUBIC)
            # Pillow rounds to 8 bits between rows and columns too (and would cut at 0 and 255).
            np.testing.assert_allclose(side, np.asarray(small, int), atol=2)
    with pytest.raises(UserError, match=r'24 x 18 cannot be divided by config\.data\.scale=4'):
        data.make({**config, 'scale': 4, 'augment': {'crop': (24, 18)}}, seed=0)


def test_held_out_pictures_come_whole_and_at_their_own_size(tmp_path):
    for number in range(40):
        write(tmp_path / 'p' / f'{number}.png', np.full((9, 9, 3), number, np.uint8))
    config = section(tmp_path / 'p', size=(9, 9), test_size=(6, 6), test_fraction=0.3)
    config |= {'augment': {'crop': (6, 6)}, 'filter': 'gray'}
    train, test = (data.paired_examples(config, split=split) for split in ('train', 'test'))
    assert train['target'].shape[1:] == (9, 9, 3) and test['target'].shape[1:] == (6, 6, 3)
    assert test['input'].shape[1:] == (6, 6, 1)
    numbers = [side['target'][:, 0, 0, 0].tolist() for side in (train, test)]
    assert sorted(numbers[0] + numbers[1]) == list(range(40)) and len(numbers[1]) > 4
    np.testing.assert_array_equal(data.examples(config, split='test')[0], test['target'])
    with pytest.raises(UserError, match='has no pairs; measure a run on pairs'):
        data.paired_examples(
            {'name': 'folder', 'path': config['path'], 'size': (6, 6)}, split='train'
        )


def test_what_makes_no_pair_is_named_and_the_rest_goes_on(root, caplog):
    write(root / 'a' / 'dot.png', np.zeros((1, 1, 3), np.uint8))
    write(root / 'a' / 'small.png', RNG.integers(0, 256, (3, 90, 3), dtype=np.uint8))
    write(root / 'a' / 'gray.png', RNG.integers(0, 256, (*SIZE, 1), dtype=np.uint8))
    (root / 'a' / 'broken.png').write_bytes(b'no picture')
    config = section(root, filter='gray', require_color=True, max_enlargement=3.0)
    with caplog.at_level('WARNING', logger='absl'):
        source = data.make(config, seed=0)
    assert source.num_examples == 9 and '4 skipped' in source.description
    skipped = '\n'.join(record.getMessage() for record in caplog.records)
    assert f'{root}/a/dot.png is 1 x 1 pixels, too small for 10 x 12' in skipped
    assert f'{root}/a/small.png is 90 x 3 pixels, too small' in skipped
    assert f'{root}/a/gray.png is gray, but config.data.require_color is set' in skipped
    assert f'{root}/a/broken.png cannot be read' in skipped


def test_a_picture_alone_in_its_folder_has_no_other(root, tmp_path, caplog):
    write(root / 'd' / '0.png', np.zeros((*SIZE, 3), np.uint8))
    with caplog.at_level('WARNING', logger='absl'):
        source = data.make(section(root, task='another'), seed=0)
    assert source.num_examples == 9 and source.class_names == ('a', 'b', 'c')
    assert f'{root}/d/0.png is alone in its folder' in caplog.text
    write(tmp_path / 'one' / '0.png', np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(UserError, match='has no folder with two pictures'):
        data.make(section(tmp_path / 'one', task='another'), seed=0)


def test_tiles_keep_their_own_scale_on_both_sides(tmp_path):
    picture = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    write(tmp_path / 'p' / '0.png', picture)
    config = section(tmp_path / 'p', size=(10, 10), fit='tiles', filter='threshold')
    examples = data.paired_examples(config, split='train')
    np.testing.assert_array_equal(examples['target'][4], picture[10:, 10:20])
    np.testing.assert_array_equal(examples['input'][4], filters.threshold(picture[10:, 10:20]))


def test_changed_filters_and_files_are_decoded_anew(root):
    config = section(root, filter='threshold')
    before = data.paired_examples(config, split='train')
    other = data.paired_examples({**config, 'filter_options': {'level': 9}}, split='train')
    assert not np.array_equal(before['input'], other['input'])
    write(root / 'a' / '0.png', np.full((*SIZE, 3), 255, np.uint8))
    after = data.paired_examples(config, split='train')
    assert np.all(after['input'][0] == 255) and not np.all(before['input'][0] == 255)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'task': 'pairs'}, "config.data.task is 'pairs'; choose one of filter, side_by_side"),
        (
            {'filter': 'grey'},
            "config.data.filter='grey' is not a valid choice: did you mean 'gray'",
        ),
        (
            {'task': 'noise', 'filter': 'gray'},
            'config.data.filter is not an option of config.data.task',
        ),
        (
            {'target_path': '/x'},
            "config.data.target_path is not an option of config.data.task='filter'",
        ),
        ({'task': 'two_folders'}, 'config.data.target_path is missing'),
        ({'direction': 'AB'}, "config.data.direction is 'AB'; choose one of AtoB, BtoA"),
        ({'task': 'noise', 'direction': 'BtoA'}, 'config.data.direction is not an option'),
        ({'scale': 0}, 'scale=0'),
        ({'channels': None}, 'config.data.channels=None'),
        ({'max_enlargement': 0.5}, 'max_enlargement=0.5'),
        ({'size': 12}, 'give height,width'),
        ({'augment': {'crop': (13, 4)}}, 'larger than the images of 12 x 10'),
        ({'augment': {'crop': 4}}, 'config.data.augment.crop=4 is not a size'),
        ({'split': 'test'}, 'no pairs for the split'),
        ({'path': ''}, 'config.data.path is missing'),
        ({'path': '/nowhere'}, '/nowhere is not a folder'),
    ],
)
def test_a_wrong_section_is_told(root, change, message):
    with pytest.raises(UserError) as caught:
        data.make(section(root, **change), seed=0)
    assert message in str(caught.value)


def test_examples_do_not_depend_on_the_chunks_they_are_made_in(root, monkeypatch):
    config = section(root, task='downscale', scale=2)
    whole = data.paired_examples(config, split='train')
    monkeypatch.setattr(pairs, '_CHUNK', 4)
    parts = data.paired_examples(config, split='train')
    for side in ('input', 'target'):
        np.testing.assert_array_equal(whole[side], parts[side])
