"""A sweep of the stand-in program, run as a user runs one: a process of experiments.sweep."""

import csv
import os
import pathlib
import subprocess
import sys
import time

from imggen.sweep import plan, standing

_HERE = pathlib.Path(__file__).parent
_ROOT = _HERE.parents[1]

OPTIONS = {
    'seed': 0,
    'method': {'loss': 'hinge', 'sigma': 0.1, 'widths': (4, 8), 'flag': False},
    'data': {'sigma': 2.0},
    'run': {'num_steps': 20, 'step_seconds': 0.0},
}
CONFIG = f"""
import ml_collections

def get_config():
    return ml_collections.ConfigDict({OPTIONS!r})
"""

_DRIVER = """
import functools, sys
from experiments import sweep
from imggen import cli

program = (sys.executable, {stand_in!r})
cli.run(functools.partial(
    sweep.main, train=(*program, 'train'), evaluate=(*program, 'evaluate'),
    check=lambda configs, measured: None))
"""


class Sweep:
    """The command experiments.sweep with the stand-in for the training."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder / 'sweep'
        self.config = folder / 'config.py'
        self.config.write_text(CONFIG)
        self._driver = folder / 'driver.py'
        self._driver.write_text(_DRIVER.format(stand_in=str(_HERE / 'stand_in.py')))

    def start(self, *options: str, **environment: str) -> subprocess.Popen:
        command = [sys.executable, str(self._driver), f'--workdir={self.folder}']
        if not any(option.startswith('--config=') for option in options):
            command.append(f'--config={self.config}')
        return subprocess.Popen(
            [*command, *options],
            cwd=_ROOT,
            env={**os.environ, 'PYTHONPATH': str(_ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str, timeout: float = 60) -> subprocess.CompletedProcess:
        process = self.start(*options)
        out, errors = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    def status(self) -> list[str]:
        """The lines of `sweep status`."""
        return standing.report(self.folder).splitlines()

    def wait_for_step(self, name: str, step: int, *, seconds: float = 30.0) -> dict:
        for _ in range(int(seconds / 0.05)):
            info = plan.read_info(self.folder / name)
            if info.get('step', 0) >= step:
                return info
            time.sleep(0.05)
        raise AssertionError(f'{name} did not reach step {step}: {info}')

    def results(self) -> dict:
        """What the runs computed, without times and process ids."""
        return {
            path.parent.name: (path.read_text(), (path.parent / 'evaluations.jsonl').read_text())
            for path in sorted(self.folder.glob('*/metrics.jsonl'))
            if (path.parent / 'evaluations.jsonl').exists()
        }

    def rows(self) -> list[dict]:
        lines = (self.folder / 'table.csv').read_text().splitlines()
        return list(csv.DictReader(line for line in lines if not line.startswith('#')))
