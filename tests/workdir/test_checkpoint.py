"""Checkpoints that are damaged, or that are none: what is said, and where a run goes on."""

import asyncio
import errno
import gc
import logging
import os
import shutil
import sys
import threading
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.workdir import checksums
from imggen.workdir.checkpoint import Checkpoints
from tests.helpers import cases
from tests.torture import damage


def state(step: int):
    return {'weights': jnp.arange(400.0) * step, 'step': jnp.int32(step)}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp('made') / 'checkpoints'
    checkpoints = Checkpoints(folder, keep_best=True, keep_newest=3)
    for step in (10, 20, 30):
        checkpoints.save(step, state(step), {'frechet': float(step)}, record={'first': step})
    checkpoints.wait()
    return folder


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made, tmp_path / 'run' / 'checkpoints')


def files_of(folder):
    return sorted(path for path in folder.rglob('*') if path.is_file())


def largest(folder):
    return max(files_of(folder), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize('way', damage.WAYS, ids=lambda way: way.__name__)
def test_any_damage_to_any_file_is_noticed(made, copy, way):
    """The checksums are only the ground of comparison: without them nothing else is damaged."""
    for path in files_of(made / '30'):
        way(copy / path.relative_to(made))
        removed = way is damage.remove and path.name == checksums.NAME
        assert bool(checksums.damage(copy / '30')) != removed, path
        shutil.copy(path, copy / path.relative_to(made))
        (copy / '30' / checksums.NAME).write_bytes((made / '30' / checksums.NAME).read_bytes())
    assert checksums.damage(copy / '30') == ''


def test_every_bit_counts(tmp_path):
    content = bytearray(np.random.default_rng(0).bytes(3000))
    (tmp_path / 'file').write_bytes(content)
    checksums.write(tmp_path)
    for bit in range(0, 8 * len(content), 97):
        content[bit // 8] ^= 1 << bit % 8
        (tmp_path / 'file').write_bytes(content)
        assert checksums.damage(tmp_path) == 'file is not as it was written'
        content[bit // 8] ^= 1 << bit % 8
    (tmp_path / 'file').write_bytes(content[1024:2048] + content[:1024] + content[2048:])
    assert checksums.damage(tmp_path)


def test_a_run_goes_back_to_the_checkpoint_before_a_damaged_one(copy):
    said = []
    damage.flip(largest(copy / '30'))
    checkpoints = Checkpoints(copy, keep_newest=3, say=said.append)
    assert checkpoints.newest_sound() == 20
    assert checkpoints.steps() == [10, 20]
    assert (copy.parent / 'damaged/30/checksums.json').exists()
    assert len(said) == 1 and 'is not as it was written' in said[0] and 'damaged/30' in said[0]
    restored = checkpoints.restore(jax.eval_shape(lambda: state(0)), step=20)
    assert (restored['weights'] == state(20)['weights']).all()
    assert checkpoints.record(20) == {'first': 20}
    checkpoints.save(30, state(30))
    assert checkpoints.newest_sound() == 30 and checkpoints.record(30) == {}


def test_without_a_sound_checkpoint_there_is_none(copy):
    for step in ('10', '20', '30'):
        damage.empty(next((copy / step / 'state').rglob('_METADATA')))
    assert Checkpoints(copy, say=lambda line: None).newest_sound() is None
    assert sorted(os.listdir(copy.parent / 'damaged')) == ['10', '20', '30']


def test_strangers_are_moved_away_and_are_no_checkpoints(copy):
    (copy / '99').mkdir()
    (copy / '007').mkdir()
    (copy / 'notes.txt').write_text('')
    assert Checkpoints(copy, read_only=True).newest == 30
    (copy.parent / 'damaged/99').mkdir(parents=True)
    said = []
    checkpoints = Checkpoints(copy, keep_newest=3, say=said.append)
    assert checkpoints.newest_sound() == 30
    assert len(said) == 1 and (copy.parent / 'damaged/99-1').is_dir()
    checkpoints.save(40, state(40))
    assert checkpoints.newest == 40


def test_damaged_metrics_are_moved_away_before_they_rank(copy):
    (copy / '10/metrics/metrics').write_text('{"fre')
    with pytest.raises(UserError, match=r'damaged metrics .*: run the training again'):
        assert Checkpoints(copy, keep_best=True, read_only=True).best
    checkpoints = Checkpoints(copy, keep_best=True, keep_newest=3, say=lambda line: None)
    assert checkpoints.best == 20


def test_who_only_reads_is_told_and_moves_nothing(copy):
    damage.truncate(largest(copy / '30'))
    with pytest.raises(UserError, match=r'30 is damaged \(.*\): name another step, or run'):
        Checkpoints(copy, read_only=True).restore(jax.eval_shape(lambda: state(0)))
    assert not (copy.parent / 'damaged').exists()


def test_a_checkpoint_of_an_earlier_version_has_no_checksums(copy):
    (copy / '30' / checksums.NAME).unlink()
    assert Checkpoints(copy).newest_sound() == 30


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    checkpoints, goes_on = Checkpoints(tmp_path / 'checkpoints'), threading.Event()
    write = checksums.write
    monkeypatch.setattr(checksums, 'write', lambda folder: goes_on.wait(60) and write(folder))
    saved = state(10)
    kept = jax.device_get(jax.tree.map(jnp.copy, saved))
    checkpoints.save(10, saved, record={'first': 7})
    # A step reuses the buffers of the state.
    jax.jit(lambda tree: jax.tree.map(jnp.zeros_like, tree), donate_argnums=0)(saved)
    assert not goes_on.is_set()
    goes_on.set()
    restored = checkpoints.restore(jax.eval_shape(lambda: state(0)))
    cases.assert_equal_bits(restored, kept)
    assert checkpoints.record(10) == {'first': 7}
    assert checksums.damage(tmp_path / 'checkpoints/10') == ''
    assert (tmp_path / 'checkpoints/10' / checksums.NAME).exists()


def test_what_could_not_be_written_is_said_by_the_next_save_or_the_end(copy, monkeypatch):
    checkpoints = Checkpoints(copy, keep_newest=3)

    def full(folder):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(checksums, 'write', full)
    sentence = 'step 40 could not be .* make room .* step 30 is kept'
    checkpoints.save(40, state(40))
    with pytest.raises(UserError, match=sentence):
        checkpoints.save(50, state(50))
    shutil.rmtree(copy / '40')
    checkpoints = Checkpoints(copy, keep_newest=3)
    checkpoints.save(40, state(40))
    with pytest.raises(UserError, match=sentence):
        checkpoints.wait()
    shutil.rmtree(copy / '40')
    checkpoints = Checkpoints(copy, keep_newest=3)
    checkpoints.save(40, state(40))
    checkpoints.close()  # After another error, which is the one that counts.


@pytest.mark.parametrize(('file', 'said'), [('orbax/handlers.py', 0), ('other/handlers.py', 1)])
def test_writes_beside_one_that_failed_print_no_traceback(file, said, caplog):
    # Orbax raises the first error and forgets the other tasks; asyncio logs them when they are
    # collected.
    names = {}
    exec(compile('async def write():\n    raise ValueError("full")', file, 'exec'), names)

    async def fail():
        asyncio.get_running_loop().create_task(names['write']())
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.ERROR, logger='asyncio'):
        asyncio.run(fail())
        gc.collect()
    assert caplog.text.count('Task exception was never retrieved') == said


def test_arrays_of_another_shape_are_named_before_anything_is_read(copy):
    checkpoints = Checkpoints(copy, read_only=True)
    with pytest.raises(UserError, match=r'cannot be read \(weights is \[400\] there and \[300\] h'):
        checkpoints.restore({**state(0), 'weights': jnp.zeros(300)})
    cases.assert_equal_bits(checkpoints.restore(state(0)), state(30))


def test_only_stragglers_of_a_save_that_failed_are_silent(copy, monkeypatch):
    printed = []
    monkeypatch.setattr(sys, 'unraisablehook', lambda given: printed.append(str(given.exc_value)))

    def end(message):
        sys.unraisablehook(types.SimpleNamespace(exc_value=RuntimeError(message)))

    checkpoints = Checkpoints(copy, keep_newest=3)
    checkpoints.save(40, state(40))
    checkpoints.wait()
    end('Event loop is closed')

    def full(folder):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(checksums, 'write', full)
    checkpoints.save(50, state(50))
    with pytest.raises(UserError, match='step 50 could not be'):
        checkpoints.wait()
    end('Event loop is closed')
    end('another')
    assert printed == ['Event loop is closed', 'another']
