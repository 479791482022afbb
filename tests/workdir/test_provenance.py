"""What run.json says about the code and the machine, and the patch beside it."""

import json
import re
import shutil
import subprocess

import pytest

from imggen.workdir import provenance
from imggen.workdir.writer import Writer


def git(folder, *command):
    who = ('-c', 'user.name=x', '-c', 'user.email=x')
    subprocess.run(['git', *who, *command], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository that seems to hold the module."""
    folder = tmp_path / 'clone'
    module = folder / 'imggen/workdir/provenance.py'
    module.parent.mkdir(parents=True)
    module.write_text('old = 1\n')
    git(folder, 'init', '-q')
    git(folder, 'add', '.')
    git(folder, 'commit', '-qm', 'x')
    monkeypatch.setattr(provenance, '__file__', str(module))
    return folder


def test_the_revision_notices_new_code_and_no_pictures(clone):
    clean = provenance.revision()
    assert re.fullmatch('[0-9a-f]{12}', clean)
    (clone / 'picture.png').write_text('')
    assert provenance.revision() == clean and provenance.changed() == []
    (clone / 'imggen/new_method.py').write_text('')
    assert provenance.revision() == f'{clean}+changes'


def test_the_patch_makes_the_code_of_the_run_from_its_revision(clone, tmp_path):
    fresh = shutil.copytree(clone, tmp_path / 'fresh')
    (clone / 'imggen/workdir/provenance.py').write_text('new = 2\n')
    (clone / 'imggen/ä new.py').write_bytes(b'# no text: \xff\n')
    (clone / 'secret.txt').write_text('s3cret')
    run = tmp_path / 'run'
    writer = Writer(run, {'seed': 0, 'run': {}}, command='train')
    writer.resume_at(0)
    assert writer.info['changed'] == ['imggen/workdir/provenance.py', 'imggen/ä new.py']
    assert b's3cret' not in (run / 'changes.patch').read_bytes()
    git(fresh, 'apply', str(run / 'changes.patch'))
    for name in writer.info['changed']:
        assert (fresh / name).read_bytes() == (clone / name).read_bytes()


def test_a_large_patch_is_left_out_and_said(clone, monkeypatch):
    monkeypatch.setattr(provenance, '_PATCH_BYTES', 1000)
    (clone / 'imggen/table.py').write_text('x = 1\n' * 1000)
    assert re.fullmatch(r'# The changes are left out: they have .* bytes\.\n', provenance.patch())
    monkeypatch.setattr(provenance, '_CHANGED_BYTES', 1000)
    assert provenance.patch() == '# The changes are left out: the files have 6,000 bytes.\n'


def test_variables_that_count_are_recorded_and_secrets_are_not(tmp_path, monkeypatch):
    for name in ('XLA_FLAGS', 'JAX_ENABLE_X64', 'JAX_ACCESS_TOKEN', 'HF_TOKEN', 'MY_XLA_FLAGS'):
        monkeypatch.setenv(name, 'value')
    writer = Writer(tmp_path, {'seed': 0, 'run': {}}, command='train')
    writer.resume_at(0)
    writer.status('running')
    recorded = json.loads((tmp_path / 'run.json').read_text())['environment']
    assert recorded['XLA_FLAGS'] == recorded['JAX_ENABLE_X64'] == 'value'
    assert not recorded.keys() & {'JAX_ACCESS_TOKEN', 'HF_TOKEN', 'MY_XLA_FLAGS'}


def test_the_driver_is_the_one_of_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, '_DRIVER', tmp_path / 'version')
    assert provenance.driver() == ''
    (tmp_path / 'version').write_text(
        'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n'
    )
    assert provenance.driver() == '550.54.15'
