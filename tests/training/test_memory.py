"""A run that cannot fit says so before its first step."""

import jax
import jax.numpy as jnp
import pytest

from imggen import cli, devices
from imggen.errors import UserError
from imggen.training import memory, train
from imggen.workdir import reader
from tests.helpers import processes


def machine(folder, monkeypatch, *, available, swap=0, groups=''):
    """Makes `memory` read about a machine with so many KiB, in these control groups."""
    (folder / 'proc' / 'self').mkdir(parents=True)
    text = f'MemTotal: 99999999 kB\nMemAvailable: {available} kB\nSwapFree: {swap} kB\n'
    (folder / 'proc' / 'meminfo').write_text(text)
    (folder / 'proc' / 'self' / 'cgroup').write_text(groups)
    monkeypatch.setattr(memory, '_PROC', folder / 'proc')
    monkeypatch.setattr(memory, '_CGROUPS', folder / 'cgroup')


def limit(folder, group, file, text):
    (folder / 'cgroup' / group).mkdir(parents=True, exist_ok=True)
    (folder / 'cgroup' / group / file).write_text(text)


def test_a_run_that_does_not_fit_ends_before_its_first_step(tmp_path, monkeypatch):
    method = {'name': 'pixel_average', 'num_images': 16}
    file = processes.write_config(tmp_path, method=method, num_steps=2)
    config = cli.load_config(str(file)).to_dict()
    machine(tmp_path / 'small', monkeypatch, available=0)
    with pytest.raises(UserError, match=r"phase '\w+' needs .* MiB .* which has .*batch_size"):
        train.train(config, tmp_path / 'run')
    assert reader.read(tmp_path / 'run').info['status'] == 'failed'
    assert not list((tmp_path / 'run' / 'checkpoints').glob('[0-9]*'))
    # More memory, the same command.
    machine(tmp_path / 'large', monkeypatch, available=100_000)
    assert train.train(config, tmp_path / 'run').finished


def test_what_a_program_needs_is_said(tmp_path, monkeypatch):
    machine(tmp_path, monkeypatch, available=100 * 1024)
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    array = jax.ShapeDtypeStruct((2**20,), jnp.float32)  # 4 MiB
    program = jax.jit(lambda x: x + 1.0, donate_argnums=0).lower(array).compile()
    said = []
    memory.check('train', program, mesh, say=said.append)
    # The argument lies there already.
    assert said == ["phase 'train' needs 4 of the 104 MiB that are free"]
    copying = jax.jit(lambda x: x + 1.0).lower(array).compile()
    memory.check('train', copying, mesh, say=said.append)
    assert said[1:] == ["phase 'train' needs 8 of the 104 MiB that are free"]


def test_swap_counts_and_devices_share_what_a_machine_has(tmp_path, monkeypatch):
    machine(tmp_path, monkeypatch, available=1000, swap=3000)
    one, four = devices.make_mesh(devices=jax.devices()[:1]), devices.make_mesh()
    assert memory.available(one) == 4000 * 1024
    assert memory.available(four) == memory.available(one) // four.size


@pytest.mark.parametrize(
    ('groups', 'folder', 'file'),
    [
        ('0::/job\n', 'job', 'memory.max'),
        ('0::/job/step\n', 'job', 'memory.max'),
        ('0::/\n', '', 'memory.max'),
        ('5:cpu:/\n4:memory:/job\n', 'memory/job', 'memory.limit_in_bytes'),
    ],
)
def test_a_control_group_limits_the_memory(tmp_path, monkeypatch, groups, folder, file):
    machine(tmp_path, monkeypatch, available=1000, groups=groups)
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    limit(tmp_path, folder, file, 'max\n')
    assert memory.available(mesh) == 1000 * 1024
    limit(tmp_path, folder, file, '4096\n')
    assert memory.available(mesh) == 4096


def test_an_unknown_machine_is_not_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, '_PROC', tmp_path)
    assert memory.available(devices.make_mesh()) is None
