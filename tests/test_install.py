"""What pip installs: one top-level name, the command imggen, and all commands and configs."""

import configparser
import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
import setuptools

ROOT = pathlib.Path(__file__).parents[1]
_BUILD = 'import setuptools.build_meta as backend, sys; backend.build_wheel(sys.argv[1])'


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """A folder that holds what the wheel holds."""
    if tuple(map(int, setuptools.__version__.split('.')[:2])) < (70, 1):
        pytest.skip('this version of setuptools cannot build a wheel by itself')
    source = tmp_path_factory.mktemp('source')
    for name in ('imggen', 'experiments', 'configs'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ('setup.py', 'setup.cfg', 'pyproject.toml', 'README.md'):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, '-c', _BUILD, str(source)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = source.glob('*.whl')
    site = tmp_path_factory.mktemp('site')
    zipfile.ZipFile(wheel).extractall(site)
    return site


@pytest.fixture
def imggen(site, tmp_path):
    """Calls the console script from an empty folder."""
    scripts = configparser.ConfigParser()
    scripts.read(next(site.glob('*.dist-info')) / 'entry_points.txt')
    module, function = scripts['console_scripts']['imggen'].split(':')
    code = f'import sys; from {module} import {function}; sys.exit({function}())'

    def call(*arguments):
        return subprocess.run(
            [sys.executable, '-P', '-c', code, *arguments],
            cwd=tmp_path,
            env={**os.environ, 'PYTHONPATH': str(site)},
            capture_output=True,
            text=True,
        )

    return call


def test_one_top_level_name_is_installed_with_every_file(site):
    assert {path.name.split('-')[0] for path in site.iterdir()} == {'imggen'}
    for folder, installed in [
        ('imggen', ''),
        ('experiments', '/experiments'),
        ('configs', '/configs'),
    ]:
        tracked = ['git', 'ls-files', folder]
        files = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True)
        for file in files.stdout.split():
            path = site / f'imggen{installed}' / pathlib.Path(file).relative_to(folder)
            assert path.exists() or not (ROOT / file).exists(), file


def test_help_lists_the_commands_and_imports_no_jax(imggen):
    done = imggen('--help')
    assert done.returncode == 0, done.stderr
    assert '\n  train ' in done.stdout and '\n  prepare ' in done.stdout
    done = imggen('tran', '--workdir=W')
    assert done.returncode == 1 and "did you mean 'train'" in done.stderr


def test_a_config_by_name_is_trained_from_an_empty_folder(imggen, tmp_path):
    config = '--config=gan_perceptron_digits:smoke'
    done = imggen('train', config, '--workdir=W', '--config.method.num_steps=1')
    assert done.returncode == 0, done.stderr
    info = json.loads((tmp_path / 'W' / 'run.json').read_text())
    assert info['status'] == 'finished' and info['revision'] == ''
    assert info['command'].startswith(f'imggen train {config} --workdir=W')
