"""Archives from outside: what is extracted, and that nothing gets out of the folder."""

import io
import pathlib
import tarfile

import pytest

from imggen.data.download import archive
from tests.helpers import npm_package


def members(*infos: tarfile.TarInfo) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as made:
        for info in infos:
            made.addfile(info, io.BytesIO(bytes(info.size)))
    return io.BytesIO(buffer.getvalue())


def info(name: str, **attributes) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


def test_matching_files_are_extracted_below_their_paths(tmp_path):
    files = {'./a/b.png': b'1', 'a/c/d.png': b'2', 'a/b.txt': b'3', 'other.png': b'4'}
    archive.extract(io.BytesIO(npm_package.packed(files)), tmp_path, ('a/*.png',))
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*.*')}
    assert found == {'a/b.png', 'a/c/d.png'}
    assert (tmp_path / 'a/b.png').read_bytes() == b'1'


@pytest.mark.parametrize('name', ['../out.png', '/out.png', 'a/../../out.png'])
def test_a_path_that_leads_out_of_the_folder_writes_nothing_there(tmp_path, name):
    folder = tmp_path / 'deep' / 'folder'
    folder.mkdir(parents=True)
    with pytest.raises(OSError, match=r'cannot be unpacked .*leads out of it'):
        archive.extract(members(info(name, size=1)), folder, ('*',))
    outside = [path for path in tmp_path.rglob('*.png') if folder not in path.parents]
    assert not outside and not pathlib.Path('/out.png').exists()


def test_links_devices_and_permissions_are_left_out(tmp_path):
    outside = tmp_path / 'outside'
    outside.mkdir()
    folder = tmp_path / 'folder'
    folder.mkdir()
    content = members(
        info('way', type=tarfile.SYMTYPE, linkname=str(outside)),
        info('hard', type=tarfile.LNKTYPE, linkname='/etc/passwd'),
        info('pipe', type=tarfile.FIFOTYPE),
        info('way/file.png', size=1),
        info('run.sh', size=1, mode=0o4777),
    )
    archive.extract(content, folder, ('*',))
    assert not list(outside.iterdir())
    assert {path.name for path in folder.rglob('*')} == {'way', 'file.png', 'run.sh'}
    assert not (folder / 'way').is_symlink()
    assert (folder / 'run.sh').stat().st_mode & 0o7111 == 0


def test_too_much_and_damage_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, '_MAX_BYTES', 10)
    with pytest.raises(OSError, match='larger than any'):
        archive.extract(members(info('a', size=6), info('b', size=6)), tmp_path, ('none',))
    whole = npm_package.packed({'a.png': bytes(range(256)) * 99})
    for content in (b'', b'no archive', whole[: len(whole) // 2]):
        with pytest.raises(OSError):
            archive.extract(io.BytesIO(content), tmp_path, ('*',))
