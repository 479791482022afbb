"""Sources: batches as a pure function of (seed, step), resident or streamed alike."""

import gzip
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from ml_collections import ConfigDict
from PIL import Image

from imggen import data, devices, images
from imggen.data import pipeline
from imggen.data.dataset import from_arrays
from imggen.errors import UserError

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (50, 6, 4, 1), dtype=np.uint8)
LABELS = np.arange(50, dtype=np.int32)
AUGMENTATION = {'flip': True, 'shift_pixels': 1}


def make(*, memory_budget_mib=1.0, augmentation=AUGMENTATION, **options):
    options = {'seed': 0, 'batch_size': 8, **options}
    return pipeline.shuffled(
        from_arrays(PICTURES, labels=LABELS, description='fifty'),
        augmentation=augmentation,
        memory_budget_mib=memory_budget_mib,
        **options,
    )


def assert_batches_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_batch_pairs_scaled_pictures_with_their_labels():
    batch = make(augmentation={}).batch(3)
    assert batch['image'].dtype == jnp.float32 and batch['label'].dtype == jnp.int32
    np.testing.assert_array_equal(images.to_uint8(batch['image']), PICTURES[batch['label']])


def test_a_batch_is_a_function_of_seed_and_step():
    source = make()
    assert_batches_equal(source.batch(5), make().batch(5))
    labels = source.batch(5)['label'].tolist()
    assert labels != source.batch(6)['label'].tolist()
    assert labels != make(seed=1).batch(5)['label'].tolist()


def test_an_epoch_reads_every_picture_once():
    source = make(augmentation={})
    read = np.concatenate([source.batch(step)['label'] for step in range(25)])
    for epoch in read.reshape(4, 50):
        assert sorted(epoch) == list(range(50))


def test_a_batch_larger_than_the_set_repeats_it():
    counts = np.bincount(make(batch_size=120).batch(0)['label'])
    assert set(counts) <= {2, 3} and counts.sum() == 120


@pytest.mark.parametrize('augmentation', [{}, AUGMENTATION, {'rotation_degrees': 20.0}])
def test_streamed_batches_equal_resident_ones_bit_for_bit(augmentation):
    resident = make(augmentation=augmentation)
    streamed = make(augmentation=augmentation, memory_budget_mib=0)
    assert resident.max_window_steps is None and streamed.max_window_steps > 8
    gather = jax.jit(streamed.gather)
    resident_gather = jax.jit(resident.gather)
    for first_step in (0, 8, 3, 2**31 - 9):  # On from before, back, far ahead.
        window = streamed.window(first_step, 8)
        assert window['image'].shape == (8, 8, 6, 4, 1)
        assert window['image'].dtype == np.uint8 and window['label'].shape == (8, 8)
        for step in (first_step, first_step + 7):
            expected = resident_gather(resident.window(step, 1), step)
            assert_batches_equal(gather(window, step), expected)


@pytest.mark.parametrize('memory_budget_mib', [0, 1])
def test_a_batch_gathered_on_four_devices_equals_one_gathered_on_one(memory_budget_mib):
    source = make(memory_budget_mib=memory_budget_mib)
    mesh = devices.make_mesh(devices=jax.devices()[:4])
    window = source.window(2, 3)
    place = devices.replicate if source.max_window_steps is None else devices.shard_window
    with jax.set_mesh(mesh):
        gather = jax.jit(source.gather, out_shardings=NamedSharding(mesh, PartitionSpec('data')))
        batch = gather(place(mesh, window), 4)
    assert len(batch['image'].sharding.device_set) == 4
    assert_batches_equal(batch, source.batch(4))


def test_a_following_window_continues_and_another_starts_anew():
    reads = []
    dataset = from_arrays(PICTURES, description='fifty')

    def read(rows):
        reads.append(rows)
        return dataset.read(rows)

    source = pipeline.shuffled(
        dataset._replace(read=read),
        seed=0,
        batch_size=8,
        augmentation={},
        memory_budget_mib=0,
    )
    for first_step in range(0, 400, 20):
        source.window(first_step, 20)
    # Each batch is read once, but for those read ahead of the last window.
    assert 400 <= len(reads) <= 400 + 20 + source.max_window_steps


def test_each_process_streams_its_slice_of_the_global_batch():
    whole = make(memory_budget_mib=0).window(4, 3)
    parts = [make(memory_budget_mib=0, process=(index, 4)).window(4, 3) for index in range(4)]
    for name in ('image', 'label'):
        joined = np.concatenate([part[name] for part in parts], axis=1)
        np.testing.assert_array_equal(joined, whole[name])
    with pytest.raises(UserError, match='is not a multiple of the 3 processes'):
        make(memory_budget_mib=0, process=(0, 3))


def test_a_failing_read_reaches_the_caller():
    def read(rows):
        raise OSError('disk gone')

    dataset = from_arrays(PICTURES, description='fifty')._replace(read=read)
    source = pipeline.shuffled(dataset, seed=0, batch_size=8, augmentation={}, memory_budget_mib=0)
    with pytest.raises(OSError, match='disk gone'):
        source.window(0, 2)


