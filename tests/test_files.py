"""Files that appear whole or not at all, the cache folder, locks."""

import os
import pathlib
import resource
import subprocess
import sys

import pytest

from imggen import files
from imggen.errors import UserError


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'folder' / 'a.txt'
    with files.writing(path) as partial:
        partial.write_text('half')
        assert not path.exists()
        partial.write_text('whole')
    assert path.read_text() == 'whole'
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / 'a.txt'
    files.write_text(path, 'ä\n')
    assert path.read_bytes() == 'ä\n'.encode()
    with pytest.raises(KeyboardInterrupt), files.writing(path) as partial:
        partial.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text(encoding='utf-8') == 'ä\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_does_not_fit_is_named(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match='File too large') as caught:
            files.write_bytes(tmp_path / 'large', bytes(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / 'large')
    assert not list(tmp_path.iterdir())


def test_what_somebody_else_wrote_is_not_replaced(tmp_path):
    path, folder = tmp_path / 'a.html', tmp_path / 'folder'
    folder.mkdir()
    for free in (path, folder):
        files.refuse_foreign(free)
    path.write_text('<meta mine>')
    (folder / 'a').touch()
    files.refuse_foreign(path, mark='<meta mine>')
    for taken in (path, folder):
        sentence = f'{taken} exists: name another --output, or give --overwrite'
        with pytest.raises(UserError, match=sentence):
            files.refuse_foreign(taken)
        files.refuse_foreign(taken, overwrite=True)
    with pytest.raises(UserError, match='--overwrite'):
        files.refuse_foreign(path, mark='<meta yours>')
    (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
    with pytest.raises(UserError, match='exists'):
        files.refuse_foreign(tmp_path / 'link')


@pytest.mark.parametrize('variable', [None, '', '/elsewhere'])
def test_the_cache_is_where_xdg_says(variable, monkeypatch):
    monkeypatch.setenv('HOME', '/home/me')
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    if variable is not None:
        monkeypatch.setenv('XDG_CACHE_HOME', variable)
    root = pathlib.Path(variable or '/home/me/.cache')
    assert files.cache('jax') == root / 'imggen' / 'jax'
    assert files.cache() == root / 'imggen'


def test_a_lock_keeps_other_processes_out_and_ends_with_its_process(tmp_path):
    code = (
        'import pathlib, sys; from imggen import files\n'
        'with files.locked(pathlib.Path(sys.argv[1]), "is in use; wait."):\n'
        '    print("locked", flush=True); sys.stdin.read()'
    )
    command = [sys.executable, '-c', code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b'locked\n'
        with pytest.raises(UserError, match=f'{tmp_path} is in use; wait'):
            files.locked(tmp_path, 'is in use; wait.').__enter__()
        other.kill()
    with files.locked(tmp_path, 'is in use; wait.'):
        pass


def test_the_longest_name_is_written_and_a_longer_one_leaves_nothing_behind(tmp_path):
    files.write_text(tmp_path / ('x' * 255), 'whole')
    assert [path.name for path in tmp_path.iterdir()] == ['x' * 255]
    with pytest.raises(OSError):
        files.write_text(tmp_path / ('x' * 256), 'whole')
    assert len(list(tmp_path.iterdir())) == 1


def test_what_exists_is_only_replaced_if_told_so(tmp_path):
    mine, dangling, free = tmp_path / 'mine', tmp_path / 'dangling', tmp_path / 'free'
    mine.touch()
    dangling.symlink_to('nowhere')
    files.refuse_overwrite([free, tmp_path / ('x' * 300)], overwrite=False)
    files.refuse_overwrite([free, mine], overwrite=True)
    with pytest.raises(UserError, match=f'{mine} exists: name another --output, or give --overwr'):
        files.refuse_overwrite([free, mine], overwrite=False)
    with pytest.raises(UserError, match='mine and 1 more exist: name another'):
        files.refuse_overwrite([mine, dangling], overwrite=False)


def test_an_address_is_no_folder():
    for address in ('gs://bucket/run', 's3:/bucket', '--output=https://host/run', 'a.png,hdfs://b'):
        with pytest.raises(UserError, match=f'{address} is an address, .* mount the bucket'):
            files.refuse_address(address)
    for path in ('runs/gan', '/runs/a:b', 'runs/x:/y', './gs://x', 'C:/x', '--push=hf:me/model'):
        files.refuse_address(path)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
@pytest.mark.parametrize('name', ['new.png', 'folder/new.png', ''])
def test_a_place_where_nothing_may_be_written_is_refused(name, tmp_path):
    closed = tmp_path / 'closed'
    closed.mkdir(mode=0o555)
    with pytest.raises(UserError, match=f'{closed} may not be written'):
        files.refuse_foreign(closed / name)
