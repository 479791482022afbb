"""The command that translates pictures with a trained run."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from configs import pix2pix_autoencoder, pix2pix_noise, super_resolution_x2
from imggen import images
from imggen.training import train
from tests.inference.test_translate import picture


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    photographs = tmp_path_factory.mktemp('photographs')
    for index in range(10):
        images.write_png(photographs / f'{index}.png', picture(32, 32, seed=index))
    return photographs


@pytest.fixture(scope='module')
def workdir(photographs, tmp_path_factory):
    config = super_resolution_x2.get_config('smoke')
    config.data.path = str(photographs)
    config.method.num_steps, config.method.num_adversarial_steps = 2, 0
    workdir = tmp_path_factory.mktemp('run')
    train.train(config.to_dict(), workdir)
    return workdir


def train_pix2pix(config, photographs, workdir):
    config.data.path, config.total_images, config.method.gan_weight = str(photographs), 4, 0.0
    train.train(config.to_dict(), workdir)
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
    (reason,) = (tmp_path / 'out' / 'skipped.txt').read_text().splitlines()
    assert reason.startswith(f'{source / "b.png"} cannot be read')
    with Image.open(tmp_path / 'out' / 'a.png') as result:
        assert result.size == (28, 20)
    assert json.loads((workdir / 'run.json').read_text())['status'] == 'finished'


def test_the_command_films_the_training(workdir, tmp_path):
    film = tmp_path / 'film.gif'
    done = call('animate', workdir, f'--output={film}')
    assert done.returncode == 0, done.stderr
    with Image.open(film) as animation:
        assert animation.n_frames == 2
    done = call('translate', workdir, f'--output={film}')
    assert done.returncode == 1
    assert done.stderr.strip() == ('error: this run needs images: give --input or --validation.')


def test_tiles_that_are_normalized_each_on_its_own_are_named(photographs, tmp_path):
    config = pix2pix_autoencoder.get_config('smoke')
    workdir = train_pix2pix(config, photographs, tmp_path / 'run')
    flags = ('--tile=16', '--overlap=8', f'--input={photographs / "0.png"}')
    done = call('translate', workdir, *flags, f'--output={tmp_path / "0.png"}')
    assert done.returncode == 0, done.stderr
    assert (
        'cut: 1 of more than 16 x 16 pixels, 0.png the first; tiles are normalized '
        'separately and may differ in tone: a larger --tile keeps images whole.'
    ) in done.stderr
    whole = (*flags[2:], f'--output={tmp_path / "0.png"}')
    done = call('translate', workdir, *whole)
    assert done.returncode == 1
    assert done.stderr.startswith(f'error: {tmp_path / "0.png"} exists: name another --output')
    done = call('translate', workdir, *whole, '--overwrite')
    assert done.returncode == 0, done.stderr
    assert 'tone' not in done.stderr


def test_a_run_of_noise_draws_pictures_without_an_input(photographs, tmp_path):
    workdir = train_pix2pix(pix2pix_noise.get_config('smoke'), photographs, tmp_path / 'run')
    done = call('translate', workdir, '--num=2', f'--output={tmp_path / "out"}')
    assert done.returncode == 0, done.stderr
    assert f'{tmp_path / "out"}: 2 made from noise' in done.stdout
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        '000000.png',
        '000001.png',
    ]


def test_an_output_that_cannot_be_is_refused_before_the_run_is_read(photographs, tmp_path):
    flags = (f'--input={photographs / "0.png"}', f'--output={tmp_path / "a.xyz"}')
    done = call('translate', tmp_path / 'no run', *flags)
    assert done.returncode == 1
    assert done.stderr.startswith(f'error: {tmp_path / "a.xyz"} cannot be written: name an')


def test_sampling_a_translation_names_the_program_that_translates(workdir, tmp_path):
    done = call('sample', workdir, f'--output={tmp_path / "sheet.png"}')
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the method 'super_resolution' translates images and generates none: apply it"
    )
    assert 'translate' in done.stderr and done.stderr.count('\n') == 1
