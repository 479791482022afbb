"""Files of labels: the three forms, and what is said of others."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from imggen.data.loaders import folder, label_file
from imggen.errors import UserError

LABELS = {'cats/a.png': 'cat', 'b.png': 'dog'}


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('a.csv', 'file,label\ncats/a.png,cat\nb.png,dog\n'),
        ('a.csv', '\ufeffcats/a.png,cat\r\n"b.png", dog\r\n\r\n'),
        ('a.json', json.dumps(LABELS)),
        ('a.json', json.dumps({'labels': list(LABELS.items())})),
    ],
)
def test_each_form_gives_the_same_labels(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding='utf-8')
    assert label_file.read(tmp_path / name) == LABELS


def test_numbers_are_in_the_order_of_numbers():
    assert label_file.names(['10', '9', '2', '9']) == ('2', '9', '10')
    assert label_file.names(['10', '9', 'b']) == ('10', '9', 'b')
    assert label_file.names(['9' * 5000, '9']) == ('9', '9' * 5000)  # Too long for `int`.


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('a.csv', b'a.png\n'),
        ('a.csv', b'a.png,1,2\n'),
        ('a.csv', b'a.png,\n'),
        ('a.csv', b'a.png, \n'),
        ('a.csv', b'a.png,1\n./a.png,2\n'),
        ('a.csv', b'"a.png,1\n'),
        ('a.json', b'{"a.png": 1, "a.png": 2}'),
        ('a.json', b'{"labels": [["a.png", 1], ["a.png", 2]]}'),
        ('a.csv', b'\xff\xfe\x00'),
        ('a.json', b'{"a.png": '),
        ('a.json', b'[1, 2]'),
        ('a.json', b'{"a.png": [1]}'),
        ('a.json', b'{"labels": [3]}'),
        ('a.json', b'[' * 100_000),
    ],
)
def test_what_is_no_file_of_labels_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf'{name} is no file of labels .*: write lines of'):
        label_file.read(tmp_path / name)


def test_a_pipe_is_no_file_of_labels(tmp_path):
    os.mkfifo(tmp_path / 'a.csv')
    with pytest.raises(UserError, match='is no regular file'):
        label_file.read(tmp_path / 'a.csv')


def test_pictures_without_a_label_are_skipped_and_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    root = tmp_path / 'pictures'
    (root / 'cats').mkdir(parents=True)
    for name, value in (('cats/a.png', 1), ('b.png', 2), ('c.png', 3)):
        Image.new('L', (4, 4), value).save(root / name)
    (root / 'labels.json').write_text(json.dumps(LABELS))
    for labels in ('labels.json', str(root / 'labels.json')):
        dataset = folder.load(path=str(root), size=(4, 4), labels=labels)
        assert dataset.class_names == ('cat', 'dog') and dataset.files == ('b.png', 'cats/a.png')
        found = dataset.read(slice(None))
        assert found['label'].tolist() == [1, 0] and found['image'][:, 0, 0, 0].tolist() == [2, 1]
        assert '2 classes: cat (1), dog (1)' in dataset.description
        assert any('c.png has no label in' in line for line in dataset.skipped)
    assert 'c.png has no label' in caplog.text
    # A name may hold what a terminal obeys, and what is no text.
    (root / 'labels.json').write_text(r'{"b.png": "\u001b[2J\n", "c.png": "\ud800"}')
    dataset = folder.load(path=str(root), size=(4, 4), labels='labels.json')
    assert dataset.class_names == ('\x1b[2J', '\ud800')
    assert dataset.description.isprintable()
    (root / 'labels.json').write_text('{"x.png": 1}')
    with pytest.raises(UserError, match=r'names no picture of .*, such as b\.png'):
        folder.load(path=str(root), size=(4, 4), labels='labels.json')
    with pytest.raises(UserError, match=r'gone\.csv cannot be read'):
        folder.load(path=str(root), size=(4, 4), labels='gone.csv')
    assert np.shape(found['image']) == (2, 4, 4, 1)
