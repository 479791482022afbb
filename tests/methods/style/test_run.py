"""A run of style transfer from end to end: its results, frames and measures."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from imggen.errors import UserError
from imggen.evaluation import style as style_metrics
from imggen.inference import load
from imggen.training import train
from tests.data.loaders.test_style import noise


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('style')
    alpha = np.full((50, 70, 1), 200, np.uint8)
    Image.fromarray(np.concatenate([noise(50, 70), alpha], -1)).save(folder / 'boat.png')
    Image.fromarray(noise(40, 40, seed=1)).save(folder / 'waves.png')
    config = {
        'seed': 0,
        'data': {
            'name': 'style',
            'content': str(folder / 'boat.png'),
            'style': str(folder / 'waves.png'),
            'size': 32,
        },
        'method': {
            'name': 'style',
            'num_steps': 4,
            'scales': (0.5, 1.0),
            'network': 'vgg16_random',
            'style_layers': {'block1_conv1': 1.0},
            'content_layer': 'block1_conv2',
        },
        'run': {
            'log_every_steps': 1,
            'sample_every_steps': 2,
            'checkpoint_every_steps': 2,
        },
    }
    train.train(config, folder / 'run')
    return folder / 'run'


def test_the_result_has_the_size_and_the_alpha_of_the_content(finished):
    with Image.open(finished / 'results' / 'boat.png') as result:
        pixels = np.asarray(result)
    assert pixels.shape == (50, 70, 4)
    assert (pixels[..., 3] == 200).all()
    frames = sorted(path.name for path in (finished / 'results' / 'boat').iterdir())
    assert frames == ['000002.png', '000004.png']
    last = np.asarray(Image.open(finished / 'results' / 'boat' / '000004.png'))
    np.testing.assert_array_equal(pixels, last)
    with Image.open(finished / 'samples' / '000004.png') as sheet:
        assert sheet.size == (3 * 32, 32)  # The result, the content, the style.


def test_one_picture_on_four_devices_restores_and_is_measured(finished, monkeypatch):
    restored = load.load(finished)
    assert restored.mesh.size == 1
    assert restored.step == 4
    monkeypatch.setattr(style_metrics, '_SCORERS', ('vgg16_random',))
    found = style_metrics.measure(restored, num_images=1, seed=0)
    assert set(found) == {
        'style_vgg16_random',
        'content_vgg16_random',
        'structure_vgg16_random',
        'style_vgg16_random_content',
    }
    assert all(np.isfinite(value) and value >= 0 for value in found.values())


def test_frames_make_an_animation(finished, tmp_path):
    command = [sys.executable, '-m', 'experiments.animate', f'--workdir={finished}']
    subprocess.run([*command, f'--output={tmp_path}/a.gif', '--side=35'], check=True)
    with Image.open(tmp_path / 'a.gif') as animation:
        assert animation.n_frames == 2 and animation.size == (35, 25)
    done = subprocess.run([*command, f'--output={tmp_path}/a.mp3'], capture_output=True, text=True)
    assert done.returncode == 1 and 'give a .mp4, .gif or .webp' in done.stderr


def test_a_broken_content_is_an_error_before_anything_is_written(tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'\x89PNG nothing')
    config = {
        'seed': 0,
        'data': {'name': 'style', 'content': str(tmp_path / 'broken.png'), 'style': 'x.png'},
        'method': {'name': 'style', 'num_steps': 1, 'network': 'vgg16_random'},
        'run': {},
    }
    with pytest.raises(UserError, match=r'broken\.png cannot be read'):
        train.train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
