"""Packages: what is fetched, its digest, and the sentence for what cannot be fetched."""

import hashlib
import shutil
import subprocess

import pytest

from imggen.data.download import packages
from imggen.errors import UserError
from tests.helpers import debian_package, npm_package

FILES = {
    'package/a/1.txt': b'one',
    'package/a/2.txt': b'two',
    'package/LICENSE': b'do what you like',
}


def package(name='toy@1.0.0', client='npm', **fields):
    fields = {'patterns': ('package/a/*.txt',), 'license_file': 'package/LICENSE', **fields}
    return packages.Package(client, name, sha256=fields.pop('sha256', ''), **fields)


def test_the_digest_is_that_of_sha256sum(tmp_path, monkeypatch):
    npm_package.offer(tmp_path, monkeypatch, {'toy@1.0.0': FILES})
    root = tmp_path / 'root'
    root.mkdir()
    printed = ''.join(
        f'{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n' for name in list(FILES)[:2]
    )
    sha256 = hashlib.sha256(printed.encode()).hexdigest()
    fetched = packages.fetch(package(sha256=sha256), root)
    assert [path.read_bytes() for path in fetched.files] == [b'one', b'two']
    assert fetched.terms == 'do what you like'
    if shutil.which('sha256sum'):
        command = ['sha256sum', *list(FILES)[:2]]
        said = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
        assert said.decode() == printed


def test_other_files_are_refused_unless_asked_for(tmp_path, monkeypatch):
    npm_package.offer(tmp_path, monkeypatch, {'toy@1.0.0': FILES})
    for name in ('one', 'two', 'three'):
        (tmp_path / name).mkdir()
    with pytest.raises(
        UserError, match=r'npm package toy@1.0.0 holds other files .* give --nocheck'
    ):
        packages.fetch(package(sha256='0' * 64), tmp_path / 'one')
    assert len(packages.fetch(package(), tmp_path / 'two', check=False).files) == 2
    with pytest.raises(UserError, match=r'does not hold \*\.png'):
        packages.fetch(package(patterns=('*.png',)), tmp_path / 'three')


def test_names_can_be_excluded(tmp_path, monkeypatch):
    npm_package.offer(tmp_path, monkeypatch, {'toy@1.0.0': FILES})
    fetched = packages.fetch(package(excluded=('1',)), tmp_path, check=False)
    assert [path.name for path in fetched.files] == ['2.txt']


def test_a_package_that_cannot_be_fetched_is_named_with_a_cure(tmp_path, monkeypatch):
    npm_package.offer(tmp_path, monkeypatch, {'toy@1.0.0': FILES})
    with pytest.raises(UserError, match=r'package no@1 cannot be fetched .*404 Not Found.*network'):
        packages.fetch(package('no@1'), tmp_path)
    monkeypatch.setenv('PATH', str(tmp_path / 'nothing'))
    with pytest.raises(UserError, match=r'npm is not on this machine\): .*apt-get install npm'):
        packages.fetch(package(), tmp_path)
    with pytest.raises(UserError, match=r'apt-get is not on this machine\): .*Debian or Ubuntu'):
        packages.fetch(package(client='Debian'), tmp_path)


@pytest.mark.skipif(not shutil.which('dpkg-deb'), reason='dpkg-deb is not installed')
def test_files_of_a_debian_package(tmp_path, monkeypatch):
    files = {
        'usr/share/a/1.jpg': b'1',
        'usr/share/a/1.txt': b'2',
        'usr/share/doc/toy/copyright': b'3',
    }
    debian_package.offer(tmp_path, monkeypatch, 'toy', files)
    toy = packages.Package('Debian', 'toy', ('usr/share/a/*.jpg',), 'usr/share/doc/*/copyright', '')
    (tmp_path / 'root').mkdir()
    fetched = packages.fetch(toy, tmp_path / 'root', check=False)
    assert [path.name for path in fetched.files] == ['1.jpg'] and fetched.terms == '3'
    with pytest.raises(UserError, match=r'Debian package no cannot be fetched .*Unable to locate'):
        packages.fetch(toy._replace(name='no'), tmp_path / 'root')
