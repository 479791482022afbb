"""Weight files: found, verified, and read without running anything that is in them."""

import io
import os
import pickle
import random
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imggen.errors import UserError
from imggen.features import archive, pickles, weights
from tests.helpers.torch_file import (
    LEGACY_HEADER,
    call,
    constant,
    document,
    global_name,
    legacy_bytes,
    state_dict,
    tensor,
    zip_file,
)
from tests.torture import outside

NUMBERS = np.arange(12, dtype='<f4')


def test_numpy_pickle_is_read_as_numpy_wrote_it(tmp_path):
    tree = {
        'a': {'kernel': np.arange(24, dtype=np.float32).reshape(2, 3, 4)},
        'fortran': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        'big': np.arange(3, dtype='>i4'),
        'scalar': np.array(2.5, np.float16),
    }
    path = tmp_path / 'tree.ckpt'
    path.write_bytes(pickle.dumps(tree, protocol=3))
    found = pickles.read_numpy(path)
    assert found.keys() == tree.keys()
    np.testing.assert_array_equal(found['a']['kernel'], tree['a']['kernel'])
    for key in ('fortran', 'big', 'scalar'):
        np.testing.assert_array_equal(found[key], tree[key])
        assert found[key].dtype == tree[key].dtype


@pytest.mark.parametrize('layout', ['zip', 'legacy'])
def test_torch_file_with_views_of_one_storage_is_read(tmp_path, layout):
    body = state_dict(
        plain=tensor('0', (3, 4), (4, 1)),
        transposed=tensor('0', (4, 3), (1, 4)),
        part=tensor('0', (2, 2), (4, 1), offset=5),
        count=tensor('1', (), (), storage='LongStorage'),
        empty=tensor('0', (0, 4), (4, 1)),
    )
    path = tmp_path / 'net.pth'
    count = np.int64(7).tobytes()
    if layout == 'zip':
        zip_file(path, body, NUMBERS.tobytes(), count)
    else:
        path.write_bytes(legacy_bytes(body, (12, NUMBERS.tobytes()), (1, count)))
    found = pickles.read_torch(path)
    grid = NUMBERS.reshape(3, 4)
    np.testing.assert_array_equal(found['plain'], grid)
    np.testing.assert_array_equal(found['transposed'], grid.T)
    np.testing.assert_array_equal(found['part'], grid[1:, 1:3])
    assert found['count'] == 7
    assert found['empty'].shape == (0, 4)


def test_big_endian_archive_gives_the_same_numbers(tmp_path):
    body = state_dict(x=tensor('0', (12,), (1,)))
    path = zip_file(tmp_path / 'a.pth', body, NUMBERS.astype('>f4').tobytes(), byteorder=b'big')
    np.testing.assert_array_equal(pickles.read_torch(path)['x'], NUMBERS)


@pytest.mark.parametrize('is_zip', [True, False])
def test_file_that_pytorch_saves_is_read(tmp_path, is_zip):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    path = tmp_path / 'net.pth'
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=is_zip)
    found = pickles.read_torch(path)
    assert found.keys() == net.state_dict().keys()
    for key, expected in net.state_dict().items():
        np.testing.assert_array_equal(found[key], expected.numpy())


class Shell:
    """Unpickled in the usual way, this runs a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Nested:
    """A call whose argument is a call."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return np.array, ([Shell(self.command)],)


HOSTILE = {
    'command': lambda command: pickle.dumps({'kernel': Shell(command)}),
    'nested': lambda command: pickle.dumps({'a': [{'b': Nested(command)}]}),
    'eval': lambda command: document(
        call(global_name('builtins', 'eval'), constant(f'__import__("os").system({command!r})'))
    ),
    'dotted': lambda command: (
        b'\x80\x04' + constant('numpy') + constant('ndarray.__class__.__subclasses__') + b'\x93.'
    ),
    'module': lambda command: document(
        call(global_name('numpy.f2py', 'capi_maps.load_f2cmap_file'), constant(command))
    ),
}


@pytest.mark.parametrize('attack', HOSTILE)
@pytest.mark.parametrize('layout', ['numpy', 'zip', 'legacy'])
def test_hostile_pickle_is_refused_and_does_nothing(tmp_path, attack, layout):
    marker, path = tmp_path / 'marker', tmp_path / 'weights'
    pickled = HOSTILE[attack](f'touch {marker}')
    if layout == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('archive/data.pkl', pickled)
    elif layout == 'legacy':
        path.write_bytes(LEGACY_HEADER + pickled)
    else:
        path.write_bytes(pickled)
    read = pickles.read_numpy if layout == 'numpy' else pickles.read_torch
    with pytest.raises(UserError, match='it asks for'):
        read(path)
    assert not marker.exists()


def test_the_hostile_pickle_is_hostile(tmp_path):
    marker = tmp_path / 'marker'
    pickle.loads(HOSTILE['nested'](f'touch {marker}'))
    assert marker.exists()


BAD_TREES = {
    'objects': {'a': np.array([{}, None], dtype=object)},
    'strings': {'a': np.array(['x', 'y'])},
    'no array': {'a': {'b': 'text'}},
    'a list': [1, 2],
}


