"""Labels that nobody takes and classes that do not exist are refused before anything is written."""

import numpy as np
import pytest

from imggen import images
from imggen.errors import UserError
from imggen.training import train


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for name in ('cats', 'dogs', 'cows'):
        images.write_png(tmp_path / 'set' / name / 'a.png', np.zeros((8, 8, 1), np.uint8))
    data = {'name': 'folder', 'path': str(tmp_path / 'set'), 'size': (8, 8), 'batch_size': 4}
    networks = {'generator': {'features': 4}, 'discriminator': {'features': 4}}
    method = {'name': 'gan', 'network': 'dcgan', 'num_steps': 1, 'latent_size': 4, **networks}
    return {'seed': 0, 'data': {**data, 'labels': 'folders'}, 'method': method, 'run': {}}


@pytest.mark.parametrize(
    ('num_classes', 'sentence'),
    [
        (0, "labels='folders' gives 3 classes, .*: set config.method.num_classes=3 if it has"),
        (2, 'num_classes is 2, but the data set has 3 classes: set it to 3'),
        (4, 'num_classes is 4, but the data set has 3 classes: set it to 3'),
    ],
)
def test_folders_as_labels_need_as_many_classes(config, tmp_path, num_classes, sentence):
    config['method']['num_classes'] = num_classes
    with pytest.raises(UserError, match=sentence):
        train.train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_an_average_is_a_picture_among_the_results(config, tmp_path, capsys):
    for name in ('b', 'c'):
        images.write_png(tmp_path / 'set' / f'{name}.png', np.zeros((8, 8, 1), np.uint8))
    config['data']['labels'] = 'none'
    config['method'] = {'name': 'pixel_average', 'num_steps': 4, 'num_images': 3}
    train.train(config, tmp_path / 'run')
    assert (tmp_path / 'run' / 'results' / 'generated.png').is_file()
    said = capsys.readouterr().err
    assert f'the result is in {tmp_path / "run" / "results"}' in said
    assert 'step 0 of 4 (3 passes over the images)' in said


def test_labels_are_checked_before_anything_is_compiled(config, tmp_path, monkeypatch):
    config['method']['num_classes'] = 2
    monkeypatch.setattr(train.loop, 'first_batch', lambda *arguments: pytest.fail('compiled'))
    with pytest.raises(UserError, match='num_classes is 2, but the data set has 3 classes'):
        train.train(config, tmp_path / 'run')


def test_a_classifier_needs_labels_and_a_target_for_each_class(config, tmp_path):
    config['method'] = {'name': 'classifier', 'num_steps': 1, 'network': {'num_classes': 2}}
    with pytest.raises(
        UserError, match=r'network\.num_classes is 2, but the data set has 3 classes'
    ):
        train.train(config, tmp_path / 'run')
    config['data']['labels'] = 'none'
    with pytest.raises(UserError, match='a classifier learns from labels, but the data set has'):
        train.train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_file_of_labels_needs_as_many_classes(config, tmp_path):
    (tmp_path / 'set' / 'own.csv').write_text('cats/a.png,1\ndogs/a.png,2\ncows/a.png,1\n')
    config['data']['labels'] = 'own.csv'
    with pytest.raises(UserError, match=r"labels='own\.csv' gives 2 classes"):
        train.train(config, tmp_path / 'run')
