"""Runs of experiments.train in processes of their own, on a small set that lies on disk."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import jax
import numpy as np

from imggen import devices
from imggen.inference import load

_ROOT = pathlib.Path(__file__).parents[2]
CONFIG_FILE = """from ml_collections import ConfigDict


def get_config():
    return ConfigDict({config!r})
"""
BATCH_SIZE = 16
# A GAN with batch normalization in the generator: what one device computes depends on all.
METHOD = {
    'name': 'gan',
    'network': 'dcgan',
    'generator': {'features': 4},
    'discriminator': {'features': 4},
    'latent_size': 4,
    'learning_rate': 1e-3,
    'learning_rate_end': 1.0,
}


def write_set(folder: pathlib.Path, *, count: int = 40) -> pathlib.Path:
    """Writes `count` training images of 8 x 8 in the format of MNIST."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, array in {
        'train-images-idx3-ubyte': random.integers(0, 256, (count, 8, 8), np.uint8),
        'train-labels-idx1-ubyte': random.integers(0, 10, count).astype(np.uint8),
    }.items():
        header = bytes([0, 0, 8, array.ndim]) + b''.join(
            size.to_bytes(4, 'big') for size in array.shape
        )
        (folder / name).write_bytes(header + array.tobytes())
    return folder


def write_config(folder: pathlib.Path, *, num_steps: int, method=METHOD, data=None, **run):
    """Writes a set and a config file that trains a small GAN on it; returns the file."""
    config = {
        'seed': 0,
        'method': {**method, 'num_steps': num_steps},
        'data': {
            'name': 'idx',
            'path': str(write_set(folder / 'set')),
            'batch_size': BATCH_SIZE,
            **(data or {}),
        },
        'run': {'num_samples': 4, **run},
    }
    file = folder / 'config.py'
    file.write_text(CONFIG_FILE.format(config=config))
    return file


def start(config, workdir, *options: str, num_devices: int = 1, **popen) -> subprocess.Popen:
    """Starts `experiments.train` on `num_devices` virtual devices."""
    command = [sys.executable, '-m', 'experiments.train', f'--config={config}']
    return subprocess.Popen(
        [*command, f'--workdir={workdir}', *options],
        cwd=_ROOT,
        # Without git: a run records the changes of the checkout, which may be many.
        env={**os.environ, 'JAX_NUM_CPU_DEVICES': str(num_devices), 'GIT_DIR': os.devnull},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


def start_two(config, workdir, *options: str) -> list[subprocess.Popen]:
    """Starts one run in two processes of two devices each."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    together = ['--distributed', f'--coordinator=127.0.0.1:{port}', '--num_processes=2']
    return [
        start(config, workdir, *options, *together, f'--process_id={index}', num_devices=2)
        for index in range(2)
    ]


def finish(*started: subprocess.Popen, status: int = 0, seconds: float = 180.0) -> list[str]:
    """Waits for processes that end with `status`; returns what each wrote to standard error."""
    said = []
    for process in started:
        try:
            said.append(process.communicate(timeout=seconds)[1])
        except subprocess.TimeoutExpired:
            process.kill()
            said.append(f'still running after {seconds} s\n{process.communicate()[1]}')
    for process, stderr in zip(started, said, strict=True):
        assert process.returncode == status, f'status {process.returncode}:\n{stderr}'
        assert 'Traceback' not in stderr, stderr
    return said


def wait_until(condition, *started: subprocess.Popen, seconds: float = 120.0) -> None:
    """Polls `condition` while the processes run; ends them where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or any(process.poll() is not None for process in started):
            for process in started:
                process.kill()
            said = '\n'.join(process.communicate()[1] for process in started)
            raise AssertionError(f'what was waited for did not come:\n{said}')
        time.sleep(0.001)


def records(workdir: pathlib.Path) -> list[dict]:
    """Returns the records of a run without what depends on the clock."""
    file = workdir / 'metrics.jsonl'
    lines = file.read_text().splitlines() if file.exists() else []
    timed = ('seconds', 'images_per_second', 'waiting')
    return [
        {name: value for name, value in json.loads(line).items() if name not in timed}
        for line in lines
    ]


def state(workdir: pathlib.Path, step: int):
    """Returns the arrays of one checkpoint."""
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    return load.load(workdir, which=step, mesh=mesh).state