@pytest.mark.parametrize('case', BAD_TREES)
def test_numpy_pickle_of_anything_but_numbers_is_refused(tmp_path, case):
    path = tmp_path / 'tree.ckpt'
    path.write_bytes(pickle.dumps(BAD_TREES[case], protocol=3))
    with pytest.raises(UserError, match=r'tree\.ckpt'):
        pickles.read_numpy(path)


BAD_TENSORS = {
    'past the end': tensor('0', (13,), (1,)),
    'offset past the end': tensor('0', (2,), (1,), offset=11),
    'stride past the end': tensor('0', (2, 2), (11, 1)),
    'negative stride': tensor('0', (2,), (-1,)),
    'negative offset': tensor('0', (2,), (1,), offset=-1),
    'larger than its storage': tensor('0', (2**40,), (0,)),
    'no such storage': tensor('9', (1,), (1,)),
    'a path for a key': tensor('../byteorder', (1,), (1,)),
    'no tensor': constant([1.0, 2.0]),
}


@pytest.mark.parametrize('case', BAD_TENSORS)
def test_tensor_that_is_not_in_the_file_is_refused(tmp_path, case):
    path = zip_file(tmp_path / 'net.pth', state_dict(x=BAD_TENSORS[case]), NUMBERS.tobytes())
    with pytest.raises(UserError, match=r'net\.pth'):
        pickles.read_torch(path)


def test_a_pickle_that_asks_for_gigabytes_of_memo_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / 'greedy.ckpt'
    path.write_bytes(b'\x80\x02}r\xff\xff\xff\x7f.')  # An empty dict, remembered as the last.
    with pytest.raises(UserError, match='numbers its object 2 as 2147483647'):
        pickles.read_numpy(path)


@pytest.mark.parametrize('layout', ['zip', 'legacy'])
def test_hundreds_of_tensors_on_one_storage_take_its_memory_once(tmp_path, layout):
    body = state_dict(**{f't{index}': tensor('0', (10**6,), (1,)) for index in range(200)})
    path, data = tmp_path / 'net.pth', bytes(4 * 10**6)
    if layout == 'zip':
        zip_file(path, body, data)
    else:
        path.write_bytes(legacy_bytes(body, (10**6, data)))
    tracemalloc.start()
    assert len(pickles.read_torch(path)) == 200
    assert tracemalloc.get_traced_memory()[1] < 5 * len(data)
    tracemalloc.stop()


def test_storages_that_claim_more_than_the_file_holds_are_refused(tmp_path):
    path = tmp_path / 'net.pth'
    path.write_bytes(legacy_bytes(state_dict(x=tensor('0', (1,), (1,))), (10**12, b'')))
    with pytest.raises(UserError, match='a storage is larger than the file'):
        pickles.read_torch(path)


def test_a_short_pickle_that_stands_for_a_billion_arrays_is_refused(tmp_path):
    tree = {'a': np.zeros(1)}
    for _ in range(30):
        tree = {'a': tree, 'b': tree}
    path = tmp_path / 'laughs.ckpt'
    path.write_bytes(pickle.dumps(tree, protocol=3))
    with pytest.raises(UserError, match='more than 100000 entries'):
        pickles.read_numpy(path)


@pytest.mark.parametrize(
    'read',
    [pickles.read_torch, pickles.read_numpy, archive.read_keras, weights.sha256, archive.read],
)
def test_a_pipe_among_weights_does_not_hang(tmp_path, read):
    if read is archive.read_keras:
        pytest.importorskip('h5py', reason='h5py is not installed')
    os.mkfifo(tmp_path / 'pipe.pth')
    with pytest.raises(UserError, match=r'pipe\.pth is not a regular file'):
        read(tmp_path / 'pipe.pth')


def test_an_archive_is_read_as_numpy_wrote_it_and_not_as_large_as_it_claims(tmp_path):
    arrays = {
        'a': np.arange(6.0).reshape(2, 3),
        'b/c': np.asfortranarray(np.arange(6).reshape(2, 3)),
        'text': np.array('abc'),
    }
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, **arrays)
    found = archive.read(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}
    )
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a.npy', header.getvalue())
    with pytest.raises(UserError, match='not as long as its data'):
        archive.read(path)
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(UserError, match='of type object'):
        archive.read(path)


def test_a_keras_file_on_which_hdf5_never_ends_is_refused(tmp_path):
    """Found by fuzzing: closing this file, HDF5 takes all memory there is."""
    pytest.importorskip('h5py', reason='h5py is not installed')
    with pytest.raises(UserError, match=r'net\.h5 is not an HDF5 file that can be read safely'):
        outside.h5(tmp_path, random.Random(8029))


