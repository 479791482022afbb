"""The shipped models do what they are shipped for, and trainings start from them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import imggen
from imggen import images, methods
from imggen.errors import UserError
from imggen.inference import load
from imggen.training import parent


@pytest.mark.parametrize('model', ['drawings', 'drawings_flow'])
def test_drawings_are_drawn_before_anything_is_trained(model):
    pictures = imggen.load(model).sample(16, seed=0).astype(float)
    assert pictures.shape == (16, 64, 64, 3)
    # They lie on white, they differ, and they have colors.
    assert np.median(pictures[:, [0, -1]]) > 250
    assert pictures.std(axis=0).mean() > 40
    assert np.ptp(pictures, axis=-1).mean() > 20


def test_the_parameters_of_all_networks_have_names():
    assert set(imggen.load('drawings').params) == {'generator', 'discriminator', 'ema'}
    flow = imggen.load('drawings_flow').params
    assert set(flow) == {'autoencoder', 'flow.network', 'flow.ema'}
    assert set(flow['autoencoder']) == {'encoder', 'decoder'}


def test_the_autoencoder_keeps_more_than_a_picture_of_a_quarter_of_the_size():
    with Image.open(Path(__file__).parents[2] / 'docs' / 'colorize.jpg') as sheet:
        sheet = sheet.convert('RGB')
    sides = range(0, min(sheet.size) - 128, 128)
    tiles = [sheet.crop((x, y, x + 128, y + 128)).resize((64, 64)) for x in sides for y in sides]
    pictures = images.from_uint8(np.stack([np.asarray(tile) for tile in tiles]))
    run = load.load('drawings_flow')
    found = run.method.reconstruct(run.state, pictures)
    small = pictures.reshape(-1, 16, 4, 16, 4, 3).mean((2, 4)).repeat(4, 1).repeat(4, 2)
    assert np.square(found - pictures).mean() < 0.5 * np.square(small - pictures).mean()


@pytest.mark.parametrize(
    ('config', 'model', 'networks'),
    [
        (
            'latent_flow_folder:pretrained,size=128',
            'drawings_flow',
            ['autoencoder', 'flow.ema', 'flow.network', 'moments'],
        ),
        ('gan_folder', 'drawings', ['discriminator', 'ema', 'generator']),
        ('gan_little_data:size=64', 'drawings', ['discriminator', 'ema', 'generator']),
        ('latent_flow_folder', 'drawings_flow', ['autoencoder', 'moments']),
        (
            'latent_flow_folder:pretrained',
            'drawings_flow',
            ['autoencoder', 'flow.ema', 'flow.network', 'moments'],
        ),
    ],
)
def test_trainings_on_folders_start_from_all_of_its_networks(config, model, networks):
    section = imggen.load_config(config).method.to_dict()
    size = 128 if 'size=128' in config else 64
    batch = {'image': np.zeros((2, size, size, 3), np.float32)}
    _, record = parent.adopt(methods.make({**section, 'num_steps': 10}), model, batch)
    assert sorted(record['taken']) == networks
    assert all(name.startswith(('flow.', 'enlarger')) for name in record['drawn'])


def test_a_run_of_the_same_name_is_meant_and_a_folder_of_pictures_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'drawings').mkdir()
    assert load.folder('drawings') == load.folder(load.folder('drawings')) != Path('drawings')
    (tmp_path / 'drawings' / 'config.json').write_text('{}')
    assert load.folder('drawings') == Path('drawings')
    assert load.folder('runs/drawings') == Path('runs/drawings')


def test_a_slip_in_its_name_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="drawing does not exist: did you mean 'drawings'"):
        load.load('drawing')


def test_the_shipped_model_is_exported_with_its_origin_and_not_measured_in_place(tmp_path):
    command = [sys.executable, '-m', 'experiments.export', '--workdir=drawings', '--half']
    subprocess.run([*command, f'--output={tmp_path / "copy"}'], check=True, capture_output=True)
    info = json.loads((tmp_path / 'copy' / 'run.json').read_text())
    assert info['num_steps'] == 23437 and 'fluent' in info['source']
    assert load.load(tmp_path / 'copy').step == 23437
    command = [sys.executable, '-m', 'experiments.evaluate', '--workdir=drawings']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and 'experiments.export --workdir=drawings' in done.stderr


@pytest.mark.parametrize(
    'changes, shape, sentence',
    [
        ({}, (32, 32, 3), r'is \[256\] there and \[128\] here: use its image size'),
        ({}, (64, 64, 4), r'there and .* here: use its image size, channels'),
        ({'network': 'residual'}, (64, 64, 3), r'use its options of config.method'),
    ],
)
def test_a_parent_that_does_not_fit_says_why(changes, shape, sentence):
    section = imggen.load_config('gan_folder').method.to_dict() | changes
    batch = {'image': np.zeros((2, *shape), np.float32)}
    if changes:
        section |= {'generator': {}, 'discriminator': {}}
    with pytest.raises(imggen.UserError, match=f'init_from=drawings, .*{sentence}'):
        parent.adopt(methods.make({**section, 'num_steps': 1}), 'drawings', batch)
