"""Prepared tensorflow-datasets, read without TensorFlow and without a network."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from imggen import data
from imggen.data.loaders import tfds
from imggen.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (10, 6, 5, 3), dtype=np.uint8)


def write(root, *, version='1.0.0', file_format='array_record', shape=(6, 5, 3), images=IMAGES):
    """Writes a set as `download_and_prepare` leaves it: records, features and information."""
    import tensorflow_datasets
    from array_record.python import array_record_module
    from tensorflow_datasets.proto import tf_example_pb2

    folder = root / 'toy' / version
    folder.mkdir(parents=True)
    features = tensorflow_datasets.features
    features.FeaturesDict(
        {
            'image': features.Image(shape=shape),
            'label': features.ClassLabel(names=['ant', 'bee']),
            'depth': features.Tensor(shape=(2, 2, 1), dtype=np.float32),
        }
    ).save_config(folder)
    path = folder / f'toy-train.{file_format}-00000-of-00001'
    writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
    for number, image in enumerate(images):
        png = io.BytesIO()
        Image.fromarray(image).save(png, 'PNG')
        example = tf_example_pb2.Example()
        values = example.features.feature
        values['image'].bytes_list.value.append(png.getvalue())
        values['label'].int64_list.value.append(number % 2)
        values['depth'].float_list.value.extend([0.0] * 4)
        writer.write(example.SerializeToString())
    writer.close()
    split = {
        'name': 'train',
        'shardLengths': [str(len(images))],
        'numBytes': '1',
        'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
    }
    information = {
        'name': 'toy',
        'version': version,
        'fileFormat': file_format,
        'splits': [split],
    }
    (folder / 'dataset_info.json').write_text(json.dumps(information))


def load(root, **options):
    return tfds.load(**{'dataset': 'toy', 'data_dir': str(root), **options})


def test_reads_images_labels_and_names(tmp_path):
    write(tmp_path)
    dataset = load(tmp_path)
    assert dataset.shape == (10, 6, 5, 3)
    assert dataset.class_names == ('ant', 'bee')
    everything = dataset.read(slice(None))
    np.testing.assert_array_equal(everything['image'], IMAGES)
    assert everything['label'].tolist() == [0, 1] * 5
    picked = dataset.read(np.array([7, 7, 2]))
    np.testing.assert_array_equal(picked['image'], IMAGES[[7, 7, 2]])
    assert load(tmp_path, split='train[:30%]').shape[0] == 3
    assert 'label' not in load(tmp_path, label_feature='none').read(slice(0, 2))


def test_a_source_made_of_it_streams(tmp_path):
    write(tmp_path)
    config = {'name': 'tfds', 'dataset': 'toy', 'data_dir': str(tmp_path), 'batch_size': 4}
    batch = data.make({**config, 'memory_budget_mib': 0}, seed=0).batch(0)
    assert batch['image'].shape == (4, 6, 5, 3) and batch['label'].shape == (4,)


def test_the_newest_version_is_read_unless_one_is_named(tmp_path):
    write(tmp_path, version='9.0.0', images=IMAGES[:2])
    write(tmp_path, version='10.0.0')
    (tmp_path / 'toy' / '11.0.0.incomplete').mkdir()
    assert load(tmp_path).shape[0] == 10
    assert load(tmp_path, dataset='toy:9.0.0').shape[0] == 2
    with pytest.raises(UserError, match=r'toy:8\.0\.0 is not prepared'):
        load(tmp_path, dataset='toy:8.0.0')


def test_images_of_many_sizes_need_a_size(tmp_path):
    write(tmp_path, shape=(None, None, 3))
    with pytest.raises(UserError, match=r'set config\.data\.size'):
        load(tmp_path)
    assert load(tmp_path, size=(4, 4), channels=1).read(slice(None))['image'].shape == (10, 4, 4, 1)


def test_what_is_not_there_is_told_with_the_cure(tmp_path):
    with pytest.raises(UserError, match='download_and_prepare') as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    write(tmp_path)
    with pytest.raises(UserError, match="no split 'test'; it has train"):
        load(tmp_path, split='test')
    with pytest.raises(UserError, match="no feature 'picture'"):
        load(tmp_path, image_feature='picture')
    with pytest.raises(UserError, match='does not hold 8-bit images'):
        load(tmp_path, image_feature='depth')


def test_a_format_without_random_access_is_told(tmp_path):
    write(tmp_path, file_format='tfrecord')
    with pytest.raises(UserError, match='without random access'):
        load(tmp_path)


def test_tensorflow_is_not_imported(tmp_path):
    write(tmp_path)
    code = (
        'import sys; from imggen.data import tfds; '
        f'tfds.load(dataset="toy", data_dir={str(tmp_path)!r}).read(slice(None)); '
        'assert "tensorflow" not in sys.modules'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
