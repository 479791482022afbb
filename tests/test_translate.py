"""The command that translates pictures with a trained run."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from configs import super_resolution_x2
from imggen import images, training
from tests.test_translating import picture


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    photographs = tmp_path_factory.mktemp('photographs')
    for index in range(10):
        images.write_png(photographs / f'{index}.png', picture(32, 32, seed=index))
    config = super_resolution_x2.get_config('smoke')
    config.data.path = str(photographs)
    config.method.num_steps, config.method.num_adversarial_steps = 2, 0
    workdir = tmp_path_factory.mktemp('run')
    training.train(config.to_dict(), workdir)
    return workdir


def call(program, workdir, *flags):
    command = [sys.executable, '-m', f'experiments.{program}', f'--workdir={workdir}', *flags]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_translates_a_folder_and_names_what_it_skips(workdir, tmp_path):
    source = tmp_path / 'source'
    source.mkdir()
    Image.fromarray(picture(10, 14)).save(source / 'a.png')
    (source / 'b.png').write_bytes(b'')
    done = call('translate', workdir, f'--input={source}', f'--output={tmp_path / "out"}')
    assert done.returncode == 0, done.stderr
    assert '1 translated, 1 skipped' in done.stdout
    assert f'skipped: {source / "b.png"} cannot be read' in done.stderr
    with Image.open(tmp_path / 'out' / 'a.png') as result:
        assert result.size == (28, 20)
    assert json.loads((workdir / 'run.json').read_text())['status'] == 'finished'


def test_the_command_films_the_training(workdir, tmp_path):
    film = tmp_path / 'film.gif'
    done = call('translate', workdir, '--film', f'--output={film}')
    assert done.returncode == 0, done.stderr
    with Image.open(film) as animation:
        assert animation.n_frames == 2
    done = call('translate', workdir, f'--output={film}')
    assert done.returncode == 1
    assert done.stderr.strip() == 'error: give one of --input, --validation and --film.'


def test_sampling_a_translation_names_the_program_that_translates(workdir, tmp_path):
    done = call('sample', workdir, f'--output={tmp_path / "sheet.png"}')
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f'error: --workdir={workdir} translates pictures: give it some with experiments.translate.'
    )
