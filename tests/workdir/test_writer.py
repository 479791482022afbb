"""What a run writes: refused folders, records after a resume, TensorBoard events."""

import json
import time

import numpy as np
import pytest

from imggen.errors import UserError
from imggen.workdir import boards, reader, records, writer
from imggen.workdir.writer import Writer

CONFIG = {'seed': 0, 'method': {'name': 'gan', 'loss': 'hinge'}, 'run': {'num_samples': 4}}


def write(workdir, config=CONFIG, *, steps=2, **options):
    made = Writer(workdir, config, command='train', **options)
    made.resume_at(0)
    made.status('running', num_steps=steps)
    for step in range(1, steps + 1):
        made.scalars(step, 'train', {'loss': 1 / step, 'seconds': float(step)})
    made.close()
    return made


def test_a_run_is_read_as_it_was_written(tmp_path):
    write(tmp_path)
    run = reader.read(tmp_path)
    assert run.config == CONFIG
    assert json.loads((tmp_path / 'config.json').read_text())['format'] == reader.FORMAT
    assert run.records.last == {'phase': ('train', 2), 'loss': (0.5, 2), 'seconds': (2.0, 2)}
    assert run.info['status'] == 'running' and run.info['sessions'] == 1


def test_another_config_is_refused_and_named(tmp_path):
    write(tmp_path)
    other = {**CONFIG, 'method': {'name': 'gan', 'loss': 'logistic'}, 'run': {'num_samples': 9}}
    sentence = r"another config: method.loss \(there 'hinge', now 'logistic'\); take another"
    with pytest.raises(UserError, match=sentence):
        write(tmp_path, other)
    assert reader.read(tmp_path).config == CONFIG
    write(tmp_path, {**CONFIG, 'run': {'num_samples': 9}})


def test_a_run_that_computed_nothing_takes_the_corrected_config(tmp_path):
    write(tmp_path, {**CONFIG, 'seed': 1}, steps=0)
    write(tmp_path)
    assert reader.read(tmp_path).config == CONFIG


@pytest.mark.parametrize('first', [{}, {'format': 1}, {'format': reader.FORMAT + 1}])
def test_a_workdir_of_another_format_is_refused_in_one_sentence(tmp_path, first):
    (tmp_path / 'config.json').write_text(json.dumps(first | CONFIG))
    sentence = rf'another version of imggen \(format {first.get("format", 1)}, not 2\): .*\.$'
    for open_it in (reader.read, write):
        with pytest.raises(UserError, match=sentence) as caught:
            open_it(tmp_path)
        assert '\n' not in str(caught.value)


def test_resuming_drops_later_records_and_a_torn_line(tmp_path):
    write(tmp_path, steps=5)
    with open(tmp_path / 'metrics.jsonl', 'a') as file:
        file.write('{"step": 6, "lo')
    resumed = Writer(tmp_path, CONFIG, command='train')
    resumed.resume_at(3)
    assert resumed.info['seconds'] == 3.0
    resumed.scalars(4, 'train', {'loss': 0.0})
    assert [record['step'] for record in records.read_lines(tmp_path / 'metrics.jsonl')] == [
        1,
        2,
        3,
        4,
    ]


def test_a_second_process_writes_nothing(tmp_path):
    passive = write(tmp_path / 'run', active=False, boards=['tensorboard'])
    passive.sample('000001', None)
    assert not (tmp_path / 'run').exists()


def test_a_full_disk_is_one_sentence_when_a_session_begins(tmp_path, monkeypatch):
    write(tmp_path)

    def full(path, text):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(writer.files, 'write_text', full)
    with pytest.raises(UserError, match=r'cannot be written to \(No space left on device\): make'):
        Writer(tmp_path, CONFIG, command='train').resume_at(1)


@pytest.mark.parametrize(
    'board, package, pattern',
    [('tensorboard', 'tensorboardX', 'events.*'), ('wandb', 'wandb', 'offline-run-*/*.wandb')],
)
def test_a_board_gets_every_value_the_sheets_and_the_options(
    tmp_path, monkeypatch, board, package, pattern
):
    pytest.importorskip(package)
    monkeypatch.delenv('WANDB_MODE', raising=False)
    made = Writer(tmp_path, CONFIG, command='train', boards=[board])
    made.resume_at(0)
    for step in (1, 2):
        made.scalars(step, 'train', {'loss': 1 / step})
    made.sample('000002', np.zeros((4, 4, 1), np.uint8), step=2)
    made.close()
    (path,) = (tmp_path / board).glob(pattern)
    end = time.monotonic() + 30  # The process of W&B may write on after the run has finished.
    while b'loss' not in (content := path.read_bytes()) and time.monotonic() < end:
        time.sleep(0.05)
    assert content.count(b'train/loss') >= 2 and content.count(b'samples') >= 1
    assert b'hinge' in content
    assert b'PNG' in content or list(path.parent.rglob('samples*.png'))


def test_a_board_that_is_not_installed_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(boards._PACKAGES, 'wandb', 'no_such_package')
    with pytest.raises(UserError, match=r"pip install 'imggen\[wandb\]'"):
        Writer(tmp_path / 'run', CONFIG, command='train', boards=['wandb'])
    assert not (tmp_path / 'run').exists()
