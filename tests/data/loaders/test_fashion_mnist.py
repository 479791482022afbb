"""Fashion-MNIST: the real files where they are, and one clear sentence where they are not."""

import gzip
import shutil
import subprocess
import sys

import numpy as np
import pytest

from imggen.data.loaders import fashion_mnist
from imggen.errors import UserError
from tests.helpers import debian_package

NAMES = [f'{name}.gz' for name in fashion_mnist.SHA256]


def real_folder():
    for folder in (fashion_mnist.SYSTEM_FOLDER, fashion_mnist.cache_folder()):
        if all((folder / name).is_file() for name in NAMES):
            return folder
    return pytest.skip('Fashion-MNIST is not here: run python -m imggen.data.loaders.fashion_mnist')


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """A machine without the set, without apt-get and with an empty cache."""
    monkeypatch.setattr(fashion_mnist, 'SYSTEM_FOLDER', tmp_path / 'system')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'tfds'))
    monkeypatch.setenv('PATH', str(tmp_path))


def test_the_real_set_is_complete():
    real_folder()
    for split, count in (('train', 60_000), ('test', 10_000)):
        dataset = fashion_mnist.load(split=split)
        everything = dataset.read(slice(None))
        assert dataset.shape == everything['image'].shape == (count, 28, 28, 1)
        np.testing.assert_array_equal(np.bincount(everything['label']), np.full(10, count // 10))
    assert dataset.class_names[9] == 'Ankle boot'
    # The first picture of the test split is an ankle boot, and boots fill the picture's foot.
    assert everything['label'][0] == 9
    assert everything['image'][0, 18:22].mean() > 100 > 5 > everything['image'][0, :4].mean()


def test_one_kind_of_clothes_by_name():
    real_folder()
    dataset = fashion_mnist.load(split='test', class_names=('Trouser',), pad_pixels=2)
    assert dataset.shape == (1000, 32, 32, 1)
    assert dataset.class_names == ('Trouser',)


def test_a_configured_folder_is_checked_by_contents(tmp_path):
    for name in NAMES:
        shutil.copy(real_folder() / name, tmp_path)
    labels = tmp_path / 't10k-labels-idx1-ubyte.gz'
    content = gzip.decompress(labels.read_bytes())
    labels.write_bytes(gzip.compress(content, compresslevel=1))  # Same contents, other file.
    assert fashion_mnist.load(path=str(tmp_path), split='test').shape[0] == 10_000
    labels.write_bytes(gzip.compress(content[:-1] + bytes([content[-1] ^ 1])))
    with pytest.raises(UserError, match='is not the published file of Fashion-MNIST'):
        fashion_mnist.load(path=str(tmp_path), split='test')


def test_without_files_and_network_one_sentence_names_the_ways(no_network):
    with pytest.raises(UserError) as caught:
        fashion_mnist.load()
    message = str(caught.value)
    assert 'dataset-fashion-mnist' in message
    assert 'config.data.path' in message
    assert str(fashion_mnist.cache_folder()) in message


def test_a_damaged_copy_in_the_cache_is_not_used(no_network):
    folder = fashion_mnist.cache_folder()
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(gzip.compress(b'\0\0\x08\x01\0\0\0\0'))
    with pytest.raises(UserError, match='could not be fetched'):
        fashion_mnist.load()


@pytest.mark.skipif(not shutil.which('dpkg-deb'), reason='dpkg-deb is not installed')
@pytest.mark.parametrize('has_lists', [True, False])
def test_fetching_unpacks_the_package(tmp_path, monkeypatch, has_lists):
    folder = fashion_mnist.SYSTEM_FOLDER.relative_to('/')
    files = {f'{folder}/{name}': name.encode() for name in NAMES}
    debian_package.offer(tmp_path, monkeypatch, fashion_mnist.PACKAGE, files, has_lists=has_lists)
    fashion_mnist.fetch(tmp_path / 'cache')
    assert sorted(path.name for path in (tmp_path / 'cache').iterdir()) == sorted(NAMES)
    assert all((tmp_path / 'cache' / name).read_text() == name for name in NAMES)


def test_the_command_says_where_the_files_are():
    real_folder()
    command = [sys.executable, '-m', 'imggen.data.loaders.fashion_mnist']
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert '60,000 images' in result.stdout and '10,000 images' in result.stdout
    assert 'Warning' not in result.stderr
