"""Full disks and folders that cannot be written to, at every kind of write of a training."""

import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

from tests.torture import children, runs
from tests.torture.table import Row

_KIB = 1024


def rows(folder: pathlib.Path, names: list[str], *, kills: int) -> Iterator[Row]:
    """Yields a row for files that may not grow, and as root for full and locked folders."""
    del kills
    config = runs.write_config(folder, names[0])
    whole = folder / 'whole'
    children.train(config, whole).wait()
    yield _row('no file may grow beyond N KiB', [1, 2, 4, 8], _limited, config, whole)
    if os.geteuid() == 0:
        yield _row('full disk, N KiB free', [0, 4, 16, 64, 256], _full, config, whole)
        names = ['', 'samples', 'checkpoints', 'metrics.jsonl', 'run.json']
        yield _row('cannot be written to (chattr +i)', names, _immutable, config, whole)
    yield _row('cache cannot be written to', ['a file'], _no_cache, config, whole)


def _row(fault: str, values: list, inject, config: pathlib.Path, whole: pathlib.Path) -> Row:
    lost = []
    for value in values:
        workdir = config.parent / 'disk'
        said = inject(config, workdir, value)
        said = [said] if said else runs.differences(workdir, whole, config.parent / 'compared.log')
        if said:
            lost.append(f'{value}: {"; ".join(said)}')
        shutil.rmtree(workdir, ignore_errors=True)
    return Row(fault, len(values), len(values) - len(lost), tuple(lost))


def _limited(config: pathlib.Path, workdir: pathlib.Path, kib: int) -> str:
    child = children.train(config, workdir, file_bytes=kib * _KIB)
    child.wait()
    return (child.status and child.refusal()) or _continue(config, workdir)


def _full(config: pathlib.Path, workdir: pathlib.Path, kib: int) -> str:
    """A file system of 4 MiB with a file that leaves `kib` free."""
    with _mounted(workdir.parent / 'mount') as mount:
        (mount / 'filling').write_bytes(bytes(4096 * _KIB - kib * _KIB))
        child = children.train(config, mount / 'run')
        child.wait()
        (mount / 'filling').unlink()
        fault = (child.status and child.refusal()) or _continue(config, mount / 'run')
        if not fault:
            shutil.copytree(mount / 'run', workdir)
        return fault


def _immutable(config: pathlib.Path, workdir: pathlib.Path, name: str) -> str:
    """A part of a run that even root cannot change, until it can."""
    stopped = children.train(config, workdir, '--config.run.checkpoint_every_steps=20')
    while stopped.poll() is None and runs.last_step(workdir) < 10:
        pass
    stopped.send(9)
    stopped.wait()
    path = workdir / name
    subprocess.run(['chattr', '+i', path], check=True)
    try:
        child = children.train(config, workdir)
        child.wait()
    finally:
        subprocess.run(['chattr', '-i', path], check=True)
    return (child.status and child.refusal()) or _continue(config, workdir)


def _no_cache(config: pathlib.Path, workdir: pathlib.Path, name: str) -> str:
    """The cache folder is a file."""
    file = workdir.parent / name
    file.write_text('')
    environment = {'JAX_COMPILATION_CACHE_DIR': f'{file}/jax', 'XDG_CACHE_HOME': str(file)}
    child = children.train(config, workdir, environment=environment)
    child.wait()
    return child.said[-300:] if child.status or 'Traceback' in child.said else ''


def _continue(config: pathlib.Path, workdir: pathlib.Path) -> str:
    child = children.train(config, workdir)
    return child.said[-300:] if child.wait() else ''


@contextlib.contextmanager
def _mounted(mount: pathlib.Path) -> Iterator[pathlib.Path]:
    mount.mkdir(exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(['umount', '-l', mount], check=True)