def test_a_resident_window_is_one_object():
    source = make()
    assert source.window(0, 10) is source.window(10, 3)


def test_a_batch_gathered_in_a_compiled_loop_equals_one_gathered_alone():
    source = make()
    window = source.window(0, 6)

    def body(step, batches):
        return batches.at[step].set(source.gather(window, step)['image'])

    empty = jnp.zeros((6, 8, 6, 4, 1))
    looped = jax.jit(lambda: jax.lax.fori_loop(0, 6, body, empty))()
    for step in (0, 5):
        np.testing.assert_array_equal(looped[step], source.batch(step)['image'])


def test_augmentation_changes_from_step_to_step():
    source = pipeline.shuffled(
        from_arrays(PICTURES[:1], description='one'),
        seed=0,
        batch_size=16,
        augmentation={'shift_pixels': 2},
        memory_budget_mib=1,
    )
    first, second = (np.asarray(source.batch(step)['image']) for step in (0, 1))
    assert np.unique(first, axis=0).shape[0] > 8
    assert not np.array_equal(first, second)


@pytest.fixture
def idx_config(tmp_path):
    def encode(array):
        sizes = struct.pack(f'>{array.ndim}I', *array.shape)
        return struct.pack('>HBB', 0, 8, array.ndim) + sizes + array.tobytes()

    labels = (LABELS % 2).astype(np.uint8)
    for prefix, count in (('train', 50), ('t10k', 20)):
        for kind, array in (('images-idx3', PICTURES[:count, ..., 0]), ('labels-idx1', labels)):
            path = tmp_path / f'{prefix}-{kind}-ubyte.gz'
            path.write_bytes(gzip.compress(encode(array[:count])))
    return {'name': 'idx', 'path': str(tmp_path), 'batch_size': 4, 'augment': {}}


def test_make_reads_a_config_section(idx_config):
    source = data.make(ConfigDict(idx_config), seed=0)
    assert source.num_examples == 50 and source.class_names == ('0', '1')
    assert str(idx_config['path']) in source.description
    assert source.batch(0)['image'].shape == (4, 6, 4, 1)
    assert data.make({**idx_config, 'memory_budget_mib': 0}, seed=0).max_window_steps


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'name': 'idxx'}, "config.data.name='idxx' is not a valid choice: did you mean 'idx'"),
        (
            {'class_name': (1,)},
            "config.data.class_name is not an option: did you mean 'class_names'",
        ),
        (
            {'augment': {'flop': True}},
            "config.data.augment.flop is not an option: did you mean 'flip'",
        ),
        ({'augment': {'shift': -1.0}}, 'config.data.augment.shift is -1.0'),
        ({'batch_size': 0}, 'config.data.batch_size is 0'),
        ({'batch_size': None}, 'config.data.batch_size is None'),
        ({'name': 'folder'}, 'config.data.size is missing'),
        ({'name': 'none'}, 'config.data.path is not an option'),
        ({'pad_pixels': -1}, 'config.data.pad_pixels is -1'),
    ],
)
def test_a_wrong_section_is_told(idx_config, change, message):
    with pytest.raises(UserError) as caught:
        data.make({**idx_config, **change}, seed=0)
    assert message in str(caught.value)


def test_examples_are_the_raw_pictures_of_a_split(idx_config):
    pictures, labels = data.examples(idx_config, split='test')
    np.testing.assert_array_equal(pictures, PICTURES[:20])
    assert labels.tolist() == [0, 1] * 10
    chunks, no_labels = data.examples({**idx_config, 'memory_budget_mib': 0}, split='train')
    np.testing.assert_array_equal(np.concatenate(list(chunks)), PICTURES)
    assert no_labels is None


def test_examples_need_a_data_set():
    with pytest.raises(UserError, match='no splits to compare with'):
        data.examples({'name': 'none'}, split='test')


def test_no_data_is_an_empty_batch():
    source = data.make({'name': 'none'}, seed=0)
    assert source.batch(7) == {} and source.num_examples is None


def test_fixed_pictures_are_every_batch_in_order(tmp_path):
    files = []
    for number, size in enumerate([(8, 6), (6, 8)]):
        files.append(str(tmp_path / f'{number}.png'))
        Image.new('RGB', size, (50 * number, 0, 9)).save(files[-1])
    config = {'name': 'fixed', 'files': tuple(files), 'size': (6, 8)}
    source = data.make(config, seed=0)
    batch = images.to_uint8(source.batch(0)['image'])
    np.testing.assert_array_equal(batch[:, 0, 0], [[0, 0, 9], [50, 0, 9]])
    assert_batches_equal(source.batch(0), source.batch(123))
    with pytest.raises(UserError, match='same batch at every step'):
        data.make({**config, 'batch_size': 4}, seed=0)
    with pytest.raises(UserError, match='differ in size'):
        data.make({**config, 'size': None}, seed=0)
    with pytest.raises(UserError, match=r'gone\.png cannot be read'):
        data.make({**config, 'files': (str(tmp_path / 'gone.png'),)}, seed=0)
    with pytest.raises(UserError, match=r'config\.data\.files is empty'):
        data.make({**config, 'files': ()}, seed=0)