def test_keras_file_that_claims_more_than_it_holds_or_reads_another_is_refused(tmp_path):
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    path, other = tmp_path / 'vgg.h5', tmp_path / 'secret'
    other.write_bytes(bytes(16))
    with h5py.File(path, 'w') as file:
        file.create_dataset('a/kernel:0', (10**6, 10**6), 'f4', chunks=(1000, 1000))
    with pytest.raises(UserError, match='is larger than the file'):
        archive.read_keras(path)
    with h5py.File(path, 'w') as file:
        file.create_dataset('a/kernel:0', (4,), 'f4', external=[(str(other), 0, 16)])
    with pytest.raises(UserError, match='not an array of numbers of this file'):
        archive.read_keras(path)


def test_compressed_archive_is_refused(tmp_path):
    body = state_dict(x=tensor('0', (12,), (1,)))
    path = zip_file(tmp_path / 'a.pth', body, NUMBERS.tobytes(), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match='compressed'):
        pickles.read_torch(path)


GOOD_FILE = legacy_bytes(
    state_dict(x=tensor('0', (3, 4), (4, 1)), y=tensor('0', (12,), (1,))), (12, NUMBERS.tobytes())
)


@settings(max_examples=300, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(GOOD_FILE) - 1), st.integers(0, 255)), min_size=1, max_size=4
    ),
    length=st.integers(0, len(GOOD_FILE)),
)
def test_damaged_file_gives_arrays_or_one_clear_error(tmp_path_factory, edits, length):
    data = bytearray(GOOD_FILE)
    for position, byte in edits:
        data[position] = byte
    path = tmp_path_factory.getbasetemp() / 'damaged.pth'
    path.write_bytes(data[:length] if length % 2 else data)
    try:
        found = pickles.read_torch(path)
    except UserError as error:
        assert 'damaged.pth' in str(error)
    else:
        assert all(isinstance(array, np.ndarray) for array in found.values())


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r'gone\.pth does not exist'):
        pickles.read_torch(tmp_path / 'gone.pth')


def test_package_that_is_not_installed_is_named_with_the_extra():
    with pytest.raises(UserError, match=r"no-such-package .*'\.\[pretrained\]'"):
        weights.find('no-such-package', 'no_such_package/weights.ckpt')


def test_installed_file_is_found_without_importing_its_package():
    assert weights.find('pytest', 'pytest/__init__.py').is_file()
    with pytest.raises(UserError, match='pytest'):
        weights.find('pytest', 'pytest/no_such_file.ckpt')


def test_verify_accepts_the_digest_or_its_first_digits_only(tmp_path):
    path = tmp_path / 'a.bin'
    path.write_bytes(b'abc')
    published = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'  # FIPS 180-2.
    assert weights.sha256(path) == published
    weights.verify(path, published)
    weights.verify(path, published[:8])
    path.write_bytes(b'abd')
    with pytest.raises(UserError, match=r'a\.bin is not the published file'):
        weights.verify(path, published)


def test_fetched_file_appears_whole_and_verified_or_not_at_all(tmp_path):
    source, path = tmp_path / 'source.bin', tmp_path / 'cache' / 'file.bin'
    source.write_bytes(b'abc')
    with pytest.raises(UserError, match='not the published file'):
        weights.fetch(source.as_uri(), path, '00000000')
    assert list(path.parent.iterdir()) == []
    weights.fetch(source.as_uri(), path, 'ba7816bf')
    assert path.read_bytes() == b'abc'
    assert list(path.parent.iterdir()) == [path]


def test_unreachable_address_says_where_to_put_the_file(tmp_path):
    path = tmp_path / 'file.bin'
    with pytest.raises(UserError, match=r'put the file at .*file\.bin'):
        weights.fetch((tmp_path / 'gone').as_uri(), path, '00')
    assert not path.exists()


@pytest.mark.parametrize('naming', ['old', 'new', 'keras 3'])
def test_keras_layers_are_read_under_every_naming(tmp_path, naming):
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    kernel = np.arange(54, dtype=np.float32).reshape(3, 3, 3, 2)
    path = tmp_path / 'vgg.h5'
    layer, keys = {
        'old': ('conv1', ('conv1/conv1_W_1:0', 'conv1/conv1_b_1:0')),
        'new': ('conv1', ('conv1/conv1/kernel:0', 'conv1/conv1/bias:0')),
        'keras 3': ('block1/conv2d', ('block1/conv2d/vars/0', 'block1/conv2d/vars/1')),
    }[naming]
    other = layer.replace('1', '2')
    with h5py.File(path, 'w') as file:
        for key, array in zip(keys, (kernel, kernel[0, 0, 0]), strict=True):
            file[key] = array
            file[key.replace('1/', '2/', 2)] = array + 1
        file.create_group('pool')
    layers = archive.read_keras(path)
    assert layers.keys() == {layer, other}
    for name, more in ((layer, 0), (other, 1)):
        np.testing.assert_array_equal(layers[name]['kernel'], kernel + more)
        np.testing.assert_array_equal(layers[name]['bias'], kernel[0, 0, 0] + more)


def test_keras_file_that_is_none_is_refused(tmp_path):
    pytest.importorskip('h5py', reason='h5py is not installed')
    path = tmp_path / 'vgg.h5'
    path.write_bytes(b'not HDF5')
    with pytest.raises(UserError, match=r'vgg\.h5 is not an HDF5 file'):
        archive.read_keras(path)
