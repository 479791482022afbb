"""IDX files: what is read, what is kept, and what each kind of damage is called."""

import gzip
import struct

import numpy as np
import pytest

from imggen.data.loaders import idx
from imggen.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 5, 4), dtype=np.uint8)
LABELS = (np.arange(20) % 4).astype(np.uint8)


def encode(array):
    header = struct.pack('>HBB', 0, 8, array.ndim) + struct.pack(f'>{array.ndim}I', *array.shape)
    return header + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    for prefix in ('train', 't10k'):
        (tmp_path / f'{prefix}-images-idx3-ubyte').write_bytes(encode(IMAGES))
        packed = gzip.compress(encode(LABELS))
        (tmp_path / f'{prefix}-labels-idx1-ubyte.gz').write_bytes(packed)
    return tmp_path


def test_reads_both_splits_compressed_or_not(folder):
    for split in ('train', 'test'):
        dataset = idx.load(path=str(folder), split=split)
        everything = dataset.read(slice(None))
        np.testing.assert_array_equal(everything['image'], IMAGES[..., None])
        np.testing.assert_array_equal(everything['label'], LABELS)
        assert everything['label'].dtype == np.int32
        assert dataset.shape == (20, 5, 4, 1)
        assert dataset.class_names == ('0', '1', '2', '3')


def test_keeps_the_classes_asked_for_and_numbers_them_anew(folder):
    dataset = idx.load(path=str(folder), class_names=(3, '1'))
    everything = dataset.read(slice(None))
    assert dataset.class_names == ('3', '1')
    kept = (LABELS == 3) | (LABELS == 1)
    np.testing.assert_array_equal(everything['image'][..., 0], IMAGES[kept])
    np.testing.assert_array_equal(everything['label'], LABELS[kept] == 1)


def test_pads_with_black_and_cuts_to_the_first_examples(folder):
    dataset = idx.load(path=str(folder), pad_pixels=2, max_examples=3)
    images = dataset.read(slice(None))['image']
    assert images.shape == dataset.shape == (3, 9, 8, 1)
    np.testing.assert_array_equal(images[:, 2:-2, 2:-2, 0], IMAGES[:3])
    assert images.sum(dtype=int) == IMAGES[:3].sum(dtype=int)


def test_a_class_without_images_is_named(folder):
    labels = np.where(LABELS == 2, 1, LABELS).astype(np.uint8)
    (folder / 'train-labels-idx1-ubyte.gz').write_bytes(gzip.compress(encode(labels)))
    with pytest.raises(UserError, match='no image of class 2'):
        idx.load(path=str(folder), class_names=(2,))
    with pytest.raises(UserError, match='no class 9'):
        idx.load(path=str(folder), class_names=(9,))
    with pytest.raises(UserError, match="no class 'shoe'"):
        idx.load(path=str(folder), class_names=('shoe',))


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda content: content[:-1], 'truncated or damaged'),
        (lambda content: content[:9], 'truncated or damaged'),
        (lambda content: content + b'x', 'truncated or damaged'),
        (lambda content: b'', 'not those of an IDX file'),
        (lambda content: b'\x89PNG' + content[4:], 'not those of an IDX file'),
        (lambda content: b'\0\0\x0d\3' + content[4:], 'not those of an IDX file'),  # Floats.
    ],
)
def test_damage_is_told_with_the_file(folder, damage, message):
    path = folder / 'train-images-idx3-ubyte'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=message) as caught:
        idx.load(path=str(folder))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('damage', [lambda packed: packed[:-9], lambda packed: b'plain' + packed])
def test_a_damaged_gzip_is_told_with_the_file(folder, damage):
    path = folder / 'train-labels-idx1-ubyte.gz'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r'labels-idx1-ubyte\.gz cannot be read'):
        idx.load(path=str(folder))


def test_images_and_labels_of_different_sets_are_refused(folder):
    (folder / 'train-labels-idx1-ubyte.gz').write_bytes(gzip.compress(encode(LABELS[:-1])))
    with pytest.raises(UserError, match='different sets'):
        idx.load(path=str(folder))


def test_missing_files_and_unknown_splits_are_told(folder, tmp_path):
    with pytest.raises(UserError, match=r'config\.data\.split'):
        idx.load(path=str(folder), split='valid')
    with pytest.raises(UserError, match='holds no train-images'):
        idx.load(path=str(tmp_path / 'nowhere'))
