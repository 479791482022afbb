"""The shipped model draws pictures, and trainings start from it."""

import numpy as np
import pytest

import imggen
from imggen import methods
from imggen.training import parent


def test_drawings_are_drawn_before_anything_is_trained():
    pictures = imggen.load('drawings').sample(16, seed=0).astype(float)
    assert pictures.shape == (16, 64, 64, 3)
    # They lie on white, they differ, and they have colors.
    assert np.median(pictures[:, [0, -1]]) > 250
    assert pictures.std(axis=0).mean() > 40
    assert np.ptp(pictures, axis=-1).mean() > 20


@pytest.mark.parametrize('config', ['gan_folder', 'gan_little_data:size=64'])
def test_trainings_on_folders_start_from_all_of_its_networks(config):
    section = imggen.load_config(config).method.to_dict()
    batch = {'image': np.zeros((2, 64, 64, 3), np.float32)}
    _, record = parent.adopt(methods.make({**section, 'num_steps': 1}), 'drawings', batch)
    assert sorted(record['taken']) == ['discriminator', 'ema', 'generator']
    assert not record['drawn']


def test_a_folder_of_the_same_name_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'drawings').mkdir()
    with pytest.raises(imggen.UserError, match='drawings'):
        imggen.load('drawings')
